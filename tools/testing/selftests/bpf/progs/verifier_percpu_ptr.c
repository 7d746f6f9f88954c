// SPDX-License-Identifier: GPL-2.0
/* What the verifier makes of pointers to other CPUs' copies of per-CPU variables */

#include <vmlinux.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "bpf_experimental.h"
#include "bpf_misc.h"

#define DIFFERENT_KINDS "same insn cannot be used with different kinds of percpu pointers"
#define DIFFERENT_MAPS "same insn cannot be used with percpu data of different maps"

long val SEC(".percpu") = 7;
long eight SEC(".percpu") = 8;
/* Alone in its map, so that the map's value ends where the variable ends. */
char buf[16] SEC(".percpu.buf");
long plain = 7;

struct elem {
	long count;
};

struct kptr_elem {
	struct elem __percpu_kptr * elem;
};

struct percpu_array {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, long);
} one_elem SEC(".maps"), inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, int);
	__type(value, long);
} rdonly SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_WRONLY_PROG);
	__type(key, int);
	__type(value, long);
} wronly SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, int);
	__type(value, long);
} two_elems SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, long);
} hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, int);
	__array(values, struct percpu_array);
} outer SEC(".maps") = {
	.values = { &inner },
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct kptr_elem);
} kptrs SEC(".maps");

static const int zero;

extern const struct rq runqueues __ksym;

/* Keep what only assembly uses in BTF. */
__used void btf_root(void)
{
	struct elem __percpu_kptr * elem = bpf_percpu_obj_new(struct elem);

	if (elem)
		bpf_percpu_obj_drop(elem);
	bpf_this_cpu_ptr(&runqueues);
}

SEC("socket")
__description("bpf_per_cpu_ptr(), translated")
__success __retval(8)
__xlated("0: r1 = 0x{{[0-9a-f]+}}")
__xlated("2: r1 = &(void __percpu *)(r1)")
__xlated("3: r2 = 0")
__xlated("4: r3 = 0x{{[0-9a-f]+}}")
__xlated("6: call")
__xlated("7: if r0 == 0x0 goto pc+1")
__xlated("8: r0 = *(u64 *)(r0 +0)")
__xlated("9: exit")
__naked void per_cpu_translated(void)
{
	asm volatile ("r1 = %[eight] ll;"
		      "r2 = 0;"
		      "call %[bpf_per_cpu_ptr];"
		      "if r0 == 0 goto 1f;"
		      "r0 = *(u64 *)(r0 + 0);"
		      "1: exit;"
		      :
		      : __imm_addr(eight), __imm(bpf_per_cpu_ptr)
		      : __clobber_all);
}

SEC("socket")
__description("bpf_this_cpu_ptr(), translated")
__success __retval(8)
__xlated("0: r1 = 0x{{[0-9a-f]+}}")
__xlated("2: r1 = &(void __percpu *)(r1)")
__xlated("3: r2 = 0x{{[0-9a-f]+}}")
__xlated("5: call")
__xlated("6: r0 = *(u64 *)(r0 +0)")
__xlated("7: exit")
__naked void this_cpu_translated(void)
{
	asm volatile ("r1 = %[eight] ll;"
		      "call %[bpf_this_cpu_ptr];"
		      "r0 = *(u64 *)(r0 + 0);"
		      "exit;"
		      :
		      : __imm_addr(eight), __imm(bpf_this_cpu_ptr)
		      : __clobber_all);
}

SEC("socket")
__description("call between jumps in both directions")
__success __retval(21)
__naked void jumps(void)
{
	asm volatile ("r6 = 0;"
		      "r7 = 0;"
		      "1: r6 += 1;"
		      "if r6 > 3 goto 2f;"
		      "r1 = %[val] ll;"
		      "r2 = 0;"
		      "call %[bpf_per_cpu_ptr];"
		      "if r0 == 0 goto 2f;"
		      "r0 = *(u64 *)(r0 + 0);"
		      "r7 += r0;"
		      "goto 1b;"
		      "2: r0 = r7;"
		      "exit;"
		      :
		      : __imm_addr(val), __imm(bpf_per_cpu_ptr)
		      : __clobber_all);
}

SEC("socket")
__description("unprivileged")
__success __failure_unpriv
__msg_unpriv("program of this type cannot use helper bpf_per_cpu_ptr")
long unpriv(void *ctx)
{
	return !bpf_per_cpu_ptr(&val, 0);
}

