# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Damaged objects for libbpf and bpftool, on this machine and without its kernel: the selftests' fuzzers.

fuzzer() { make -C "$linux/tools/testing/selftests/bpf/fuzz" CLANG=clang-19 LLVM_STRIP=llvm-strip-19 OUTPUT="$build/fuzz" "$@"; }

fuzzers()
{
	need make gcc libc6-dev clang-19 llvm-19 libclang-rt-19-dev libelf-dev zlib1g-dev python3
	step "building the fuzzers" '^ +CC ' 30 fuzzer all -j"$(nproc)"
}

# fuzz RUNS SECONDS SEED: so many of each fuzzer; prints what each did, and fails if one found something or took longer
fuzz()
{
	local target first bad=0
	for target in object linker skeleton; do
		first=$(wc -l <"$log")
		progress "fuzzing $target" '^#[0-9]+.*(NEW|REDUCE)' 0 fuzzer RUNS="$1" MAX_SECONDS="$(($2 / 3))" SEED="$3" "run-$target" || bad=1
		# the last line has the executions and the edges of the code that they reached
		tail -n "+$first" "$log" | awk -v t="$target" -v wanted="$1" '
			/^#[0-9]+.* cov: / { runs = substr($1, 2); cov = $4 }
			/^SUMMARY: |^leaked: / && !found { found = $0 }
			/Test unit written to / { unit = $NF }
			END { printf "fuzz %s: %d of %d executions, %d edges, %s\n", t, runs, wanted, cov, found ? "found " found ": " unit : "found nothing"; exit runs < wanted }' || bad=1
	done
	return "$bad"
}
