# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# make stress: what tries to break per-CPU data, for longer than make test has time for, most of it on a debug kernel. Two lanes run
# at a time, as a guest takes one of the machine's cores; build/stress/LANE has lines of the table: what|how often|what failed

# trial WHAT TESTS [ENVIRONMENT [APPEND]]: tests in a guest, with these variables and this on the kernel's command line
trial()
{
	local passed=0 failed=0 first
	first=$(wc -l <"$log")
	run_tests "$1" "{ env $3 PERCPU_STRESS_REPORT=/tmp/tried test_progs -a '$2'; s=\$?; cat /tmp/tried; exit \$s; }" "${4:-}" >&2
	{
		echo "[$arch$config] $1|$passed tests|$failed"
		tail -n "+$first" "$log" | sed -n 's/^tried: \([^:]*\): \(.*[^\r]\)\r*$/    \1|\2|/p'
	} >>"$build/stress/$lane"
}

# What each lane runs, in so many seconds
lane_debug()
{
	arch "$want" -debug
	trial "all tests of per-CPU data" "percpu_data*,verifier_percpu*" ""
	trial "hostile programs" "percpu_data_fuse*,percpu_data_hostile*" "PERCPU_FUSE_PROGS=$(($1 * 2))"
}

lane_stress()
{
	arch "$want" -debug
	trial "faults, load and mappings" "percpu_data_faults,percpu_data_load,percpu_data_maps" "PERCPU_STRESS_SECONDS=$(($1 / 10))"
	arch "$want"
	QEMU_ARGS="-smp 1" trial "a single CPU" "percpu_data*" ""
	QEMU_ARGS="-smp 64" trial "64 CPUs" "percpu_data,percpu_data_load,percpu_data_maps,percpu_data_mmap" "" maxcpus=64
	[ ! -e "$h/fuzz.sh" ] || fuzz_trial
}

stress()
{
	local left
	rm -rf "$build/stress"
	mkdir -p "$build/stress"
	lock
	have "$qemu_package" "$qemu_suite"
	arch "$want"
	kernel
	tools
	sample
	selftests test_progs
	arch "$want" -debug
	kernel
	once "$out/selftests/bpf_testmod.ko" step "[$arch] building the tests' modules" . 0 modules
	unlock
	left=$((${MINUTES:-25} * 60 - SECONDS))
	for lane in debug stress; do
		ARCH=$want "$h/main" "stress-$lane" "$left" &
	done
	wait
	awk -F '|' '{ printf "%-44s %-72s %s\n", $1, $2, $3; failed += $3 } END { exit !NR || failed }' "$build"/stress/*
}
