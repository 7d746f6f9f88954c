# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The guest: an initramfs of busybox, bpftool and what is run there; its console goes to the log, the output to us.

# libraries ROOT PROGRAM...: copy the shared libraries that these need, and theirs, as ldd would list them
libraries()
{
	local root=$1 name path; shift
	for name in $(readelf -dl "$@" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p; s/.*interpreter: \(.*\)\]/\1/p') libgcc_s.so.1; do
		name=${name##*/}
		[ ! -e "$root/lib/$name" ] || continue
		path=$(find "$sysroot"/{,usr/}lib{"/$triplet",} -maxdepth 1 -name "$name" 2>/dev/null | head -n 1)
		[ "$path" ] || { echo "the library $name was not found"; return 1; }
		cp -L "$path" "$root/lib/"
		libraries "$root" "$path" || return 1
	done
}

# The guest's root in RUN/root, and test_progs with all that it opens at run time in /tests
root_dir()
{
	local run=$1 t=$user/selftests file
	mkdir -p "$run"/root/{bin,lib,proc,sys,tmp,share,root}
	ln -s lib "$run/root/lib64"
	ln -s busybox "$run/root/bin/sh"
	cp "$h/init" "$run/root/init"
	cp "$(find "$sysroot"/{,usr/}bin/busybox 2>/dev/null | head -n 1)" "$user/bpftool/bpftool" "$run/root/bin/" || return 1
	[ ! -e "$out/sample/percpu_monitor" ] || cp "$out/sample/percpu_monitor" "$run/root/bin/"
	libraries "$run/root" "$run"/root/bin/* || return 1
	printf '%s\n' "dir /dev 0755 0 0" "nod /dev/console 0600 0 0 c 5 1" "file /cmd $run/cmd 0755 0 0" >"$run/list"
	[ "$2" = tests ] || return 0
	mkdir "$run/root/tests"
	[ "$config" != -full ] || cp /usr/sbin/tc /usr/bin/{ip,ping} "$run/root/tests"
	for file in test_progs test_verifier test_maps test_cpp; do
		[ ! -e "$t/$file" ] || "${cross}strip" -g -o "$run/root/tests/$file" "$t/$file"
	done
	libraries "$run/root" "$run"/root/tests/* || return 1
	{
		printf 'dir /%s 0755 0 0\n' tests/tools tests/tools/sbin
		echo "slink /tests/tools/sbin/bpftool /bin/bpftool 0777 0 0"
		echo "file /tests/allow $h/config/tests 0644 0 0"
		cat "$src/tools/testing/selftests/bpf/DENYLIST.${triplet%%-*}" "$h/config/deny.$arch" >"$run/root/tests/deny" 2>/dev/null || true
		for file in "$t"/*.bpf.o "$out"/selftests/*.ko "$t"/btf_dump_test_case_*.c \
			    "$t"/{urandom_read,liburandom_read.so,uprobe_multi,sign-file,veristat}; do
			[ ! -e "$file" ] || echo "file /tests/${file##*/} $file 0755 0 0"
		done
	} >>"$run/list"
}