SEC("socket")
__description("CAP_BPF suffices, variable offset")
__success __success_unpriv __caps_unpriv(CAP_BPF)
__retval(0)
long cap_bpf(struct __sk_buff *skb)
{
	char *p = bpf_per_cpu_ptr(&buf[skb->len & 15], 0);

	return p ? *p : 1;
}

SEC("socket")
__description("result not checked for NULL")
__failure __msg("R0 invalid mem access 'map_value_or_null'")
long not_checked(void *ctx)
{
	long *p = bpf_per_cpu_ptr(&val, 0);

	return *p;
}

SEC("socket")
__description("arithmetic on the result before it is checked for NULL")
__failure __msg("R0 pointer arithmetic on map_value_or_null prohibited, null-check it first")
__naked void arithmetic_on_null(void)
{
	asm volatile ("r1 = %[val] ll;"
		      "r2 = 0;"
		      "call %[bpf_per_cpu_ptr];"
		      "r0 += 8;"
		      "if r0 == 0 goto 1f;"
		      "r0 = *(u64 *)(r0 + 0);"
		      "1: exit;"
		      :
		      : __imm_addr(val), __imm(bpf_per_cpu_ptr)
		      : __clobber_all);
}

/* The offset is that of the argument, and it is gone where the pointer is NULL. */
SEC("socket")
__description("NULL is zero, whatever the offset")
__success __log_level(2)
__msg("R0=map_value_or_null(id={{[0-9]+}},map={{[^,]+}},ks=4,vs=16,imm=8)")
__msg("from {{[0-9]+}} to {{[0-9]+}}: R0=0")
__retval(0)
__naked void null_is_zero(void)
{
	asm volatile ("r1 = %[buf] + 8 ll;"
		      "r2 = -1;"
		      "call %[bpf_per_cpu_ptr];"
		      "if r0 == 0 goto 1f;"
		      "r0 = *(u64 *)(r0 - 8);"
		      "r0 = 1;"
		      "1: exit;"
		      :
		      : __imm_addr(buf), __imm(bpf_per_cpu_ptr)
		      : __clobber_all);
}

