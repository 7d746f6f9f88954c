# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# make regress: the kernel tree's own BPF tests on the base kernel with base tools, and on ours with ours.
# build/regress/ARCH/SIDE/TRY/TEST holds what each test printed, that of ALL=1 is in build/regress-full; what is there is not run
# again.

# What touches the series; with ALL=1, all others follow on the host's architecture, which then has the selftests' own kernel
# config. test_maps goes last, as it takes longest.
near='^test_verifier|array|btf|core_|data|global|iter|ksym|libbpf|link|lskel|map|skel|tailcall|token|verif|percpu'

# In the guest, with $left seconds: the tests of /share/.list that have no result yet
# shellcheck disable=SC2016
guest_tests='
cd /tests
[ -s /share/.list ] || {
	{ echo test_verifier; test_progs -l; } | grep -v percpu_data >/tmp/all
	{ grep -E "$near" /tmp/all; [ ! "$all" ] || grep -vE "$near" /tmp/all; echo test_maps; } >/share/.list
}
while read -r t; do
	[ ! -e "/share/$t" ] || continue
	read -r up rest </proc/uptime
	[ "${up%.*}" -lt "$left" ] || break
	case $t in
	test_maps|test_verifier) run=./$t limit=3600 ;;
	*) run="./test_progs -a $t" limit=900 ;;
	esac
	outcome=FAIL
	timeout -k 5 $limit $run >"/share/$t.new" 2>&1 </dev/null && outcome=OK
	echo "#0 exit:$outcome" >>"/share/$t.new"
	mv "/share/$t.new" "/share/$t"
	echo "$t"
done </share/.list'

# In the guest: every image that the JIT makes while veristat loads the base's objects, in /share/jit, but for a program that only
# the base accepts: one call of bpf_obj_drop() there gets objects of two types
# shellcheck disable=SC2016
guest_jit='
cd /tests
dmesg -n 1
insmod bpf_testmod.ko
cat /proc/kmsg >/tmp/kmsg &
echo 2 >/proc/sys/net/core/bpf_jit_enable
veristat -q -f "!*/stash_rb_nodes" *.bpf.o >/share/veristat 2>&1
echo 1 >/proc/sys/net/core/bpf_jit_enable
sleep 2
sed -n "s/.*\(flen=[0-9]* proglen=[0-9]*\) .*/\1/p; s/.*JIT code: [0-9a-f]*: //p" /tmp/kmsg >/share/jit'

# side SIDE COMMAND...: with that side's kernel and tools
side()
{
	local KERNEL=$1; shift
	[ "$KERNEL" = base ] || KERNEL=
	arch "$arch" "$full"
	"$@"
}

# both COMMAND...: on both sides at once, given the side's name, too
both() { (side base "$@" base) & (side ours "$@" ours); wait; }

# run_tries TRY SIDE: until all of the list has a result; a guest that dies costs the test it died of
run_tries()
{
	local SHARE=$results/$arch/$2/$1 died left
	mkdir -p "$SHARE"
	while left=$((end - SECONDS)) && [ "$left" -gt 0 ]; do
		guest "left=$left all=$full near='$near'; $guest_tests" tests $((left + 3700)) | sed -u "s/^/[$arch, $2] /" || true
		died=$(find "$SHARE" -name '*.new')
		[ "$died" ] || break
		echo "#0 exit:FAIL, the guest died" >>"$died"
		mv "$died" "${died%.new}"
	done
}

# outcomes TRY, or '' for all: a line "side test outcome" for every test and subtest
outcomes()
{
	(cd "$results/$arch" && grep -arE '^#[0-9]' {base,ours}/"$1") | sort -u |
		sed -nE 's,^([a-z]+)/[0-9]+/([^:]*):#[0-9]+(/[0-9]+)?(/[up])? +(.*)[: ](OK|FAIL|SKIP).*,\1\t\2\4: \5\t\6,p'
}

# Tests that ran on both sides and whose outcomes differ, with all that was seen on each side; flaky if they share one. A subtest
# that only ours has, and that passes, is a new one.
differing()
{
	outcomes '' | awk -F'\t' '
		!index(seen[$1, $2], $3) { seen[$1, $2] = seen[$1, $2] $3 " "; tests[$2] }
		END {
			for (t in tests) {
				ran = t
				sub(/: .*/, ": exit", ran)
				if (!(("base", ran) in seen) || !(("ours", ran) in seen)) continue
				base = seen["base", t]; ours = seen["ours", t]; kind = "differs"
				if (base == "" && ours == "OK ") continue
				n = split(base, outcome, " ")
				while (n) if (index(ours, outcome[n--] " ")) kind = "flaky"
				if (base != ours) print t "\t" kind ", base: " base "ours: " ours
			}
		}' | sort
}

