# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The base tree and foreign libraries: fetched with a private apt state, kept and checked in the cache.

# apt_private DIR DEBIAN-ARCH SUITE...: set $apt to an apt-get with its own lists, for suites of the mirror this machine uses.
apt_private()
{
	local dir=$1 deb=$2 mirror codename; shift 2
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	# shellcheck disable=SC2016
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
		awk -v c="$codename" '$2 == c { print $1; exit }')
	[ -n "$mirror" ] || die "apt has no Debian source for $codename to take the mirror from: add one, or give LINUX="
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	: >"$dir/status"
	printf "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror %s main\n" "$@" >"$dir/sources.list"
	apt=(apt-get -o Dir::State::lists="$dir/lists" -o Dir::State::status="$dir/status" -o Dir::Cache="$dir"
	     -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
	     -o APT::Architecture="$deb" -o APT::Architectures="$deb" -o APT::Sandbox::User="$(id -un)"
	     -o APT::Install-Recommends=false -o Acquire::Languages=none)
}

fetch()
{
	local what=$1; shift
	progress "$what" '^(Get|Hit)' 0 "${apt[@]}" "$@" || die "$what failed: is the network there, and the Debian mirror complete? The log is $log"
}

# The newest 7.2 that any of the suites has, as a .deb whose checksum apt has verified
fetch_base()
{
	local version
	apt_private "$cache/apt-linux" "$(dpkg --print-architecture)" trixie-backports forky sid
	# one suite that can be read is enough
	progress "reading the lists of Debian's newer suites" '^(Get|Hit)' 0 "${apt[@]}" update || true
	version=$("${apt[@]}" --print-uris download linux-source-7.2 2>>"$log" | sed -n 's/.*linux-source-7.2_\([^_]*\)_all.deb .*/\1/p')
	[ -n "$version" ] || die "the Debian mirror has no linux-source-7.2: check the network, or give LINUX="
	rm -rf "$cache/deb.new" && mkdir "$cache/deb.new"
	(cd "$cache/deb.new" && fetch "fetching Linux ${version%%-*}" download "linux-source-7.2=$version")
	(cd "$cache/deb.new" && sha256sum ./*.deb >sha256)
	rm -rf "$cache/deb" && mv "$cache/deb.new" "$cache/deb"
}

# The base tree as a tar file whose paths start with a folder
base_tar()
{
	if [ -z "${LINUX:-}" ]; then
		dpkg-deb --fsys-tarfile "$cache"/deb/*.deb | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' | xz -T0 -dc
	elif [ -f "$LINUX" ]; then
		case $LINUX in *.xz) xz -T0 -dc ;; *.gz) gzip -dc ;; *) cat ;; esac <"$LINUX"
	else
		git -C "$LINUX" archive --prefix=linux/ HEAD 2>/dev/null || tar -c --hard-dereference --exclude=.git -C "$LINUX/.." "$(basename "$(realpath "$LINUX")")"
	fi
}

# A bare repository with one commit, on the branch base, whose id depends on nothing but the files
import_base()
{
	rm -rf "$1"
	git init -q --bare -b base "$1"
	base_tar | "$h/tar-import" | git -C "$1" -c core.compression=1 fast-import --quiet --depth=0 || return 1
	[ "$(git -C "$1" show base:Makefile | sed -n 's/^VERSION = //p; s/^PATCHLEVEL = //p' | xargs)" = "7 2" ] || { echo "this is not a Linux 7.2 tree"; return 1; }
	# the register's high bit belongs into REX.R, as it is the operand reg, where the first 7.2.y have REX.B
	git -C "$1" grep -qF 'EMIT2(0x65, add_2mod(0x48, 0, dst_reg))' base -- arch/x86/net/bpf_jit_comp.c || {
		echo "its x86 JIT adds the per-CPU offset to a wrong register for r5, r7, r8 and r9: take a newer 7.2.y"
		return 1
	}
	(cd "$1" && find objects refs -type f -print0 | xargs -0 sha256sum >sums)
}

# in_cache COMMAND...: what fills the cache, one of all checkouts at a time
in_cache()
{
	exec 8>"$cache/lock"
	flock -n 8 || { say "waiting for another checkout to fill the cache" >&2; flock 8; }
	"$@"
	exec 8>&-
}

# The base as a git repository of one commit: $base_repo. A new import never takes the place of another, as checkouts borrow its
# objects; build/linux stays with the one it has.
base_name()
{
	[ -n "${LINUX:-}" ] || {
		base_repo=$(git_linux remote get-url origin 2>/dev/null || find "$cache" -maxdepth 1 -name 'base-7.2*.git' | sort -V | tail -n 1)
		return 0
	}
	[ -e "$LINUX" ] || die "LINUX=$LINUX does not exist"
	base_repo=$cache/base-$({ stat -c '%n %s %Y' "$(realpath "$LINUX")"; git -C "$LINUX" rev-parse HEAD 2>/dev/null || true; } |
		sha256sum | cut -c 1-12).git
}

base()
{
	need git ca-certificates xz-utils python3
	base_name
	(cd "$base_repo" && sha256sum -c --status sums) 2>/dev/null && return
	disk "$cache" 2000
	[ -n "${LINUX:-}" ] || {
		(cd "$cache/deb" && sha256sum -c --status sha256) 2>/dev/null || fetch_base
		base_repo=$cache/base-$(dpkg-deb -f "$cache"/deb/*.deb Version).git
	}
	step "importing the base into git" . 0 import_base "$base_repo.new"
	rm -rf "$base_repo"
	mv "$base_repo.new" "$base_repo"
}

# unpack DIR DEBIAN-ARCH SUITE PACKAGE...: these and what they depend on, beside the machine's own
unpack()
{
	local final=$1 dir=$1.new deb=$2 suite=$3; shift 3
	[ ! -e "$final" ] || return 0
	disk "$cache" 2000
	rm -rf "$dir"
	apt_private "$dir/apt" "$deb" "$suite"
	fetch "reading the package lists of $suite for $deb" update
	fetch "fetching $*" -y --download-only -o Debug::NoLocking=1 install "$@"
	step "unpacking them" . 0 find "$dir/apt/archives" -name '*.deb' -exec dpkg-deb -x {} "$dir" ';'
	rm -rf "$dir/apt"
	# linker scripts name their libraries by path: leave that to the linker's search path
	find "$dir" -type f -name 'lib[cm].so' -exec sed -i '/^GROUP/s,/[^ ]*/,,g' {} +
	[ "$deb" != "$(dpkg --print-architecture)" ] || step "making them run" . 0 own_libraries "$dir" "$final"
	mv "$dir" "$final"
}

# own_libraries DIR FINAL: the programs in DIR, which becomes FINAL, run with the loader and the libraries they came with
own_libraries()
{
	local libs loader program
	libs=usr/lib/$(uname -m)-linux-gnu
	loader=$(cd "$1" && echo "$libs"/ld-linux*)
	find "$1" -type f -perm -u+x | while read -r program; do
		! patchelf --print-interpreter "$program" 2>/dev/null ||
			patchelf --set-interpreter "$2/$loader" --force-rpath --set-rpath "$2/$libs" "$program" || return 1
	done
}

# have PACKAGE [SUITE]: programs, installed, or those of a newer suite unpacked where bin says
have()
{
	[ "${2:-}" ] || { need "$1"; return; }
	need patchelf
	in_cache unpack "$(dirname "$(dirname "$(bin "$@")")")" "$(dpkg --print-architecture)" "$2" "$1"
}

# The libraries of another architecture: $sysroot, $ldflags
sysroot()
{
	sysroot='' ldflags=
	[ -n "$cross" ] || return 0
	set -- "$debian" "$suite" libelf-dev libssl-dev zlib1g-dev libzstd-dev libtinfo-dev busybox-static "$llvm"
	sysroot=$cache/sysroot-$arch-$(sha256sum <<<"sysroot-$arch $*" | cut -c 1-8)
	in_cache unpack "$sysroot" "$@"
	ldflags="-L$sysroot/usr/lib/$triplet -L$sysroot/lib/$triplet"
}
