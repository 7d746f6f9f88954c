// SPDX-License-Identifier: GPL-2.0
/* Cheaper access to global per-CPU variables: addresses shared, or not computed at all */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../../../include/linux/filter.h"
#include "bpf_misc.h"

/* The order in the section is that of the definitions. */
struct {
	long a, b, c;
} vars SEC(".percpu") = { 7, 8, 9 };
long other SEC(".percpu.other") = 1;
/* Too large for the first per-CPU chunk, so that offsets take 64 bits. */
char far[32 * 1024] SEC(".percpu.far");

SEC("socket")
__description("one address per section: in another register, in the same one, none new")
__success __retval(24)
__xlated("0: r6 = 0x{{[0-9a-f]+}}")
__xlated("2: r6 = &(void __percpu *)(r6)")
__xlated("3: *(u64 *)(r10 -8) = r6")
__xlated("4: r7 = r6")
__xlated("5: r7 += 8")
__xlated("6: *(u64 *)(r10 -16) = r7")
__xlated("7: r6 += 16")
__xlated("8: *(u64 *)(r10 -24) = r6")
__xlated("9: *(u64 *)(r10 -32) = r6")
__xlated("10: r0 = r6")
__xlated("11: *(u64 *)(r10 -40) = r0")
__xlated("12: r6 = *(u64 *)(r10 -8)")
__naked void share(void)
{
	asm volatile ("r6 = %[vars] ll;"
		      "*(u64 *)(r10 - 8) = r6;"
		      "r7 = %[vars] + 8 ll;"
		      "*(u64 *)(r10 - 16) = r7;"
		      "r6 = %[vars] + 16 ll;"
		      "*(u64 *)(r10 - 24) = r6;"
		      "r6 = %[vars] + 16 ll;"
		      "*(u64 *)(r10 - 32) = r6;"
		      "r0 = %[vars] + 16 ll;"
		      "*(u64 *)(r10 - 40) = r0;"
		      "r6 = *(u64 *)(r10 - 8);"
		      "r0 = *(u64 *)(r6 + 0);"
		      "r6 = *(u64 *)(r10 - 16);"
		      "r1 = *(u64 *)(r6 + 0);"
		      "r0 += r1;"
		      "r6 = *(u64 *)(r10 - 40);"
		      "r1 = *(u64 *)(r6 + 0);"
		      "r0 += r1;"
		      "exit;"
		      :
		      : __imm_addr(vars)
		      : __clobber_all);
}

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/* clang has no BTF of a kfunc that only inline assembly calls */
void kfunc_root(void)
{
	bpf_rdonly_cast(0, 0);
}

SEC("socket")
__description("shared across a load that may fault")
__success __retval(8)
/* others have a jump before it, over what are no addresses of the kernel */
__arch_x86_64
__xlated("...")
__xlated("{{[0-9]+}}: r1 = *(u64 *)(r6 +0)")
__xlated("{{[0-9]+}}: r8 = r7")
__xlated("{{[0-9]+}}: r8 += 8")
__naked void probe_between(void)
{
	asm volatile ("r1 = 0;"
		      "r2 = 0;"
		      "call %[bpf_rdonly_cast];"
		      "r6 = r0;"
		      "r7 = %[vars] ll;"
		      "*(u64 *)(r10 - 8) = r7;"
		      "r1 = *(u64 *)(r6 + 0);"
		      "r8 = %[vars] + 8 ll;"
		      "*(u64 *)(r10 - 16) = r8;"
		      "r0 = *(u64 *)(r8 + 0);"
		      "exit;"
		      :
		      : __imm(bpf_rdonly_cast), __imm_addr(vars)
		      : __clobber_all);
}

SEC("socket")
__description("no address shared: another section, changed, overwritten")
__success __retval(0)
__xlated("0: r6 = 0x{{[0-9a-f]+}}")
__xlated("2: r6 = &(void __percpu *)(r6)")
__xlated("3: *(u64 *)(r10 -8) = r6")
__xlated("4: r7 = 0x{{[0-9a-f]+}}")
__xlated("6: r7 = &(void __percpu *)(r7)")
__xlated("7: *(u64 *)(r10 -16) = r7")
__xlated("8: r6 += 1")
__xlated("9: r8 = 0x{{[0-9a-f]+}}")
__xlated("11: r8 = &(void __percpu *)(r8)")
__xlated("12: *(u64 *)(r10 -24) = r8")
__xlated("13: r8 = 0")
__xlated("14: r9 = 0x{{[0-9a-f]+}}")
__xlated("16: r9 = &(void __percpu *)(r9)")
__xlated("17: *(u64 *)(r10 -32) = r9")
__naked void not_shared(void)
{
	asm volatile ("r6 = %[vars] ll;"
		      "*(u64 *)(r10 - 8) = r6;"
		      "r7 = %[other] ll;"
		      "*(u64 *)(r10 - 16) = r7;"
		      "r6 += 1;"
		      "r8 = %[vars] ll;"
		      "*(u64 *)(r10 - 24) = r8;"
		      "r8 = 0;"
		      "r9 = %[vars] ll;"
		      "*(u64 *)(r10 - 32) = r9;"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(vars), __imm_addr(other)
		      : __clobber_all);
}

