// SPDX-License-Identifier: GPL-2.0
/* What the verifier and the JITs make of global per-CPU variables */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "bpf_kfuncs.h"
#include "bpf_misc.h"

long val SEC(".percpu") = 7;
/*
 * The address of a variable may be computed from that of another one in its
 * section, so these are in sections of their own.
 */
#define ALONE(n) long val##n SEC(".percpu.val" #n) = 7
ALONE(0); ALONE(1); ALONE(2); ALONE(3); ALONE(4);
ALONE(5); ALONE(6); ALONE(7); ALONE(8); ALONE(9);
/* Alone in its map, so that the map's value ends where the variable ends. */
char buf[16] SEC(".percpu.buf");
char fmt[8] SEC(".percpu.fmt") = "hello";
long plain = 7;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, long);
} array SEC(".maps");

SEC("socket")
__description("every register, translated")
__success __retval(70)
__xlated("0: r0 = 0x{{[0-9a-f]+}}")
__xlated("2: r0 = &(void __percpu *)(r0)")
__xlated("3: r1 = 0x{{[0-9a-f]+}}")
__xlated("5: r1 = &(void __percpu *)(r1)")
__xlated("6: r2 = 0x{{[0-9a-f]+}}")
__xlated("8: r2 = &(void __percpu *)(r2)")
__xlated("9: r3 = 0x{{[0-9a-f]+}}")
__xlated("11: r3 = &(void __percpu *)(r3)")
__xlated("12: r4 = 0x{{[0-9a-f]+}}")
__xlated("14: r4 = &(void __percpu *)(r4)")
__xlated("15: r5 = 0x{{[0-9a-f]+}}")
__xlated("17: r5 = &(void __percpu *)(r5)")
__xlated("18: r6 = 0x{{[0-9a-f]+}}")
__xlated("20: r6 = &(void __percpu *)(r6)")
__xlated("21: r7 = 0x{{[0-9a-f]+}}")
__xlated("23: r7 = &(void __percpu *)(r7)")
__xlated("24: r8 = 0x{{[0-9a-f]+}}")
__xlated("26: r8 = &(void __percpu *)(r8)")
__xlated("27: r9 = 0x{{[0-9a-f]+}}")
__xlated("29: r9 = &(void __percpu *)(r9)")
__xlated("30: if r0 == r9 goto pc+0")
__xlated("31: r0 = *(u64 *)(r0 +0)")
/* x86-64 adds this CPU's offset to each register */
__arch_x86_64
__jited("...")
__jited("	mov{{.*}}, %rax")
__jited("	addq	%gs:{{.*}}, %rax")
__jited("	mov{{.*}}, %rdi")
__jited("	addq	%gs:{{.*}}, %rdi")
__jited("	mov{{.*}}, %rsi")
__jited("	addq	%gs:{{.*}}, %rsi")
__jited("	mov{{.*}}, %rdx")
__jited("	addq	%gs:{{.*}}, %rdx")
__jited("	mov{{.*}}, %rcx")
__jited("	addq	%gs:{{.*}}, %rcx")
__jited("	mov{{.*}}, %r8")
__jited("	addq	%gs:{{.*}}, %r8")
__jited("	mov{{.*}}, %rbx")
__jited("	addq	%gs:{{.*}}, %rbx")
__jited("	mov{{.*}}, %r13")
__jited("	addq	%gs:{{.*}}, %r13")
__jited("	mov{{.*}}, %r14")
__jited("	addq	%gs:{{.*}}, %r14")
__jited("	mov{{.*}}, %r15")
__jited("	addq	%gs:{{.*}}, %r15")
__jited("	cmpq	%r15, %rax")
__jited("...")
__jited("	movq	(%rax), %rax")
/* arm64 keeps this CPU's offset in TPIDR_EL1, or in TPIDR_EL2 with VHE */
__arch_arm64
__jited("...")
__jited("	mrs	x10, TPIDR_EL{{[12]}}")
__jited("	add	x8, x8, x10")
__jited("...")
__jited("	mrs	x10, TPIDR_EL{{[12]}}")
__jited("	add	x0, x0, x10")
__jited("...")
__jited("	mrs	x10, TPIDR_EL{{[12]}}")
__jited("	add	x1, x1, x10")
__jited("...")
__jited("	mrs	x10, TPIDR_EL{{[12]}}")
__jited("	add	x2, x2, x10")
__jited("...")
__jited("	mrs	x10, TPIDR_EL{{[12]}}")
__jited("	add	x3, x3, x10")
__jited("...")
__jited("	mrs	x10, TPIDR_EL{{[12]}}")
__jited("	add	x4, x4, x10")
__jited("...")
__jited("	mrs	x10, TPIDR_EL{{[12]}}")
__jited("	add	x19, x19, x10")
__jited("...")
__jited("	mrs	x10, TPIDR_EL{{[12]}}")
__jited("	add	x20, x20, x10")
__jited("...")
__jited("	mrs	x10, TPIDR_EL{{[12]}}")
__jited("	add	x21, x21, x10")
__jited("...")
__jited("	mrs	x10, TPIDR_EL{{[12]}}")
__jited("	add	x22, x22, x10")
__jited("...")
__jited("	ldr	x8, [x8]")
/* riscv64 looks it up in __per_cpu_offset[] */
__arch_riscv64
__jited("...")
__jited("	lw	t1, {{.*}}(tp)")
__jited("...")
__jited("	ld	t1, {{.*}}(t1)")
__jited("	add	a5, a5, t1")
__jited("...")
__jited("	lw	t1, {{.*}}(tp)")
__jited("...")
__jited("	ld	t1, {{.*}}(t1)")
__jited("	add	a0, a0, t1")
__jited("...")
__jited("	lw	t1, {{.*}}(tp)")
__jited("...")
__jited("	ld	t1, {{.*}}(t1)")
__jited("	add	a1, a1, t1")
__jited("...")
__jited("	lw	t1, {{.*}}(tp)")
__jited("...")
__jited("	ld	t1, {{.*}}(t1)")
__jited("	add	a2, a2, t1")
__jited("...")
__jited("	lw	t1, {{.*}}(tp)")
__jited("...")
__jited("	ld	t1, {{.*}}(t1)")
__jited("	add	a3, a3, t1")
__jited("...")
__jited("	lw	t1, {{.*}}(tp)")
__jited("...")
__jited("	ld	t1, {{.*}}(t1)")
__jited("	add	a4, a4, t1")
__jited("...")
__jited("	lw	t1, {{.*}}(tp)")
__jited("...")
__jited("	ld	t1, {{.*}}(t1)")
__jited("	add	s1, s1, t1")
__jited("...")
__jited("	lw	t1, {{.*}}(tp)")
__jited("...")
__jited("	ld	t1, {{.*}}(t1)")
__jited("	add	s2, s2, t1")
__jited("...")
__jited("	lw	t1, {{.*}}(tp)")
__jited("...")
__jited("	ld	t1, {{.*}}(t1)")
__jited("	add	s3, s3, t1")
__jited("...")
__jited("	lw	t1, {{.*}}(tp)")
__jited("...")
__jited("	ld	t1, {{.*}}(t1)")
__jited("	add	s4, s4, t1")
__jited("...")
__jited("	ld	a5, {{.*}}(a5)")
/* s390 adds what the lowcore has, which is at 0 or at 0x70000 */
__arch_s390x
__jited("...")
__jited("	lgrl	%r14, {{.*}}")
__jited("	ag	%r14, {{(952|459704)$}}")
__jited("	lgrl	%r2, {{.*}}")
__jited("	ag	%r2, {{(952|459704)$}}")
__jited("	lgrl	%r3, {{.*}}")
__jited("	ag	%r3, {{(952|459704)$}}")
__jited("	lgrl	%r4, {{.*}}")
__jited("	ag	%r4, {{(952|459704)$}}")
__jited("	lgrl	%r5, {{.*}}")
__jited("	ag	%r5, {{(952|459704)$}}")
__jited("	lgrl	%r6, {{.*}}")
__jited("	ag	%r6, {{(952|459704)$}}")
__jited("	lgrl	%r7, {{.*}}")
__jited("	ag	%r7, {{(952|459704)$}}")
__jited("	lgrl	%r8, {{.*}}")
__jited("	ag	%r8, {{(952|459704)$}}")
__jited("	lgrl	%r9, {{.*}}")
__jited("	ag	%r9, {{(952|459704)$}}")
__jited("	lgrl	%r10, {{.*}}")
__jited("	ag	%r10, {{(952|459704)$}}")
__jited("...")
__jited("	lg	%r14, 0(%r14{{.*}})")
/* powerpc64 keeps it in the PACA, which r13 points to */
__arch_powerpc64
__jited("...")
__jited("	ld 9, {{.*}}(13)")
__jited("	add 8, 8, 9")
__jited("...")
__jited("	ld 9, {{.*}}(13)")
__jited("	add 3, 3, 9")
__jited("...")
__jited("	ld 9, {{.*}}(13)")
__jited("	add 4, 4, 9")
__jited("...")
__jited("	ld 9, {{.*}}(13)")
__jited("	add 5, 5, 9")
__jited("...")
__jited("	ld 9, {{.*}}(13)")
__jited("	add 6, 6, 9")
__jited("...")
__jited("	ld 9, {{.*}}(13)")
__jited("	add 7, 7, 9")
__jited("...")
__jited("	ld 9, {{.*}}(13)")
__jited("	add 27, 27, 9")
__jited("...")
__jited("	ld 9, {{.*}}(13)")
__jited("	add 28, 28, 9")
__jited("...")
__jited("	ld 9, {{.*}}(13)")
__jited("	add 29, 29, 9")
__jited("...")
__jited("	ld 9, {{.*}}(13)")
__jited("	add 30, 30, 9")
__jited("...")
__jited("	ld 8, 0(8)")
/* LoongArch has a register of its own for it */
__arch_loongarch
__jited("...")
__jited("	add.d	$a5, $a5, $r21")
__jited("...")
__jited("	add.d	$a0, $a0, $r21")
__jited("...")
__jited("	add.d	$a1, $a1, $r21")
__jited("...")
__jited("	add.d	$a2, $a2, $r21")
__jited("...")
__jited("	add.d	$a3, $a3, $r21")
__jited("...")
__jited("	add.d	$a4, $a4, $r21")
__jited("...")
__jited("	add.d	$s0, $s0, $r21")
__jited("...")
__jited("	add.d	$s1, $s1, $r21")
__jited("...")
__jited("	add.d	$s2, $s2, $r21")
__jited("...")
__jited("	add.d	$s3, $s3, $r21")
__jited("...")
__jited("	ld{{.*}}.d	$a5, $a5, {{.*}}")
__naked void every_register(void)
{
	asm volatile ("r0 = %[val0] ll;"
		      "r1 = %[val1] ll;"
		      "r2 = %[val2] ll;"
		      "r3 = %[val3] ll;"
		      "r4 = %[val4] ll;"
		      "r5 = %[val5] ll;"
		      "r6 = %[val6] ll;"
		      "r7 = %[val7] ll;"
		      "r8 = %[val8] ll;"
		      "r9 = %[val9] ll;"
		      /* no address can be left out with a jump before it is used */
		      "if r0 == r9 goto 1f;"
		      "1: r0 = *(u64 *)(r0 + 0);"
		      "r1 = *(u64 *)(r1 + 0);"
		      "r2 = *(u64 *)(r2 + 0);"
		      "r3 = *(u64 *)(r3 + 0);"
		      "r4 = *(u64 *)(r4 + 0);"
		      "r5 = *(u64 *)(r5 + 0);"
		      "r6 = *(u64 *)(r6 + 0);"
		      "r7 = *(u64 *)(r7 + 0);"
		      "r8 = *(u64 *)(r8 + 0);"
		      "r9 = *(u64 *)(r9 + 0);"
		      "r0 += r1;"
		      "r0 += r2;"
		      "r0 += r3;"
		      "r0 += r4;"
		      "r0 += r5;"
		      "r0 += r6;"
		      "r0 += r7;"
		      "r0 += r8;"
		      "r0 += r9;"
		      "exit;"
		      :
		      : __imm_addr(val0), __imm_addr(val1), __imm_addr(val2), __imm_addr(val3),
			__imm_addr(val4), __imm_addr(val5), __imm_addr(val6), __imm_addr(val7),
			__imm_addr(val8), __imm_addr(val9)
		      : __clobber_all);
}