SEC("socket")
__description("one check for NULL for all copies of the pointer, variable offset")
__success __retval(0)
__naked void copies_of_pointer(void)
{
	asm volatile ("r2 = *(u32 *)(r1 + %[len]);"
		      "r2 &= 15;"
		      "r1 = %[buf] ll;"
		      "r1 += r2;"
		      "r2 = 0;"
		      "call %[bpf_per_cpu_ptr];"
		      "r6 = r0;"
		      "*(u64 *)(r10 - 8) = r0;"
		      "if r0 == 0 goto 1f;"
		      "r1 = 0;"
		      "*(u8 *)(r6 + 0) = r1;"
		      "r7 = *(u64 *)(r10 - 8);"
		      "*(u8 *)(r7 + 0) = r1;"
		      "1: r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(buf), __imm(bpf_per_cpu_ptr),
			__imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

SEC("socket")
__description("result out of bounds, fixed offset")
__failure __msg("invalid access to map value, value_size=16 off=16 size=1")
__naked void result_oob(void)
{
	asm volatile ("r1 = %[buf] + 8 ll;"
		      "call %[bpf_this_cpu_ptr];"
		      "r0 = *(u8 *)(r0 + 8);"
		      "exit;"
		      :
		      : __imm_addr(buf), __imm(bpf_this_cpu_ptr)
		      : __clobber_all);
}

SEC("socket")
__description("result out of bounds, variable offset")
__failure __msg("invalid access to map value, value_size=16 off=15 size=2")
__flag(BPF_F_ANY_ALIGNMENT)
__naked void result_oob_var(void)
{
	asm volatile ("r2 = *(u32 *)(r1 + %[len]);"
		      "r2 &= 15;"
		      "r1 = %[buf] ll;"
		      "r1 += r2;"
		      "r2 = 0;"
		      "call %[bpf_per_cpu_ptr];"
		      "if r0 == 0 goto 1f;"
		      "r0 = *(u16 *)(r0 + 0);"
		      "1: r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(buf), __imm(bpf_per_cpu_ptr),
			__imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

SEC("socket")
__description("argument one past the end")
__failure __msg("invalid access to map value, value_size=16 off=16 size=1")
__naked void arg_past(void)
{
	asm volatile ("r1 = %[buf] + 8 ll;"
		      "r1 += 8;"
		      "call %[bpf_this_cpu_ptr];"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(buf), __imm(bpf_this_cpu_ptr)
		      : __clobber_all);
}

SEC("socket")
__description("argument before the start")
__failure __msg("R1 min value is negative")
__naked void arg_before(void)
{
	asm volatile ("r1 = %[buf] ll;"
		      "r1 += -1;"
		      "call %[bpf_this_cpu_ptr];"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(buf), __imm(bpf_this_cpu_ptr)
		      : __clobber_all);
}

SEC("socket")
__description("argument with an offset that may be past the end")
__failure __msg("R1 max value is outside of the allowed memory range")
__naked void arg_var_past(void)
{
	asm volatile ("r2 = *(u32 *)(r1 + %[len]);"
		      "r2 &= 31;"
		      "r1 = %[buf] ll;"
		      "r1 += r2;"
		      "r2 = 0;"
		      "call %[bpf_per_cpu_ptr];"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(buf), __imm(bpf_per_cpu_ptr),
			__imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

SEC("socket")
__description("argument with an offset without bounds")
__failure __msg("R1 unbounded memory access, make sure to bounds check any such access")
__naked void arg_unbounded(void)
{
	asm volatile ("r2 = *(u32 *)(r1 + %[len]);"
		      "r1 = %[buf] ll;"
		      "r1 += r2;"
		      "call %[bpf_this_cpu_ptr];"
		      "r0 = 0;"
		      "exit;"
		      :
		      : __imm_addr(buf), __imm(bpf_this_cpu_ptr),
			__imm_const(len, offsetof(struct __sk_buff, len))
		      : __clobber_all);
}

/* The value is looked up, so that it may be that of any map and any CPU. */
#define LOOKUP(map) bpf_map_lookup_elem(&(map), &zero)
#define LOOKUP_CPU(map, cpu) bpf_map_lookup_percpu_elem(&(map), &zero, cpu)

SEC("socket")
__description("argument may be NULL")
__failure __msg("R1 type=map_value_or_null expected=percpu_ptr_")
long arg_or_null(void *ctx)
{
	bpf_per_cpu_ptr(LOOKUP_CPU(one_elem, 1), 0);
	return 0;
}

SEC("socket")
__description("argument is a value that was looked up, of any CPU")
__success __retval(0)
long arg_looked_up(void *ctx)
{
	long *other = LOOKUP_CPU(one_elem, 1), *own;

	if (!other)
		return 1;
	own = bpf_this_cpu_ptr(other);
	return own != LOOKUP(one_elem) || bpf_per_cpu_ptr(own, 1) != other ||
	       bpf_per_cpu_ptr(other, 1) != other;
}

SEC("socket")
__description("argument is a value of an inner map")
__failure
__msg("R1 points into an inner map, bpf_this_cpu_ptr() needs a map that the program names")
long arg_inner(void *ctx)
{
	void *map = LOOKUP(outer);
	long *value;

	if (!map)
		return 0;
	value = bpf_map_lookup_elem(map, &zero);
	if (!value)
		return 0;
	bpf_this_cpu_ptr(value);
	return 0;
}

SEC("socket")
__description("argument is a value of a percpu array with two elements")
__failure __msg("R1 type=map_value expected=percpu_ptr_")
long arg_two_elems(void *ctx)
{
	long *value = LOOKUP(two_elems);

	if (value)
		bpf_this_cpu_ptr(value);
	return 0;
}

SEC("socket")
__description("argument is a value of a percpu hash")
__failure __msg("R1 type=map_value expected=percpu_ptr_")
long arg_hash(void *ctx)
{
	long *value = LOOKUP(hash);

	if (value)
		bpf_this_cpu_ptr(value);
	return 0;
}

SEC("socket")
__description("argument is plain global data")
__failure __msg("R1 type=map_value expected=percpu_ptr_")
long arg_plain(void *ctx)
{
	bpf_this_cpu_ptr(&plain);
	return 0;
}

SEC("socket")
__description("map that programs may not write")
__failure __msg("write into map forbidden")
long write_rdonly(void *ctx)
{
	long *value = LOOKUP(rdonly);

	if (!value)
		return 0;
	value = bpf_per_cpu_ptr(value, 0);
	if (value)
		*value = 1;
	return 0;
}

SEC("socket")
__description("map that programs may not write, by a helper")
__failure __msg("write into map forbidden")
long write_rdonly_helper(void *ctx)
{
	long *value = LOOKUP(rdonly);

	if (value)
		bpf_probe_read_kernel(bpf_this_cpu_ptr(value), sizeof(*value), ctx);
	return 0;
}

SEC("socket")
__description("map that programs may only read")
__success __retval(0)
long read_rdonly(void *ctx)
{
	long *value = LOOKUP(rdonly);

	if (!value)
		return 1;
	value = bpf_per_cpu_ptr(value, 0);
	return value ? *value : 1;
}

SEC("socket")
__description("map that programs may not read")
__failure __msg("read from map forbidden")
long read_wronly(void *ctx)
{
	long *value = LOOKUP(wronly);

	if (!value)
		return 0;
	value = bpf_per_cpu_ptr(value, 0);
	return value ? *value : 0;
}

/* Call with what is loaded on one of two paths. */
#define CALL_WITH(call, first, second, ...)					\
({ asm volatile ("if %[len] != 0 goto 1f;"					\
		      first							\
		      "goto 2f;"						\
		      "1:"							\
		      second							\
		      "2: r2 = 0;"						\
		      "call %[" #call "];"					\
		      :								\
		      : [len]"r"(skb->len), __imm(call), __imm_addr(val),	\
			__imm_addr(eight), __imm_addr(buf), ##__VA_ARGS__	\
		      : __clobber_common); })

#define LD_KSYM "r1 = runqueues ll;"
#define LD(var) "r1 = %[" #var "] ll;"
#define MOV(ptr) "r1 = %[" #ptr "];"

SEC("tc")
__description("two variables of one map")
__success
int mixed_variables(struct __sk_buff *skb)
{
	CALL_WITH(bpf_per_cpu_ptr, LD(val), LD(eight));
	return 0;
}

SEC("tc")
__description("this CPU's copy and another one's")
__success
int mixed_copies(struct __sk_buff *skb)
{
	long *other = bpf_per_cpu_ptr(&val, 1);

	if (other)
		CALL_WITH(bpf_this_cpu_ptr, LD(val), MOV(other), [other]"r"(other));
	return 0;
}

SEC("tc")
__description("variables of two maps")
__failure __msg(DIFFERENT_MAPS)
int mixed_maps(struct __sk_buff *skb)
{
	CALL_WITH(bpf_per_cpu_ptr, LD(val), LD(buf));
	return 0;
}

SEC("tc")
__description("variable and kernel variable")
__failure __msg(DIFFERENT_KINDS)
int mixed_with_ksym(struct __sk_buff *skb)
{
	CALL_WITH(bpf_per_cpu_ptr, LD(val), LD_KSYM);
	return 0;
}

SEC("tc")
__description("kernel variable and variable")
__failure __msg(DIFFERENT_KINDS)
int mixed_with_ksym2(struct __sk_buff *skb)
{
	CALL_WITH(bpf_this_cpu_ptr, LD_KSYM, LD(val));
	return 0;
}

SEC("tc")
__description("variable and percpu kptr")
__failure __msg(DIFFERENT_KINDS)
int mixed_with_kptr(struct __sk_buff *skb)
{
	struct kptr_elem *kptr = LOOKUP(kptrs);
	struct elem __percpu_kptr * elem;

	if (!kptr)
		return 0;
	elem = kptr->elem;
	if (elem)
		CALL_WITH(bpf_per_cpu_ptr, LD(val), MOV(elem), [elem]"r"(elem));
	return 0;
}

SEC("tc")
__description("variable and plain global data")
__failure __msg("R1 type=map_value expected=percpu_ptr_")
int mixed_with_plain(struct __sk_buff *skb)
{
	CALL_WITH(bpf_per_cpu_ptr, LD(val), LD(plain), __imm_addr(plain));
	return 0;
}

static long move_value(struct bpf_map *map, int *key, long *value, void *ctx)
{
	bpf_per_cpu_ptr(value, 0);
	return 0;
}

SEC("tc")
__description("value that a callback gets")
__success __retval(1)
int in_callback(struct __sk_buff *skb)
{
	return bpf_for_each_map_elem(&one_elem, move_value, NULL, 0);
}

SEC("tc")
__description("values of two maps that a callback gets")
__failure __msg(DIFFERENT_MAPS)
int mixed_in_callback(struct __sk_buff *skb)
{
	return bpf_for_each_map_elem(&one_elem, move_value, NULL, 0) +
	       bpf_for_each_map_elem(&rdonly, move_value, NULL, 0);
}

SEC("tc")
__description("values of two maps, looked up")
__failure __msg(DIFFERENT_MAPS)
int mixed_looked_up(struct __sk_buff *skb)
{
	long *one = LOOKUP_CPU(one_elem, 1), *other = LOOKUP_CPU(rdonly, 1);

	if (one && other)
		CALL_WITH(bpf_per_cpu_ptr, MOV(one), MOV(other),
			  [one]"r"(one), [other]"r"(other));
	return 0;
}

char _license[] SEC("license") = "GPL";
