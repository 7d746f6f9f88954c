// SPDX-License-Identifier: GPL-2.0
/* Calls that are patched by what an argument is, reached with two kinds of it */

#include <vmlinux.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "bpf_experimental.h"
#include "bpf_misc.h"

#define DIFFERENT_KINDS "same insn cannot be used with different kinds of percpu pointers"
#define DIFFERENT_TYPES "same insn cannot be used with different types of objects"

struct counters {
	long count[4];
};

struct elem {
	struct counters __percpu_kptr * counters;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct elem);
} array SEC(".maps");

static const int zero;

extern const struct rq runqueues __ksym;
extern const int bpf_prog_active __ksym;

/* no special fields */
struct plain {
	long count;
};

struct plain2 {
	int id;
	int count;
};

struct large {
	long count[16];
};

/* a special field, which is what bpf_obj_drop() and bpf_refcount_acquire() look for */
struct shared {
	struct bpf_refcount ref;
	int count;
};

struct shared2 {
	long count;
	struct bpf_refcount ref;
};

struct listed {
	struct bpf_list_node node;
	long count;
};

struct listed2 {
	long count;
	struct bpf_list_node node;
};

struct noded {
	struct bpf_rb_node node;
	long count;
};

struct noded2 {
	long count;
	struct bpf_rb_node node;
};

struct bpf_spin_lock lock __hidden SEC(".bss.lists");
struct bpf_list_head head __contains(listed, node) __hidden SEC(".bss.lists");
struct bpf_list_head head2 __contains(listed2, node) __hidden SEC(".bss.lists");
struct bpf_rb_root root __contains(noded, node) __hidden SEC(".bss.lists");
struct bpf_rb_root root2 __contains(noded2, node) __hidden SEC(".bss.lists");

static __used bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return false;
}

/* Keep what only assembly uses in BTF. */
__used void btf_root(void)
{
	struct counters __percpu_kptr * counters = bpf_percpu_obj_new(struct counters);
	struct listed *n = bpf_obj_new(struct listed);
	struct noded *m = bpf_obj_new(struct noded);

	if (counters)
		bpf_percpu_obj_drop(counters);
	if (n) {
		bpf_list_push_front(&head, &n->node);
		bpf_obj_drop(bpf_refcount_acquire(n));
		bpf_obj_drop(n);
	}
	if (m)
		bpf_rbtree_add(&root, &m->node, less);
	bpf_this_cpu_ptr(&runqueues);
	bpf_this_cpu_ptr(&bpf_prog_active);
}

static __always_inline struct counters __percpu_kptr * percpu_kptr(void)
{
	struct elem *e = bpf_map_lookup_elem(&array, &zero);

	return e ? e->counters : NULL;
}

#define CALL_PER_CPU_PTR(call, ptr)						\
({ asm volatile ("r1 = %[counters];"						\
		      "if %[len] != 0 goto 1f;"					\
		      "r1 = runqueues ll;"					\
		      "1: r2 = 0;"						\
		      "call %[" #call "];"					\
		      :								\
		      : [counters]"r"(ptr), [len]"r"(skb->len), __imm(call)	\
		      : __clobber_common); })

SEC("tc")
__description("bpf_per_cpu_ptr() of a kernel variable and a percpu kptr")
__failure __msg(DIFFERENT_KINDS)
int per_cpu_ptr_mixed(struct __sk_buff *skb)
{
	struct counters __percpu_kptr * counters = percpu_kptr();

	if (counters)
		CALL_PER_CPU_PTR(bpf_per_cpu_ptr, counters);
	return 0;
}

SEC("tc")
__description("bpf_this_cpu_ptr() of a kernel variable and a percpu kptr")
__failure __msg(DIFFERENT_KINDS)
int this_cpu_ptr_mixed(struct __sk_buff *skb)
{
	struct counters __percpu_kptr * counters = percpu_kptr();

	if (counters)
		CALL_PER_CPU_PTR(bpf_this_cpu_ptr, counters);
	return 0;
}