SEC("socket")
__description("jump forward over the rewritten instruction")
__success __retval(1)
/* some JITs want a zero extension after a 32-bit load */
__xlated("{{(5|6)}}: if r1 != 0x0 goto pc+3")
__xlated("{{(6|7)}}: r2 = 0x{{[0-9a-f]+}}")
__xlated("{{(8|9)}}: r2 = &(void __percpu *)(r2)")
__xlated("{{(9|10)}}: r0 = *(u64 *)(r2 +0)")
__xlated("{{(10|11)}}: exit")
__naked void jump_over_forward(void)
{
	asm volatile ("r2 = 1;"
		      "*(u64 *)(r10 - 8) = r2;"
		      "r2 = r10;"
		      "r2 += -8;"
		      "r1 = *(u32 *)(r1 + %[len]);"
		      "if r1 != 0 goto 1f;"
		      "r2 = %[val] ll;"
		      "1: r0 = *(u64 *)(r2 + 0);"
		      "exit;"
		      :
		      : __imm_addr(val),
			__imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

SEC("socket")
__description("jump forward to the rewritten instruction")
__success __retval(7)
__xlated("{{(1|2)}}: if r1 != 0x0 goto pc+1")
__xlated("{{(2|3)}}: r0 = 1")
__xlated("{{(3|4)}}: r2 = 0x{{[0-9a-f]+}}")
__xlated("{{(5|6)}}: r2 = &(void __percpu *)(r2)")
__xlated("{{(6|7)}}: r0 = *(u64 *)(r2 +0)")
__naked void jump_to_forward(void)
{
	asm volatile ("r1 = *(u32 *)(r1 + %[len]);"
		      "if r1 != 0 goto 1f;"
		      "r0 = 1;"
		      "1: r2 = %[val] ll;"
		      "r0 = *(u64 *)(r2 + 0);"
		      "exit;"
		      :
		      : __imm_addr(val),
			__imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

SEC("socket")
__description("jump back to the rewritten instruction")
__success __retval(28)
__xlated("0: r0 = 0")
__xlated("1: r1 = 0")
__xlated("2: r2 = 0x{{[0-9a-f]+}}")
__xlated("4: r2 = &(void __percpu *)(r2)")
__xlated("5: r2 = *(u64 *)(r2 +0)")
__xlated("6: r0 += r2")
__xlated("7: r1 += 1")
__xlated("8: if r1 < 0x4 goto pc-7")
__naked void jump_to_backward(void)
{
	asm volatile ("r0 = 0;"
		      "r1 = 0;"
		      "1: r2 = %[val] ll;"
		      "r2 = *(u64 *)(r2 + 0);"
		      "r0 += r2;"
		      "r1 += 1;"
		      "if r1 < 4 goto 1b;"
		      "exit;"
		      :
		      : __imm_addr(val)
		      : __clobber_all);
}

SEC("socket")
__description("jump back over the rewritten instruction")
__success __retval(32)
__xlated("1: r1 = 0")
__xlated("2: r0 += 1")
__xlated("3: r2 = 0x{{[0-9a-f]+}}")
__xlated("5: r2 = &(void __percpu *)(r2)")
__xlated("6: r2 = *(u64 *)(r2 +0)")
__xlated("7: r0 += r2")
__xlated("8: r1 += 1")
__xlated("9: if r1 < 0x4 goto pc-8")
__naked void jump_over_backward(void)
{
	asm volatile ("r0 = 0;"
		      "r1 = 0;"
		      "1: r0 += 1;"
		      "r2 = %[val] ll;"
		      "r2 = *(u64 *)(r2 + 0);"
		      "r0 += r2;"
		      "r1 += 1;"
		      "if r1 < 4 goto 1b;"
		      "exit;"
		      :
		      : __imm_addr(val)
		      : __clobber_all);
}

SEC("socket")
__description("jump back behind the rewritten instruction")
__success __retval(28)
__xlated("2: r2 = 0x{{[0-9a-f]+}}")
__xlated("4: r2 = &(void __percpu *)(r2)")
__xlated("5: r3 = *(u64 *)(r2 +0)")
__xlated("6: r0 += r3")
__xlated("7: r1 += 1")
__xlated("8: if r1 < 0x4 goto pc-4")
__naked void jump_behind_backward(void)
{
	asm volatile ("r0 = 0;"
		      "r1 = 0;"
		      "r2 = %[val] ll;"
		      "1: r3 = *(u64 *)(r2 + 0);"
		      "r0 += r3;"
		      "r1 += 1;"
		      "if r1 < 4 goto 1b;"
		      "exit;"
		      :
		      : __imm_addr(val)
		      : __clobber_all);
}

SEC("socket")
__description("call over the rewritten instruction")
__success __retval(14)
__xlated("0: call pc+6")
__xlated("1: r1 = 0x{{[0-9a-f]+}}")
__xlated("3: r1 = &(void __percpu *)(r1)")
__xlated("4: r1 = *(u64 *)(r1 +0)")
__xlated("5: r0 += r1")
__xlated("6: exit")
__xlated("7: r1 = 0x{{[0-9a-f]+}}")
__xlated("9: r1 = &(void __percpu *)(r1)")
__xlated("10: r0 = *(u64 *)(r1 +0)")
__xlated("11: exit")
__naked void call_over(void)
{
	asm volatile ("call read_val;"
		      "r1 = %[val] ll;"
		      "r1 = *(u64 *)(r1 + 0);"
		      "r0 += r1;"
		      "exit;"
		      :
		      : __imm_addr(val)
		      : __clobber_all);
}

static __naked __noinline __used long read_val(void)
{
	asm volatile ("r1 = %[val] ll;"
		      "r0 = *(u64 *)(r1 + 0);"
		      "exit;"
		      :
		      : __imm_addr(val)
		      : __clobber_all);
}

SEC("socket")
__description("dead load is removed")
__success __retval(0)
__xlated("0: r0 = 0")
__xlated("1: exit")
__naked void dead_load(void)
{
	asm volatile ("r0 = 0;"
		      "if r0 == 0 goto 1f;"
		      "r2 = %[val] ll;"
		      "r0 = *(u64 *)(r2 + 0);"
		      "1: exit;"
		      :
		      : __imm_addr(val)
		      : __clobber_all);
}

SEC("socket")
__description("bounded variable offset")
__success __success_unpriv __retval(0)
__naked void variable_offset(void)
{
	asm volatile ("r2 = *(u32 *)(r1 + %[len]);"
		      "r2 &= 15;"
		      "r3 = %[buf] ll;"
		      "r3 += r2;"
		      "r0 = *(u8 *)(r3 + 0);"
		      "exit;"
		      :
		      : __imm_addr(buf),
			__imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

SEC("socket")
__description("variable offset out of bounds")
__failure
__msg("invalid access to map value, value_size=16 off=16 size=1")
__naked void variable_offset_oob(void)
{
	asm volatile ("r2 = *(u32 *)(r1 + %[len]);"
		      "r2 &= 31;"
		      "if r2 > 16 goto 1f;"
		      "r3 = %[buf] ll;"
		      "r3 += r2;"
		      "r0 = *(u8 *)(r3 + 0);"
		      "1: r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(buf),
			__imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

SEC("socket")
__description("fixed offset, last byte")
__success __retval(0)
__naked void fixed_offset_last(void)
{
	asm volatile ("r1 = %[buf] + 8 ll;"
		      "r0 = *(u8 *)(r1 + 7);"
		      "exit;"
		      :
		      : __imm_addr(buf)
		      : __clobber_all);
}

SEC("socket")
__description("fixed offset, past the end")
__failure
__msg("invalid access to map value, value_size=16 off=16 size=1")
__naked void fixed_offset_past(void)
{
	asm volatile ("r1 = %[buf] + 8 ll;"
		      "r0 = *(u8 *)(r1 + 8);"
		      "exit;"
		      :
		      : __imm_addr(buf)
		      : __clobber_all);
}

SEC("socket")
__description("fixed offset, before the start")
__failure
__msg("R1 min value is outside of the allowed memory range")
__naked void fixed_offset_before(void)
{
	asm volatile ("r1 = %[buf] + 8 ll;"
		      "r0 = *(u8 *)(r1 - 9);"
		      "exit;"
		      :
		      : __imm_addr(buf)
		      : __clobber_all);
}

SEC("socket")
__description("helper argument within bounds")
__success __retval(7)
int helper_arg(void *ctx)
{
	bpf_probe_read_kernel(buf, sizeof(buf), buf);
	bpf_probe_read_kernel(buf, sizeof(val), &val);
	return *(long *)buf;
}

SEC("socket")
__description("helper argument out of bounds")
__failure
__msg("invalid access to map value, value_size=16 off=8 size=9")
int helper_arg_oob(void *ctx)
{
	return bpf_probe_read_kernel(buf + 8, 9, ctx);
}

SEC("socket")
__description("const string for a helper: bpf_snprintf()")
__failure
__msg("R3 points to percpu_array map which cannot be used as const string")
int const_str_snprintf(void *ctx)
{
	return bpf_snprintf(buf, sizeof(buf), fmt, NULL, 0);
}

SEC("socket")
__description("const string for a helper: bpf_strncmp()")
__failure
__msg("R3 points to percpu_array map which cannot be used as const string")
int const_str_strncmp(void *ctx)
{
	return bpf_strncmp(buf, sizeof(buf), fmt);
}

SEC("lsm.s/file_open")
__description("const string for a kfunc: bpf_get_file_xattr()")
__failure
__msg("R2 points to percpu_array map which cannot be used as const string")
int BPF_PROG(const_str_kfunc, struct file *file)
{
	struct bpf_dynptr value;

	bpf_dynptr_from_mem(buf, sizeof(buf), 0, &value);
	bpf_get_file_xattr(file, fmt, &value);
	return 0;
}

SEC("socket")
__description("plain global data is left alone")
__success __retval(7)
__xlated("0: r1 = 0x{{[0-9a-f]+}}")
__xlated("2: r0 = *(u64 *)(r1 +0)")
__xlated("3: exit")
__naked void plain_data(void)
{
	asm volatile ("r1 = %[plain] ll;"
		      "r0 = *(u64 *)(r1 + 0);"
		      "exit;"
		      :
		      : __imm_addr(plain)
		      : __clobber_all);
}

SEC("socket")
__description("map pointer of a percpu array is left alone")
__success __retval(0)
__xlated("3: r2 += -4")
__xlated("4: r1 = 0x{{[0-9a-f]+}}")
__xlated("6: r1 +={{.*}}")
__xlated("7: r0 = *(u32 *)(r2 +0)")
__naked void lookup(void)
{
	asm volatile ("r1 = 0;"
		      "*(u32 *)(r10 - 4) = r1;"
		      "r2 = r10;"
		      "r2 += -4;"
		      "r1 = %[array] ll;"
		      "call %[bpf_map_lookup_elem];"
		      "if r0 == 0 goto 1f;"
		      "r0 = *(u64 *)(r0 + 0);"
		      "1: exit;"
		      :
		      : __imm_addr(array),
			__imm(bpf_map_lookup_elem)
		      : __clobber_all);
}

char _license[] SEC("license") = "GPL";