run_jit()
{
	local SHARE=$results/$arch/$1
	[ -s "$SHARE/jit" ] || user=$build/base/out/$arch$full guest "$guest_jit" tests 3600 log_buf_len=64M || true
}

# What the JIT made, without what differs from kernel to kernel: jumps go to the nth instruction of their image, other numbers
# as large as addresses and BTF IDs are masked, and so are those that arm64 builds up with movk; x86 has a shorter form of mov
# for those that fit, and arm64 a nop where its PLT is not aligned.
jit_listing()
{
	local object=$results/$arch/$1/jit.o
	awk '/^flen/ { print "image" ++n ":"; next } { gsub(/[0-9a-f]+/, ", 0x&"); sub(/,/, ".byte"); print }' "$results/$arch/$1/jit" |
		llvm-mc-19 --filetype=obj --triple="$triplet" -o "$object"
	# Else objdump takes .byte for data
	llvm-objcopy-19 --wildcard --strip-symbol='$*' "$object"
	llvm-objdump-19 -d --no-show-raw-insn --no-print-imm-hex "$object" | awk '
		/^[0-9a-f]+ </ { image = "^" substr($2, 1, length($2) - 2) "[+>]"; n = 0; line[++lines] = $2 }
		!/^ / { next }
		{ at[$1] = n }
		$2 == "movk" { sub(/#.*/, "#ADDRESS", line[lines]); next }
		$2 $3 == "ldrx10," && line[lines] ~ /\tnop/ { lines--; n-- }
		{ n++; sub(/^[^\t]*/, ""); sub(/ *(# imm|\/\/) =.*/, ""); line[++lines] = $0 }
		$NF ~ image { target[lines] = substr($(NF - 1), 3) ":" }
		END {
			for (i = 1; i <= lines; i++) {
				sub(/0x[^ ]* <.*/, target[i] in at ? "instruction " at[target[i]] : "ADDRESS", line[i])
				print line[i]
			}
		}' | sed -E 's/-?[0-9]{5,}/ADDRESS/; s/movabsq(.*ADDRESS)/movq\1/'
}

compare_jit()
{
	local images differ
	[[ -s $results/$arch/base/jit && -s $results/$arch/ours/jit ]] || { say "[$arch] JIT: nothing to compare"; return 1; }
	images=$(grep -c flen "$results/$arch/base/jit") || true
	differ=$(diff <(grep -o 'flen=[0-9]*' "$results/$arch/base/jit") <(grep -o 'flen=[0-9]*' "$results/$arch/ours/jit") &&
		diff <(jit_listing base) <(jit_listing ours)) || true
	say "[$arch] JIT: $images images of programs, $(grep -c '^[<>]' <<<"$differ" || true) differing lines"
	[ -z "$differ" ] || { head -n 20 <<<"$differ"; return 1; }
}

table()
{
	say "suite, architecture, side: passed, failed, skipped, tests and subtests, at the first try"
	outcomes 1 | awk -F'\t' -v a="$arch" '
		{ suite = $2 ~ /^test_(verifier|maps)/ ? substr($2, 1, match($2, /[:\/]/) - 1) : "test_progs" }
		$2 !~ /: exit$/ || suite == "test_maps" { row = suite ", " a ", " $1; rows[row]; n[row, $3]++ }
		END { for (r in rows) print r ": " n[r, "OK"] + 0 ", " n[r, "FAIL"] + 0 ", " n[r, "SKIP"] + 0 }' | sort
}

regress_one()
{
	local full= end try s tests results
	[ ! "${ALL:-}" ] || [ "$1" != "$host" ] || full=-full
	arch=$1 results=$build/regress$full
	lock
	for s in base ours; do
		side "$s" kernel
		side "$s" tools
		side "$s" selftests test_progs test_verifier test_maps
	done
	have "$qemu_package" "$qemu_suite"
	need iproute2 iputils-ping
	unlock
	end=$((SECONDS + $2))
	both run_tries 1
	for try in 2 3; do
		tests=$(differing | sed 's/: .*//' | sort -u)
		[ "$tests" ] || break
		for s in base ours; do
			mkdir -p "$results/$arch/$s/$try"
			echo "$tests" >"$results/$arch/$s/$try/.list"
		done
		both run_tries "$try"
	done
	both run_jit
	table
	differing
	say "[$arch] not run: $(comm -23 <(sort "$results/$arch/base/1/.list") <(comm -12 <(ls "$results/$arch/base/1") <(ls "$results/$arch/ours/1")) | xargs)"
	compare_jit && ! differing | grep 'differs, ' >/dev/null
}

regress()
{
	local a bad=0
	for a in $1; do
		(regress_one "$a" $((${MINUTES:-60} * 60 / $(wc -w <<<"$1")))) || bad=1
	done
	return "$bad"
}
