# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Kernel, bpftool, selftests and sample, each by the tree's own makes, into build/out/ARCH.

export CCACHE_DIR=$cache/ccache CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=8G
# the kernel functions' prototypes in BTF, which a fifth of the tests wants, take a newer one than Debian 12's
pahole=$(bin pahole trixie)pahole
export KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=user KBUILD_BUILD_HOST=host

source_tree()
{
	tree
	if [ "${KERNEL:-}" = base ]; then
		[ -e "$src/.git" ] || git_linux worktree add -q -f --no-checkout --detach "$src" base
		step "checking out the base" . 0 git -C "$src" reset -q --hard base
	fi
}

# All that what is built depends on: the files of our tree as they stand, the config, the harness and the machine's packages
inputs()
{
	case $src in "$build"/*) ;; *) date +%s%N; return ;; esac
	[ -e "$out/index" ] || cp "$(git -C "$src" rev-parse --absolute-git-dir)/index" "$out/index"
	rm -f "$out/index.lock"
	env -C "$src" GIT_INDEX_FILE="$out/index" sh -c "git add -A && git write-tree"
	find "$h" "$obj/.config" -type f -exec cat {} +
	stat -c %y /var/lib/dpkg/status
}

# once FILE COMMAND...: run what makes FILE, unless it has been made from just this
once()
{
	[ ! -e "$1" ] || [ "$built_from" != "$(cat "$1.built-from" 2>/dev/null)" ] || return 0
	rm -f "$1.built-from"
	"${@:2}"
	echo "$built_from" >"$1.built-from"
}

# Options as config/ lists them, as kconfig wants them
fragment() { sed 's/#.*//' | tr -s ' ' '\n' | sed -n '/./{ /=/!s/$/=y/; s/^/CONFIG_/p }'; }

kmake()
{
	make -C "$src" O="$obj" ARCH="$karch" CROSS_COMPILE="$cross" CC="ccache ${cross}gcc" HOSTCC="ccache gcc" PAHOLE="$pahole" \
		-j"$(nproc)" "$@"
}

kernel()
{
	local lacks
	need make gcc g++ libc6-dev flex bison bc perl python3 libelf-dev libssl-dev zlib1g-dev ccache
	[ -z "$cross" ] || have "$compiler" "$compiler_suite"
	have pahole trixie
	source_tree
	[ -e "$obj" ] || disk "$src" 4000
	mkdir -p "$obj"
	{
		[ "$config" != -full ] || (cd "$src/tools/testing/selftests/bpf" && cat config config.vm "config.${triplet%%-*}")
		{ cat "$h/config/common" "$h/config/$arch"; [ "$config" != -debug ] || cat "$h/config/debug"; } | fragment
	} >"$out/config.new"
	if [ ! -e "$obj/.config" ] || ! cmp -s "$out/config.new" "$out/config"; then
		step "[$arch] configuring the kernel" . 0 kmake KCONFIG_ALLCONFIG="$out/config.new" allnoconfig
		lacks=$(grep '=[ym]$' "$out/config.new" | grep -vxFf "$obj/.config" | xargs) || true
		# those that it lacks of the selftests' own do for some of the tests
		[ -z "$lacks" ] || [ "$config" = -full ] || die "[$arch] the kernel cannot be configured with $lacks"
		echo "== not taken: $lacks" >>"$log"
		mv "$out/config.new" "$out/config"
		# kbuild does not see that the modules of the tests are of another config
		rm -f "$build/key/obj" "$out"/selftests/*.{ko,built-from}
	fi
	[ "${KERNEL:-}" != base ] || echo -base >"$obj/localversion"
	built_from=$(inputs | sha256sum)
	once "$obj/$image" step "[$arch] building the kernel" '^ +(CC|AS|LD|AR|HOSTCC) ' 2100 kmake "${image##*/}" modules
}

# tool DIR TARGET...: a make below tools/ with everything it must know of the architecture
tool()
{
	local dir=$1 cc="ccache ${cross}gcc" clang="env CCACHE_BASEDIR=$build ccache clang-19"; shift
	[ -z "$cross" ] || cc+=" --sysroot=$sysroot $ldflags"
	# a C library comes with a compiler that is not this machine's, and its linker follows what libraries need
	[ -z "$compiler_suite" ] || clang+=" -Wno-unused-command-line-argument --gcc-toolchain=$(bin "$compiler" "$compiler_suite").. -Wl,-rpath-link,$sysroot/usr/lib/$triplet"
	# clang, which links some of the tests, knows no sysroot
	LDFLAGS=$ldflags make -C "$src/tools/$dir" ARCH="$karch" CROSS_COMPILE="$cross" CC="$cc" HOSTCC="ccache gcc" CLANG="$clang" LLC=llc-19 \
		LLVM_STRIP=llvm-strip-19 LLVM_CONFIG=llvm-config-19 PAHOLE="$pahole" feature_display=0 -j"$(nproc)" "$@"
}