SEC("socket")
__description("shared across calls in callee-saved registers only")
__success __retval(15)
__xlated("...")
__xlated("{{[0-9]+}}: r6 = &(void __percpu *)(r6)")
__xlated("...")
__xlated("{{[0-9]+}}: call {{.*}}")
__xlated("{{[0-9]+}}: r2 = r6")
__xlated("{{[0-9]+}}: r2 += 8")
__xlated("...")
__xlated("{{[0-9]+}}: call {{.*}}")
__xlated("{{[0-9]+}}: r1 = r6")
__naked void call_between(void)
{
	asm volatile ("r6 = %[vars] ll;"
		      "*(u64 *)(r10 - 8) = r6;"
		      "call %[bpf_get_numa_node_id];"
		      "r2 = %[vars] + 8 ll;"
		      "*(u64 *)(r10 - 16) = r2;"
		      "call %[bpf_get_numa_node_id];"
		      "r1 = %[vars] ll;"
		      "*(u64 *)(r10 - 24) = r1;"
		      "r0 = *(u64 *)(r1 + 0);"
		      "r1 = *(u64 *)(r10 - 16);"
		      "r1 = *(u64 *)(r1 + 0);"
		      "r0 += r1;"
		      "exit;"
		      :
		      : __imm_addr(vars), __imm(bpf_get_numa_node_id)
		      : __clobber_all);
}