# guest COMMAND KIND [SECONDS [APPEND]]: boot, for so long and with this on the kernel's command line, and run the command, or a
# shell when that is empty; KIND tests adds the tests, shell a terminal. The status is the command's, 125 when the guest did not
# boot or died before, 126 when an oops or a warning is on its console.
guest()
(
	run=$(mktemp -d "$out/vm.XXXXXX") accel= io=stdio,id=io limit=${3:-0} append=${4:-} memory=4G devices=()
	trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$run"' EXIT
	if [ "$arch" = "$host" ] && [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then accel="-accel kvm"; fi
	# x86 forgets for a moment at boot how many levels its page tables have, and KASAN then takes an interrupt's access for a wild one
	[ "$config" != -debug ] || { memory=6G; append="panic_on_warn=1 no5lvl $append"; }
	# where the config has it for the timers
	! grep -q '^SLUB_DEBUG ' "$h/config/$arch" || append="slab_debug=F,kmalloc-* $append"
	# its firmware spins on CPUs that the kernel never starts, and slows down the others by that: start them, and init stops them
	[ "$arch" != riscv64 ] || append="maxcpus=6 STOP_CPUS=4,5 $append"
	[ "$2" != shell ] || {
		io+=,signal=off
		append="TERM=${TERM:-linux} $append"
		mkfifo "$run/size"
		while sleep 1; do stty size </dev/tty || break; done >"$run/size" &
		devices=(-chardev "pipe,id=size,path=$run/size" -device "virtserialport,chardev=size,nr=7")
	}
	printf %s "$1" >"$run/cmd"
	if ! root_dir "$run" "$2" || ! (cd "$obj" && sh "$src/usr/gen_initramfs.sh" -o "$run/initrd" -u squash -g squash "$run/root" "$run/list") >>"$log" 2>&1; then
		echo "the guest's files could not be put together; the log is $log" >&2
		exit 125
	fi
	# QEMU puts it into that machine's first 256 MB
	[ "$arch" != loongarch64 ] || { gzip -1 "$run/initrd" && mv "$run/initrd.gz" "$run/initrd"; }
	[ -z "${SHARE:-}" ] || devices+=(-virtfs "local,path=${SHARE//,/,,},mount_tag=share,security_model=none,multidevs=remap")
	# shellcheck disable=SC2086
	set -- timeout --foreground "$limit" "$qemu" $machine -smp 6 -m "$memory" ${QEMU_ARGS:-} $accel -accel tcg,thread=single -nodefaults -no-user-config -no-reboot \
		-display none -kernel "$obj/$image" -initrd "$run/initrd" \
		-append "console=$console no_timer_check panic=-1 oops=panic maxcpus=4 $append" \
		-serial "file:$run/console" -device virtio-serial -device virtio-rng \
		-device virtconsole,chardev=io -chardev "$io" \
		-device virtconsole,chardev=status -chardev "file,id=status,path=$run/status" "${devices[@]}"
	echo "== $*" >>"$log"
	"$@" || true
	cat "$run/console" >>"$log"
	if [ ! -s "$run/status" ]; then
		tail -n 15 "$run/console" >&2
		echo "the guest ended before its command did; its console is in $log" >&2
		exit 125
	elif grep -aE '(WARNING|BUG|UBSAN): |BUG [a-z]|INFO: trying to register non-static key|Oops|Kernel panic|general protection|(soft|hard) lockup|rcu.* stall' "$run/console" >&2; then
		echo "the kernel complained; its console is in $log" >&2
		exit 126
	fi
	exit "$(cat "$run/status")"
)

# What can be said of make's arguments before anything is built
arguments()
{
	[ -z "${SHARE:-}" ] || SHARE=$(cd "$SHARE" 2>/dev/null && pwd) || die "SHARE= names a folder that does not exist"
	case $1 in
	shell)	[ -t 0 ] || die "make shell wants a terminal; make vm CMD='...' does not" ;;
	vm)	[ -n "${CMD:-}" ] || die "make vm wants CMD='...'" ;;
	stress | regress)
		[[ ${MINUTES:-1} =~ ^[1-9][0-9]*$ ]] || die "MINUTES= wants a number of minutes"
		[[ ${SEED:-1} =~ ^[1-9][0-9]*$ ]] || die "SEED= wants a number, from 1 on" ;;
	prog)	[ -n "${SHARE:-}" ] || die "make prog wants SHARE=dir, a folder with x.bpf.c and x.c" ;;
	esac
}

# vm KIND: what make run, vm, prog and shell do once all is built
vm()
{
	have "$qemu_package" "$qemu_suite"
	unlock
	case $1 in
	shell)	say "a shell in the guest; exit ends it" >&2
		guest "" shell ;;
	vm | prog) [ -z "${CMD:-}" ] || guest "$CMD" vm </dev/null | cat ;;
	run)	guest "$(cat "$h/workload")" run </dev/null | cat ;;
	esac
}