SEC("tc")
__description("bpf_per_cpu_ptr() of two kernel variables")
__success
int per_cpu_ptr_ksyms(struct __sk_buff *skb)
{
	asm volatile ("r1 = bpf_prog_active ll;"
		      "if %[len] != 0 goto 1f;"
		      "r1 = runqueues ll;"
		      "1: r2 = 0;"
		      "call %[bpf_per_cpu_ptr];"
		      :
		      : [len]"r"(skb->len), __imm(bpf_per_cpu_ptr)
		      : __clobber_common);
	return 0;
}

#define CALL_OBJ_NEW(type1, type2)						\
({ asm volatile ("r1 = %[id1];"							\
		      "if %[len] != 0 goto 1f;"					\
		      "r1 = %[id2];"						\
		      "1: call %[bpf_obj_new];"					\
		      "if r0 == 0 goto 2f;"					\
		      "r1 = r0;"						\
		      "call %[bpf_obj_drop];"					\
		      "2:"							\
		      :								\
		      : [id1]"r"(bpf_core_type_id_local(struct type1)),		\
			[id2]"r"(bpf_core_type_id_local(struct type2)),		\
			[len]"r"(skb->len), __imm(bpf_obj_new), __imm(bpf_obj_drop) \
		      : __clobber_common); })

SEC("tc")
__description("bpf_obj_new() of types of two sizes")
__failure __msg(DIFFERENT_TYPES)
int obj_new_sizes(struct __sk_buff *skb)
{
	CALL_OBJ_NEW(plain, large);
	return 0;
}

SEC("tc")
__description("bpf_obj_new() of types with and without special fields")
__failure __msg(DIFFERENT_TYPES)
int obj_new_fields(struct __sk_buff *skb)
{
	CALL_OBJ_NEW(plain, shared);
	return 0;
}

SEC("tc")
__description("bpf_obj_new() and bpf_obj_drop() of similar types")
__success
int obj_new_similar(struct __sk_buff *skb)
{
	CALL_OBJ_NEW(plain, plain2);
	return 0;
}

/* Own an object of one of two types. */
#define CALL_WITH_OBJ(type1, type2, insns, ...)					\
({ asm volatile ("if %[len] != 0 goto 1f;"					\
		      "r1 = %[id1];"						\
		      "call %[bpf_obj_new];"					\
		      "if r0 == 0 goto 3f;"					\
		      "goto 2f;"						\
		      "1: r1 = %[id2];"						\
		      "call %[bpf_obj_new];"					\
		      "if r0 == 0 goto 3f;"					\
		      "2:"							\
		      insns							\
		      "3:"							\
		      :								\
		      : [id1]"r"(bpf_core_type_id_local(struct type1)),		\
			[id2]"r"(bpf_core_type_id_local(struct type2)),		\
			[len]"r"(skb->len), __imm(bpf_obj_new), __imm(bpf_obj_drop), \
			##__VA_ARGS__						\
		      : __clobber_common, "r6"); })

#define DROP									\
	"r1 = r0;"								\
	"call %[bpf_obj_drop];"

/* Tell the types apart behind the call, for each to be dropped by a call of its own. */
#define ACQUIRE									\
	"r6 = r0;"								\
	"r1 = r0;"								\
	"call %[bpf_refcount_acquire];"						\
	"r1 = r6;"								\
	"r6 = r0;"								\
	"if %[len] != 0 goto 4f;"						\
	"call %[bpf_obj_drop];"							\
	"if r6 == 0 goto 3f;"							\
	"r1 = r6;"								\
	"call %[bpf_obj_drop];"							\
	"goto 3f;"								\
	"4: call %[bpf_obj_drop];"						\
	"if r6 == 0 goto 3f;"							\
	"r1 = r6;"								\
	"call %[bpf_obj_drop];"

