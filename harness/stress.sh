# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# make stress: what tries to break per-CPU data, for longer than make test has time for, most of it on a debug kernel. Two lanes run
# at a time, as a guest takes one of the machine's cores; build/stress/LANE has lines of the table: what|how often|what failed

# trial WHAT ARGUMENTS [ENVIRONMENT [APPEND]]: test_progs in a guest that is ended when the time is up, with these arguments and
# variables, and this on the kernel's command line: LEAKS=1 looks for leaks at the end, for tests that don't do that themselves
trial()
{
	local passed=0 failed=0 first left=$((end - SECONDS))
	first=$(wc -l <"$log")
	[ "$left" -ge 60 ] || { echo "[$arch$config] $1|no time was left|1" >>"$build/stress/$lane"; return; }
	run_tests "$1" "{ env PERCPU_SEED=$((seed * 1000000)) ${3:-} PERCPU_STRESS_REPORT=/tmp/tried test_progs -w 0 $2; s=\$?; cat /tmp/tried; exit \$s; }" "${4:-}" "$left" >&2
	{
		echo "[$arch$config] $1|$passed tests|$failed"
		tail -n "+$first" "$log" | sed -n 's/^tried: \([^:]*\): \(.*[^\r]\)\r*$/    \1|\2|/p'
	} >>"$build/stress/$lane"
}

# Tests that go on for as long as they are told; the others that the series adds or changes; and one that loads thousands of programs to see what the kernel can do
longer=percpu_data_faults,percpu_data_load,percpu_data_maps
ours='percpu_data*,verifier_percpu*,verifier_call_patched,verifier_subreg,data_sec_maps,linked_again,linked_damaged,bpftool_gen,btf_dump,map_btf,map_memcg,rdonly_maps,local_kptr_stash,timer_lockup'
probes=percpu_data_feature/bpftool

# What each lane runs in so many seconds
lane_programs()
{
	arch "$want" -debug
	trial "generated and hostile programs" "-a percpu_data_fuse" "PERCPU_STRESS_SECONDS=$(($1 / 150))" LEAKS=1
	trial "all other tests" "-a '$ours' -d $longer,percpu_data_fuse,$probes" "" LEAKS=1
	arch "$want"
	QEMU_ARGS="-smp 1" trial "a single CPU" "-a 'percpu_data*' -d percpu_data_fuse"
	QEMU_ARGS="-smp 64" trial "64 CPUs, 60 of them online" "-a percpu_data,percpu_data_mmap,percpu_data_load" \
		"PERCPU_STRESS_SECONDS=$(($1 / 150))" maxcpus=60
	trial "many more generated programs" "-a percpu_data_fuse" "PERCPU_STRESS_SECONDS=$(((end - SECONDS) / 20)) PERCPU_SEED=$((seed * 1000000 + 500000))"
}

lane_faults()
{
	local bad=0
	arch "$want" -debug
	trial "faults and mappings" "-a $longer -d percpu_data_load" "PERCPU_STRESS_SECONDS=$(($1 / 100))"
	fuzz 20000 $((end > SECONDS + 30 ? end - SECONDS : 30)) "$seed" >"$out/fuzzed" || bad=1
	{ echo "damaged objects||$bad"; sed 's/^fuzz \([a-z]*\): /    \1|/; s/$/|/' "$out/fuzzed"; } >>"$build/stress/$lane"
	# what is left, but for booting and looking for leaks
	trial "load" "-a percpu_data_load" "PERCPU_STRESS_SECONDS=$((end > SECONDS + 180 ? end - SECONDS - 150 : 30))"
}

# Each lane has a log of its own; the last line of what it has for the table says that it got so far
run_lane()
{
	local lane=$1 log=$build/log/stress-$1.log
	: >"$log"
	"lane_$1" "$2" && echo "lane $1|done|0" >>"$build/stress/$1"
}

stress()
{
	local end=$((${MINUTES:-25} * 60)) lane seed=${SEED:-$((RANDOM + 1))}
	lock
	rm -rf "$build/stress"
	mkdir -p "$build/stress"
	arch "$want"
	have "$qemu_package" "$qemu_suite"
	kernel
	tools
	sample
	selftests test_progs
	arch "$want" -debug
	kernel
	once "$out/selftests/bpf_testmod.ko" step "[$arch] building the tests' modules" . 0 modules
	fuzzers
	unlock
	say "SEED=$seed repeats what is generated now"
	# however long it took to build
	[ "$end" -ge $((SECONDS + 600)) ] || end=$((SECONDS + 600))
	# background jobs don't see Ctrl-C
	trap 'trap - INT; kill 0' INT
	for lane in programs faults; do
		run_lane "$lane" $((end - SECONDS)) &
	done
	wait
	for lane in programs faults; do
		grep -qs '|done|' "$build/stress/$lane" || echo "lane $lane|did not get to its end|1" >>"$build/stress/$lane"
	done
	awk -F '|' '$2 != "done" { printf "%-44s %-72s %s\n", $1, $2, $3; failed += $3 } END { exit failed != 0 }' "$build"/stress/*
}
