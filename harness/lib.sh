# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Messages, progress, packages, and the table of architectures.

say() { printf '%s\n' "$*"; }
die() { printf '\nerror: %s\n' "$*" >&2; exit 1; }

# progress WHAT PATTERN TOTAL COMMAND...: run with its output in the log, counting the lines that match on standard error
progress()
{
	local what=$1 pattern=$2 total=$3 n=0 start=$SECONDS shown=$SECONDS every=60 form='%s: %d%s after %ds\n' line status=0; shift 3
	[ "$total" = 0 ] || total=" of about $total"
	if [ -t 2 ]; then every=0 form='\r\033[K%s: %d%s, %ds'; else say "$what ..." >&2; fi
	printf '== %s: %s\n' "$what" "$*" >>"$log"
	"$@" 2>&1 </dev/null | while IFS= read -r line; do
		printf '%s\n' "$line" >>"$log"
		[[ $line =~ $pattern ]] || continue
		n=$((n + 1))
		[ $((SECONDS - shown)) -ge "$every" ] || continue
		shown=$SECONDS
		# shellcheck disable=SC2059
		printf "$form" "$what" "$n" "${total#0}" $((SECONDS - start)) >&2
	done || status=$?
	[ "$every" != 0 ] || printf '\r\033[K' >&2
	[ $((SECONDS - start)) -lt 5 ] || say "$what: $((SECONDS - start))s" >&2
	return "$status"
}

# try: the same, and the end of the log when it fails
try()
{
	progress "$@" || {
		tail -n 15 "$log" >&2
		return 1
	}
}

# step: the same for what must not fail
step() { try "$@" || die "$1 failed; the whole log is $log"; }

# One build at a time in a checkout; a booted guest does not hold the lock.
lock()
{
	[ ! -e /dev/fd/9 ] || return 0
	exec 9>"$build/lock"
	flock -n 9 || { say "waiting for another make in this checkout" >&2; flock 9; }
}
unlock() { exec 9>&-; }

# disk DIR MB: this folder has room for so much more
disk()
{
	local dir=$1 mb=$2 free hint=
	[ "$dir" != "$cache" ] || hint=", or set XDG_CACHE_HOME to a folder that has it"
	free=$(($(df --output=avail -k "$dir" | tail -n 1) / 1024))
	[ "$free" -ge "$mb" ] || die "$dir has $free MB free, and this needs $mb MB: make room there$hint"
}

# need PACKAGE...: install those of them that are missing
need()
{
	local missing install sudo=
	command -v dpkg-query >/dev/null || die "this works on Debian 12 or newer"
	missing=$(comm -23 <(printf '%s\n' "$@" | sort -u) \
		<(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u) | xargs)
	[ -n "$missing" ] || return 0
	install="apt-get install --no-install-recommends -y $missing"
	[ "$(id -u)" = 0 ] || sudo=sudo
	[ -z "$sudo" ] || sudo -n true 2>/dev/null || die "packages are missing; run: sudo $install"
	progress "reading package lists" '^(Get|Hit)' 0 $sudo apt-get update || true
	# shellcheck disable=SC2086
	progress "installing $missing" '^(Get|Unpacking|Setting)' 0 $sudo env DEBIAN_FRONTEND=noninteractive $install ||
		die "packages are missing and could not be installed (is the network there?): $missing; the log is $log"
}

# bin PACKAGE [SUITE]: the folder of its programs: the machine's own are found without
bin() { [ -z "${2:-}" ] || echo "$cache/programs-$1-$2/usr/bin/"; }

# arch NAME [CONFIG]: that line of the table into variables, and where its things lie; CONFIG is -full, the selftests' own kernel config, or -debug
arch()
{
	local line
	line=$(awk -v a="$1" '$1 == a' "$h/arch")
	[ -n "$line" ] || die "ARCH=$1 is not one of: $(awk '/^[a-z]/ { print $1 }' "$h/arch" | xargs)"
	read -r arch karch triplet debian llvm image qemu qemu_package console machine <<<"$line"
	IFS=: read -r debian suite compiler_suite <<<"$debian"
	IFS=: read -r qemu_package qemu_suite <<<"$qemu_package"
	compiler=g++-${triplet//_/-}
	config=${2:-}
	cross=
	[ "$arch" = "$host" ] || cross=$(bin "$compiler" "$compiler_suite")$triplet-
	qemu=$(bin "$qemu_package" "$qemu_suite")qemu-system-$qemu
	IFS='|' read -r machine machine2 <<<"${machine/ | /|}"
	case ${KERNEL:-} in
	''|base) root=$build${KERNEL:+/base} src=$root/linux ;;
	*)
		src=$(realpath -m "$KERNEL")
		[ -e "$src/Makefile" ] || die "KERNEL=$KERNEL is neither base nor a folder with a kernel tree"
		root=$build/trees/${src//\//_}
		;;
	esac
	out=$root/out/$arch$config
	# programs of the ordinary kernel run on that of -debug as well
	user=${out%-debug}
	# a child of the tree, because kbuild then uses relative paths, and ccache serves every checkout and both kernels
	obj=$src/out-$arch$config
	mkdir -p "$out"
}