SEC("socket")
__description("no address shared where a jump comes in")
__success __retval(8)
__xlated("...")
__xlated("{{[0-9]+}}: r2 = &(void __percpu *)(r2)")
__xlated("{{[0-9]+}}: *(u64 *)(r10 -8) = r2")
__xlated("{{[0-9]+}}: r3 = 0x{{[0-9a-f]+}}")
__xlated("{{[0-9]+}}: r3 = &(void __percpu *)(r3)")
__naked void jump_in(void)
{
	asm volatile ("r1 = *(u32 *)(r1 + %[len]);"
		      "if r1 > 1 goto 1f;"
		      "r2 = %[vars] ll;"
		      "*(u64 *)(r10 - 8) = r2;"
		      "1: r3 = %[vars] + 8 ll;"
		      "*(u64 *)(r10 - 16) = r3;"
		      "r0 = *(u64 *)(r3 + 0);"
		      "exit;"
		      :
		      : __imm_addr(vars), __imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

#if defined(__TARGET_ARCH_x86) || defined(__TARGET_ARCH_arm64) || defined(__TARGET_ARCH_powerpc)
SEC("socket")
__description("no address shared where an indirect jump may come in")
__success __retval(8)
__xlated("...")
__xlated("{{[0-9]+}}: gotox r0")
__xlated("{{[0-9]+}}: r6 = 0x{{[0-9a-f]+}}")
__xlated("{{[0-9]+}}: r6 = &(void __percpu *)(r6)")
__xlated("{{[0-9]+}}: *(u64 *)(r10 -8) = r6")
__xlated("{{[0-9]+}}: r7 = 0x{{[0-9a-f]+}}")
__xlated("{{[0-9]+}}: r7 = &(void __percpu *)(r7)")
__naked void indirect_jump_in(void)
{
	asm volatile (".pushsection .jumptables,\"\",@progbits;"
		      "jt_%=: .quad 1f - socket;"
		      ".quad 2f - socket;"
		      ".size jt_%=, 16;"
		      ".global jt_%=;"
		      ".popsection;"
		      /* the packet has 50 bytes */
		      "r1 = *(u32 *)(r1 + %[len]);"
		      "r1 &= 2;"
		      "r1 <<= 2;"
		      "r0 = jt_%= ll;"
		      "r0 += r1;"
		      "r0 = *(u64 *)(r0 + 0);"
		      ".8byte %[gotox_r0];"
		      "1: r6 = %[vars] ll;"
		      "*(u64 *)(r10 - 8) = r6;"
		      "2: r7 = %[vars] + 8 ll;"
		      "*(u64 *)(r10 - 16) = r7;"
		      "r0 = *(u64 *)(r7 + 0);"
		      "exit;"
		      :
		      : __imm_addr(vars), __imm_const(len, offsetof(struct __sk_buff, len)),
			__imm_insn(gotox_r0, BPF_RAW_INSN(BPF_JMP | BPF_JA | BPF_X, 0, 0, 0, 0))
		      : __clobber_all);
}
#endif

/* From here on, what x86-64 makes of addresses that are used for memory accesses alone. */

SEC("socket")
__description("x86-64: a counter whose value is used")
__success __retval(1)
__arch_x86_64
__jited("	movabsq	${{.*}}, %rdi")
__jited("	movq	%gs:(%rdi), %rax")
__jited("	addq	${{.*}}1, %rax")
__jited("	movq	%rax, %gs:(%rdi)")
__naked void counter_used(void)
{
	asm volatile ("r1 = %[far] + 8 ll;"
		      "r0 = *(u64 *)(r1 + 0);"
		      "r0 += 1;"
		      "*(u64 *)(r1 + 0) = r0;"
		      "exit;"
		      :
		      : __imm_addr(far)
		      : __clobber_all);
}

/* A call overwrites all registers that may have arguments, and uses those that do. */
SEC("socket")
__description("x86-64: a counter in front of a call")
__success __retval(0)
__arch_x86_64
__jited("	movabsq	${{.*}}, %rdi")
__jited("	addq	$0x1, %gs:(%rdi)")
__jited("...")
__jited("	callq	{{.*}}")
__jited("...")
__jited("	movabsq	${{.*}}, %rdx")
__jited("	addq	%gs:{{.*}}, %rdx")
__naked void counter_before_call(void)
{
	asm volatile ("r6 = r1;"
		      "r1 = %[far] + 8 ll;"
		      "r2 = *(u64 *)(r1 + 0);"
		      "r2 += 1;"
		      "*(u64 *)(r1 + 0) = r2;"
		      "call %[bpf_get_prandom_u32];"
		      "r1 = r6;"
		      "r2 = 0;"
		      "r3 = %[far] + 8 ll;"
		      "r4 = *(u64 *)(r3 + 0);"
		      "*(u64 *)(r3 + 8) = r4;"
		      "r4 = 8;"
		      "call %[bpf_skb_load_bytes];"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(far), __imm(bpf_get_prandom_u32), __imm(bpf_skb_load_bytes)
		      : __clobber_all);
}

/* What the JIT has for R10 depends on where the stack is. */
SEC("socket")
__description("x86-64: the frame pointer as operand")
__success __retval(0)
__arch_x86_64
__jited("	movabsq	${{.*}}, %rdi")
__jited("	movzbq	%gs:(%rdi), %rsi")
__jited("	addq	%rbp, %rsi")
__jited("	movb	%sil, %gs:(%rdi)")
__naked void frame_pointer_operand(void)
{
	asm volatile ("r1 = %[far] + 8 ll;"
		      "r2 = *(u8 *)(r1 + 0);"
		      "r2 += r10;"
		      "*(u8 *)(r1 + 0) = r2;"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(far)
		      : __clobber_all);
}

/* Its address is that of a CPU, too, and stays whole. */
SEC("raw_tp")
__description("x86-64: beside a private stack")
__success
__arch_x86_64
__jited("	mov{{.*}}	${{.*}}, %r9")
__jited("	addq	%gs:{{.*}}, %r9")
__jited("...")
__jited("	movabsq	${{.*}}, %rdi")
__jited("	movq	%gs:(%rdi), %rsi")
__jited("	movq	%rsi, -0x200(%r9)")
__jited("	movq	-0x200(%r9), %rsi")
__jited("	movq	%rsi, %gs:(%rdi)")
__naked void private_stack(void)
{
	asm volatile ("r1 = %[far] + 8 ll;"
		      "r2 = *(u64 *)(r1 + 0);"
		      "*(u64 *)(r10 - 512) = r2;"
		      "r2 = *(u64 *)(r10 - 512);"
		      "*(u64 *)(r1 + 0) = r2;"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(far)
		      : __clobber_all);
}

SEC("socket")
__description("x86-64: loads and stores of every size")
__success __retval(0)
__arch_x86_64
__jited("	movabsq	${{.*}}, %rdi")
__jited("	movzbq	%gs:(%rdi), %rax")
__jited("	movzwq	%gs:{{.*}}(%rdi), %rax")
__jited("	movl	%gs:{{.*}}(%rdi), %eax")
__jited("	movq	%gs:{{.*}}(%rdi), %rax")
__jited("	movsbq	%gs:(%rdi), %rax")
__jited("	movswq	%gs:{{.*}}(%rdi), %rax")
__jited("	movslq	%gs:{{.*}}(%rdi), %rax")
__jited("	movb	%al, %gs:(%rdi)")
__jited("	movw	%ax, %gs:{{.*}}(%rdi)")
__jited("	movl	%eax, %gs:{{.*}}(%rdi)")
__jited("	movq	%rax, %gs:{{.*}}(%rdi)")
__jited("	movb	${{.*}}, %gs:(%rdi)")
__jited("	movw	${{.*}}, %gs:{{.*}}(%rdi)")
__jited("	movl	${{.*}}, %gs:{{.*}}(%rdi)")
__jited("	movq	${{.*}}, %gs:{{.*}}(%rdi)")
__jited("	xorl	%eax, %eax")
__naked void every_size(void)
{
	asm volatile ("r1 = %[far] ll;"
		      "r0 = *(u8 *)(r1 + 0);"
		      "r0 = *(u16 *)(r1 + 2);"
		      "r0 = *(u32 *)(r1 + 4);"
		      "r0 = *(u64 *)(r1 + 8);"
		      "r0 = *(s8 *)(r1 + 0);"
		      "r0 = *(s16 *)(r1 + 2);"
		      "r0 = *(s32 *)(r1 + 4);"
		      "*(u8 *)(r1 + 0) = r0;"
		      "*(u16 *)(r1 + 2) = r0;"
		      "*(u32 *)(r1 + 4) = r0;"
		      "*(u64 *)(r1 + 8) = r0;"
		      ".8byte %[st8];"
		      ".8byte %[st16];"
		      ".8byte %[st32];"
		      ".8byte %[st64];"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(far),
			__imm_insn(st8, BPF_ST_MEM(BPF_B, BPF_REG_1, 0, 1)),
			__imm_insn(st16, BPF_ST_MEM(BPF_H, BPF_REG_1, 2, 1)),
			__imm_insn(st32, BPF_ST_MEM(BPF_W, BPF_REG_1, 4, 1)),
			__imm_insn(st64, BPF_ST_MEM(BPF_DW, BPF_REG_1, 8, 1))
		      : __clobber_all);
}

SEC("socket")
__description("x86-64: atomics")
__success __retval(0)
__arch_x86_64
__jited("	movabsq	${{.*}}, %rdi")
__jited("	lock{{.*}}addq	%rsi, %gs:(%rdi)")
__jited("	lock{{.*}}orl	%esi, %gs:(%rdi)")
__jited("	lock{{.*}}xaddq	%rsi, %gs:(%rdi)")
__jited("	xchgl	%esi, %gs:(%rdi)")
__jited("	lock{{.*}}cmpxchgq	%rsi, %gs:(%rdi)")
__jited("	xorl	%eax, %eax")
__naked void atomics(void)
{
	asm volatile ("r2 = 5;"
		      "r0 = 0;"
		      "r1 = %[far] + 128 ll;"
		      "lock *(u64 *)(r1 + 0) += r2;"
		      "lock *(u32 *)(r1 + 0) |= w2;"
		      "r2 = atomic_fetch_add((u64 *)(r1 + 0), r2);"
		      "w2 = xchg32_32(r1 + 0, w2);"
		      "r0 = cmpxchg_64(r1 + 0, r0, r2);"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(far)
		      : __clobber_all);
}

SEC("socket")
__description("x86-64: a copy behind a branch")
__success __retval(0)
__arch_x86_64
__jited("...")
__jited("	movabsq	${{.*}}, %rdi")
__jited("	movq	%gs:(%rdi), %rsi")
__jited("	movq	%rsi, %gs:{{.*}}(%rdi)")
__jited("	xorl	%eax, %eax")
__naked void branch(void)
{
	asm volatile ("r1 = *(u32 *)(r1 + %[len]);"
		      "if r1 > 64 goto 1f;"
		      "r1 = %[far] + 512 ll;"
		      "r2 = *(u64 *)(r1 + 0);"
		      "*(u64 *)(r1 + 8) = r2;"
		      "1: r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(far), __imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

SEC("socket")
__description("x86-64: addresses that are needed whole")
__success __retval(0)
__arch_x86_64
__jited("	movabsq	${{.*}}, %rdi")
__jited("	addq	%gs:{{.*}}, %rdi")
__jited("	movq	%rdi, -{{.*}}(%rbp)")
__jited("	movq	${{.*}}, 0x8(%rdi)")
__jited("	movl	$0x5, %esi")
/* a fetching AND is a loop */
__jited("	mov{{.*}}, %rdx")
__jited("	addq	%gs:{{.*}}, %rdx")
__jited("...")
__jited("	movq	(%rdx), %rax")
__jited("...")
/* used behind a jump */
__jited("	mov{{.*}}, %rcx")
__jited("	addq	%gs:{{.*}}, %rcx")
__naked void whole(void)
{
	asm volatile ("r1 = %[far] ll;"
		      "*(u64 *)(r10 - 8) = r1;"
		      ".8byte %[st64];"
		      "r2 = 5;"
		      "r3 = %[other] ll;"
		      "r2 = atomic_fetch_and((u64 *)(r3 + 0), r2);"
		      "r4 = %[vars] ll;"
		      "if r2 > 5 goto 1f;"
		      "r0 = *(u64 *)(r4 + 0);"
		      "1: r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(far), __imm_addr(other), __imm_addr(vars),
			__imm_insn(st64, BPF_ST_MEM(BPF_DW, BPF_REG_1, 8, 1))
		      : __clobber_all);
}

SEC("socket")
__description("x86-64: a counter")
__success __retval(0)
__xlated("0: r1 = 0x{{[0-9a-f]+}}")
__xlated("2: r1 = &(void __percpu *)(r1)")
__xlated("3: r2 = *(u64 *)(r1 +0)")
__xlated("4: r2 += 1")
__xlated("5: *(u64 *)(r1 +0) = r2")
__arch_x86_64
__jited("	movabsq	${{.*}}, %rdi")
__jited("	addq	${{.*}}1, %gs:(%rdi)")
__jited("	xorl	%eax, %eax")
__naked void counter(void)
{
	asm volatile ("r1 = %[far] ll;"
		      "r2 = *(u64 *)(r1 + 0);"
		      "r2 += 1;"
		      "*(u64 *)(r1 + 0) = r2;"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(far)
		      : __clobber_all);
}

SEC("socket")
__description("x86-64: read-modify-write of every size")
__success __retval(0)
__arch_x86_64
__jited("	movabsq	${{.*}}, %rbx")
__jited("	addb	%sil, %gs:(%rbx)")
__jited("	subw	${{.*}}, %gs:{{.*}}(%rbx)")
__jited("	andl	$0x7fffffff, %gs:{{.*}}(%rbx)")
__jited("	orq	%rsi, %gs:{{.*}}(%rbx)")
__jited("	xorb	$0x7f, %gs:(%rbx)")
__jited("	xorl	%eax, %eax")
__naked void every_size_rmw(void)
{
	asm volatile ("r2 = 5;"
		      "r6 = %[far] + 64 ll;"
		      "r3 = *(u8 *)(r6 + 0);"
		      "r3 += r2;"
		      "*(u8 *)(r6 + 0) = r3;"
		      "r3 = *(s16 *)(r6 + 2);"
		      "r3 -= 0x8000;"
		      "*(u16 *)(r6 + 2) = r3;"
		      "r3 = *(u32 *)(r6 + 4);"
		      "r3 &= 0x7fffffff;"
		      "*(u32 *)(r6 + 4) = r3;"
		      "r3 = *(u64 *)(r6 + 8);"
		      "r3 |= r2;"
		      "*(u64 *)(r6 + 8) = r3;"
		      "r3 = *(u8 *)(r6 + 0);"
		      "w3 ^= 0x7f;"
		      "*(u8 *)(r6 + 0) = r3;"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(far)
		      : __clobber_all);
}

SEC("socket")
__description("x86-64: a histogram")
__success __retval(0)
__arch_x86_64
__jited("...")
__jited("	movabsq	${{.*}}, %rsi")
__jited("	addq	%rdi, %rsi")
__jited("	addq	${{.*}}1, %gs:(%rsi)")
__jited("	xorl	%eax, %eax")
__naked void histogram(void)
{
	asm volatile ("r1 = *(u32 *)(r1 + %[len]);"
		      "r1 &= 15;"
		      "r1 <<= 3;"
		      "r2 = %[far] + 256 ll;"
		      "r2 += r1;"
		      "r3 = *(u64 *)(r2 + 0);"
		      "r3 += 1;"
		      "*(u64 *)(r2 + 0) = r3;"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(far), __imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

char _license[] SEC("license") = "GPL";