SEC("tc")
__description("bpf_obj_drop() of types with and without special fields")
__failure __msg(DIFFERENT_TYPES)
int obj_drop_fields(struct __sk_buff *skb)
{
	CALL_WITH_OBJ(plain, shared, DROP);
	return 0;
}

SEC("tc")
__description("bpf_obj_drop() of types of two sizes without special fields")
__success
int obj_drop_sizes(struct __sk_buff *skb)
{
	CALL_WITH_OBJ(plain, large, DROP);
	return 0;
}

SEC("tc")
__description("bpf_obj_drop() of types with other nodes")
__success
int obj_drop_nodes(struct __sk_buff *skb)
{
	CALL_WITH_OBJ(listed, noded2, DROP);
	return 0;
}

SEC("tc")
__description("bpf_refcount_acquire() of two types")
__failure __msg(DIFFERENT_TYPES)
int refcount_acquire_types(struct __sk_buff *skb)
{
	CALL_WITH_OBJ(shared, shared2, ACQUIRE, __imm(bpf_refcount_acquire));
	return 0;
}

SEC("tc")
__description("bpf_refcount_acquire() of one type")
__success
int refcount_acquire_type(struct __sk_buff *skb)
{
	CALL_WITH_OBJ(shared, shared, ACQUIRE, __imm(bpf_refcount_acquire));
	return 0;
}

/* Add an object of one of two types to what holds those; the first type has its node in front. */
#define CALL_ADD(call, type1, holder1, type2, holder2, node_off2)		\
({ asm volatile ("if %[len] != 0 goto 1f;"					\
		      "r1 = %[id1];"						\
		      "call %[bpf_obj_new];"					\
		      "if r0 == 0 goto 3f;"					\
		      "r6 = r0;"						\
		      "r1 = %[lock] ll;"					\
		      "call %[bpf_spin_lock];"					\
		      "r1 = %[to1] ll;"					\
		      "r2 = r6;"						\
		      "goto 2f;"						\
		      "1: r1 = %[id2];"						\
		      "call %[bpf_obj_new];"					\
		      "if r0 == 0 goto 3f;"					\
		      "r6 = r0;"						\
		      "r1 = %[lock] ll;"					\
		      "call %[bpf_spin_lock];"					\
		      "r1 = %[to2] ll;"					\
		      "r2 = r6;"						\
		      "r2 += %[off];"						\
		      "2: r3 = %[less] ll;"					\
		      "call %[" #call "];"					\
		      "r1 = %[lock] ll;"					\
		      "call %[bpf_spin_unlock];"				\
		      "3:"							\
		      :								\
		      : [id1]"r"(bpf_core_type_id_local(struct type1)),		\
			[id2]"r"(bpf_core_type_id_local(struct type2)),		\
			__imm_const(off, node_off2),				\
			[len]"r"(skb->len), __imm_addr(lock), __imm_addr(less),	\
			[to1]"i"(&(holder1)), [to2]"i"(&(holder2)),		\
			__imm(bpf_obj_new), __imm(call),			\
			__imm(bpf_spin_lock), __imm(bpf_spin_unlock)		\
		      : __clobber_common, "r6"); })

SEC("tc")
__description("bpf_list_push_front() of two types")
__failure __msg(DIFFERENT_TYPES)
int list_push_types(struct __sk_buff *skb)
{
	CALL_ADD(bpf_list_push_front, listed, head, listed2, head2,
		 offsetof(struct listed2, node));
	return 0;
}

SEC("tc")
__description("bpf_rbtree_add() of two types")
__failure __msg(DIFFERENT_TYPES)
int rbtree_add_types(struct __sk_buff *skb)
{
	CALL_ADD(bpf_rbtree_add, noded, root, noded2, root2, offsetof(struct noded2, node));
	return 0;
}

SEC("tc")
__description("bpf_rbtree_add() of one type")
__success
int rbtree_add_type(struct __sk_buff *skb)
{
	CALL_ADD(bpf_rbtree_add, noded, root, noded, root, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
