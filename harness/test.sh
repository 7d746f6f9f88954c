# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# make test: on each architecture boot, run the tests and count; make bench: count instructions there.

# run_tests WHAT COMMAND [APPEND [SECONDS]]: in a guest, with this on the kernel's command line, and ended after so long; adds what test_progs counted, or one failure
# when it did not get that far or ran no test
run_tests()
{
	local status=0 first summary
	first=$(wc -l <"$log")
	progress "[$arch] $1" '^#[0-9]+ ' 40 guest "cd /tests && $2" tests "${4:-0}" "${3:-}" || status=$?
	tail -n "+$first" "$log" | grep -aE '^#[0-9]+(/[0-9]+)? .*:(FAIL|SKIP \(not built\))|^the (guest|kernel|library) ' | sort -u | sed "s/^/[$arch] /" || true
	# a test that was asked for and could not be built has failed
	summary=$(tail -n "+$first" "$log" | sed -nE 's/^Summary: ([0-9]+)\/([0-9]+) PASSED, ([0-9]+) SKIPPED( \(([0-9]+) not built\))?, ([0-9]+) FAILED.*/\1 \2 \3 \6 \5/p' | tail -n 1)
	# shellcheck disable=SC2086
	set -- "$1" ${summary:-0 0 0 0}
	set -- "$1" "$2" "$3" $(($4 - ${6:-0})) $(($5 + ${6:-0}))
	if [ "$5" = 0 ] && { [ "$status" != 0 ] || [ "$2" = 0 ]; }; then set -- "$1" "$2" "$3" "$4" 1; fi
	passed=$((passed + $2)) failed=$((failed + $5))
	say "[$arch] $1: $2 tests ($3 subtests) passed, $4 skipped, $5 failed"
	[ "$5" = 0 ] || say "[$arch] the whole log is $log"
}

test_one()
{
	local passed=0 failed=0 cpp=
	lock
	arch "$1"
	have "$qemu_package" "$qemu_suite"
	kernel
	tools
	sample
	step "[$arch] building the example" . 0 programs "$out/example" SRC="$top/example"
	# a cross build finds no libraries for C++
	[ -n "$cross" ] || cpp=test_cpp
	selftests test_progs ${cpp:+"$cpp"}
	unlock
	run_tests "running the tests" "exec test_progs -w 900 -a @allow -d @deny"
	if [ "$machine2" ]; then
		machine=$machine2 run_tests "running those of per-CPU data on ${machine2%% -cpu*}" "exec test_progs -w 900 -a '*percpu_data*'"
	fi
	SHARE=$out/example run_tests "running the example" "/share/hits | grep '^all CPUs: [1-9]' && echo 'Summary: 1/0 PASSED, 0 SKIPPED, 0 FAILED'"
	[ -z "$cpp" ] || run_tests "running what uses skeletons in C++" "test_cpp && echo 'Summary: 1/0 PASSED, 0 SKIPPED, 0 FAILED'"
	if [ "$arch" = "$host" ]; then
		run_tests "running those of mapped copies with a paged first chunk" "exec test_progs -w 900 -a 'percpu_data_mmap*'" percpu_alloc=page
		# what our user space says on a kernel without the series
		(lock; KERNEL=base; arch "$1"; kernel)
		obj=$build/base/linux/out-$arch run_tests "running one on the base kernel" \
			"exec test_progs -w 900 -a 'percpu_data_feature'"
	fi
	echo "$passed $failed" >"$out/result"
}

# An architecture that fails, wherever it does, does not hide the results of the others
tests()
{
	local a p f passed=0 failed=0
	for a in $1; do
		arch "$a"
		rm -f "$out/result"
		ARCH=$a "$h/main" test-one || say "[$a] the tests could not be run"
		read -r p f 2>/dev/null <"$out/result" || { p=0 f=1; }
		passed=$((passed + p)) failed=$((failed + f))
	done
	say "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

# What per-CPU data costs in counted instructions, on the base kernel and, beside it, on ours
bench()
{
	local a
	for a in $1; do
		lock
		(KERNEL=base; arch "$a"; kernel)
		arch "$a"
		have "$qemu_package" "$qemu_suite"
		kernel
		tools
		selftests bpf_test_percpu_cost.ko percpu_cost
		unlock
		mkdir -p "$out/bench"
		cp "$out"/selftests/{bpf_test_percpu_cost.ko,percpu_cost} "$out/bench"
		(
			# what comes first is the accelerator, also where there is another
			export SHARE=$out/bench QEMU_ARGS="-accel tcg,thread=single -icount shift=0,sleep=off"
			status=0
			obj=$build/base/linux/out-$arch guest ./percpu_cost vm 0 maxcpus=1 </dev/null >"$out/bench/base" &
			guest "insmod bpf_test_percpu_cost.ko && ./percpu_cost" vm 0 maxcpus=1 </dev/null >"$out/bench/ours" || status=1
			wait $! || status=1
			exit "$status"
		) || die "[$arch] counting failed; the whole log is $log"
		say "[$arch]"
		paste -d '|' "$out/bench/base" <(cut -c 16- "$out/bench/ours")
	done
}
