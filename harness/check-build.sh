# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# make check-build: the folder that the kernel half lives in, by another compiler, with checkers, and with other configs.

# name, ARCH, then arguments of make and lines of the config
builds='
clang-x86_64  x86_64  LLVM=-19
clang-arm64   arm64   LLVM=-19
checkers      x86_64  W=1 C=1
no-jit        x86_64  CONFIG_BPF_JIT=n
no-syscall    x86_64  CONFIG_BPF_SYSCALL=n
no-smp        x86_64  CONFIG_SMP=n
no-btf        x86_64  CONFIG_DEBUG_INFO_BTF=n
i386          i386
arm           arm     LLVM=-19'

# build_bpf TREE NAME ARCH OPTION...: kernel/bpf/, from scratch so that every message is seen; messages without line numbers to a file
build_bpf()
{
	local o=$1/out-check-$2 option make=(make -C "$1" O="$1/out-check-$2" ARCH="$3" -j"$(nproc)")
	mkdir -p "$o"
	find "$h/config" '(' -name common -o -name "$3" ')' -exec cat {} + | fragment >"$o/all"
	for option in "${@:4}"; do
		case $option in CONFIG_*) echo "$option" >>"$o/all" ;; *) make+=("$option") ;; esac
	done
	case $* in *LLVM*) ;; *) make+=(CC="ccache gcc" HOSTCC="ccache gcc") ;; esac
	"${make[@]}" KCONFIG_ALLCONFIG="$o/all" allnoconfig && "${make[@]}" prepare || return 1
	for option in "${@:4}"; do
		case $option in CONFIG_*) grep -q "^${option/=n/=y}" "$o/.config" && { echo "$option was not taken"; return 1; } ;; esac
	done
	rm -rf "$o/kernel/bpf"
	"${make[@]}" kernel/bpf/ 2>"$o/messages" || { cat "$o/messages"; return 1; }
	grep -E 'warning:|error:' "$o/messages" | sed -E 's,^.*(kernel|include)/,\1/,; s/:[0-9]+:[0-9]+:/:/' | sort -u >"$build/check-$2" || true
}

# What the files of the series say that those of the base do not
check_build()
{
	local name options bad=0
	need sparse clang-19 llvm-19 lld-19 make gcc g++ libc6-dev flex bison bc perl python3 libelf-dev libssl-dev ccache
	tree
	(KERNEL=base; arch "$host"; source_tree)
	while read -r name options; do
		[ "$name" ] || continue
		# shellcheck disable=SC2086
		try "$name" '^ +(CC|CHECK) ' 0 build_bpf "$linux" "$name" $options || { bad=1; continue; }
		[ -s "$build/check-$name" ] || continue
		mv "$build/check-$name" "$build/check-$name.ours"
		# shellcheck disable=SC2086
		step "$name, base" '^ +(CC|CHECK) ' 0 build_bpf "$build/base/linux" "$name" $options
		! comm -13 "$build/check-$name" "$build/check-$name.ours" | grep . || bad=1
	done <<<"$builds"
	arch "$host"
	mkdir -p "$out/bpftool-clang"
	try "bpftool and libbpf, by clang" '^ +(CC|LD|AR|LINK) ' 0 make -C "$linux/tools/bpf/bpftool" LLVM=-19 OUTPUT="$out/bpftool-clang/" -j"$(nproc)" || bad=1
	[ "$bad" = 0 ] || die "make check-build found something; the log is $log"
	say "builds without new messages: $(awk '{ print $1 }' <<<"$builds" | xargs)"
}