tools()
{
	need clang-19 llvm-19 busybox-static
	sysroot
	mkdir -p "$out/bpftool"
	once "$out/bpftool/bpftool" step "[$arch] building bpftool" '^ +(CC|LD|AR|LINK) ' 130 tool bpf/bpftool OUTPUT="$out/bpftool/" \
		SKIP_LLVM=1 SKIP_LIBBFD=1 SKIP_CRYPTO=1 VMLINUX_BTF="$obj/vmlinux" feature-clang-bpf-co-re=1
}

# selftests PROGRAM...: these of the kernel tree's BPF selftests
selftests()
{
	local dir=$src/tools/testing/selftests/bpf key=$build/key disassembler
	need llvm-19-dev lld-19 openssl rsync pkg-config libzstd-dev libtinfo-dev
	# one signing key: its header lies in the source tree, which all architectures share
	[ -s "$key/signing_key.der" ] || { mkdir -p "$key" && step "making a test key" . 0 "$dir/verify_sig_setup.sh" genkey "$key"; }
	mkdir -p "$out/selftests"
	# so do the modules: bring back those of this kernel
	[ "$(cat "$key/obj" 2>/dev/null)" = "$obj" ] || {
		find "$dir/test_kmods" \( -name '*.ko' -o -name '*.o' \) -delete
		cp -p "$out"/selftests/*.ko "$dir/test_kmods" 2>/dev/null || true
		echo "$obj" >"$key/obj"
	}
	case $llvm in
	*-dev)	disassembler="-L$sysroot/usr/lib/llvm-19/lib $(llvm-config-19 --link-static --libs mcdisassembler all-targets) -lzstd -lz -ltinfo -lstdc++ -lm" ;;
	*)	# bpftool links with the library that llvm-config-19 names
		disassembler=-lLLVM-19
		ln -sf "libLLVM.so.${llvm#libllvm}.1" "$sysroot/usr/lib/$triplet/libLLVM-19.so" ;;
	esac
	# libarena wants a newer clang, and riscv64's gcc calls libatomic
	once "$out/selftests/${!#}" step "[$arch] building the tests" '^ +(CLNG-BPF|GEN-SKEL|TEST-OBJ|EXT-OBJ|LINK-BPF|BINARY|CC) ' 2600 \
		tool testing/selftests/bpf "$@" BPF_STRICT_BUILD=0 SKIP_DOCS=1 LIBARENA_SKEL= LIBARENA_ASAN_SKEL= \
		O="$obj" VMLINUX_BTF="$obj/vmlinux" OUTPUT="$out/selftests" \
		PRIVATE_KEY="$key/signing_key.pem" VERIFICATION_CERT="$key/signing_key.der" feature-llvm=1 LLVM_LDLIBS="$disassembler -l:libatomic.a"
}

# modules: those of the selftests, for a kernel that runs the programs of another one
modules()
{
	local dir=$src/tools/testing/selftests/bpf
	mkdir -p "$out/selftests"
	rm -f "$dir"/test_kmods/*.{ko,mod.o}
	echo "$obj" >"$build/key/obj"
	tool testing/selftests/bpf/test_kmods O="$obj" BPF_OUTPUT="$user/selftests" \
		RESOLVE_BTFIDS="$user/selftests/tools/build/resolve_btfids/resolve_btfids" && cp "$dir"/test_kmods/*.ko "$out/selftests"
}

# programs DIR SRC=...: what prog.mk makes there of BPF programs, with the tree's own headers and libbpf
programs()
{
	local dir=$1 endian include="-I$out/bpftool -I$out/bpftool/libbpf/include"; shift
	mkdir -p "$dir" "$out/uapi/linux"
	# the C library's are older; of the tree's types.h and the like, it wants its own
	ln -sf "$src"/tools/include/uapi/linux/{bpf,bpf_common,btf,perf_event}.h "$out/uapi/linux"
	endian=$("${cross}gcc" -dM -E -x c /dev/null | sed -n 's/^#define __BYTE_ORDER__ __ORDER_\(.*\)_ENDIAN__/\L\1/p')
	make -s -f "$h/prog.mk" -C "$dir" BPFTOOL="$out/bpftool/bootstrap/bpftool" LIBBPF="$out/bpftool/libbpf/libbpf.a" \
		BPF_CC="clang-19 --target=bpf -m$endian-endian -D__TARGET_ARCH_$karch -g -O2 -Wall -fms-extensions -Wno-microsoft-anon-tag $include -I$src/tools/include/uapi" \
		CC="${cross}gcc ${sysroot:+--sysroot=$sysroot} $ldflags -g -O2 -Wall -I. $include -I$out/uapi" "$@"
}

# The per-CPU monitor of samples/bpf
sample()
{
	[ ! -e "$src/samples/bpf/percpu_monitor.c" ] || once "$out/sample/percpu_monitor" step "[$arch] building the sample" . 0 \
		programs "$out/sample" SRC="$src/samples/bpf" NAME=percpu_monitor
}
