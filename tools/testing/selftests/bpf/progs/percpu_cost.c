// SPDX-License-Identifier: GPL-2.0
/*
 * What per-CPU data costs: the same work on data in different places. See
 * ../percpu_cost.c, which runs these programs and prints what they take.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

extern void bpf_local_irq_save(unsigned long *flags) __ksym;
extern void bpf_local_irq_restore(unsigned long *flags) __ksym;
extern const struct rq runqueues __ksym;

const volatile __u32 repeats;
const volatile int pid;

__u64 ns;
long first_dist, later_dist;
long syscalls;

struct data {
	long _count;
	long _a, _b, _c, _d;
	long _hist[16];
	long _scratch[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct data);
} percpu_array SEC(".maps");

long by_cpu[64][sizeof(struct data) / sizeof(long)];

/* Interrupts are off, so that nothing else counts. */
static __always_inline int measure(long (*work)(__u32 i, void *ctx))
{
	unsigned long flags;
	__u64 start;

	bpf_local_irq_save(&flags);
	start = bpf_ktime_get_ns();
	bpf_loop(repeats, work, NULL, 0);
	ns = bpf_ktime_get_ns() - start;
	bpf_local_irq_restore(&flags);
	return 0;
}

/* A program that repeats a function; a global one, so that the verifier looks at it once */
#define WORK(name, place)	__WORK(name, place)
#define __WORK(name, place)						\
	int name##_##place##_work(__u32 i);				\
	static long name##_##place##_loop(__u32 i, void *ctx)		\
	{								\
		name##_##place##_work(i);				\
		return 0;						\
	}								\
	SEC("raw_tp") int name##_##place(void *ctx)			\
	{								\
		return measure(name##_##place##_loop);			\
	}								\
	__noinline int name##_##place##_work(__u32 i)

/* What is subtracted, and 100 instructions more */
WORK(empty, bpf)
{
	asm volatile ("");
	return 0;
}

WORK(known, bpf)
{
	__u64 n;

	asm volatile ("%0 = 0; .rept 99; %0 += 1; .endr" : "=r"(n));
	return 0;
}

static __always_inline struct data *look_up(void)
{
	int key = 0;

	return bpf_map_lookup_elem(&percpu_array, &key);
}

#define PLACE		lookup
#define GET_DATA()	struct data *p = look_up()
#define HAS_DATA	p
#define VAR(name)	(p->_##name)
#include "percpu_cost.h"

#define PLACE		by_cpu
#define GET_DATA()	struct data *p = (void *)by_cpu[bpf_get_smp_processor_id() & 63]
#define HAS_DATA	true
#define VAR(name)	(p->_##name)
#include "percpu_cost.h"

#define PLACE		global
#define PLACE_SEC
#define VAR(name)	global_##name
#include "percpu_cost.h"

#define PLACE		first
#define PLACE_SEC	SEC(".percpu")
#define VAR(name)	first_##name
#include "percpu_cost.h"

#define PLACE		later
#define PLACE_SEC	SEC(".percpu.later")
#define VAR(name)	later_##name
#include "percpu_cost.h"

/* The first chunk of per-CPU memory has been filled with maps of this size. */
char later_rest[32 * 1024 - sizeof(struct data)] SEC(".percpu.later");

/* The kernel's own this_cpu_inc(), in a module */
#define KERNEL_WORK(name)						\
	extern void bpf_percpu_cost_##name(__u32 i) __weak __ksym;	\
	WORK(name, kernel)						\
	{								\
		bpf_percpu_cost_##name(i);				\
		return 0;						\
	}

KERNEL_WORK(empty)
KERNEL_WORK(count)
KERNEL_WORK(four)
KERNEL_WORK(hist)
KERNEL_WORK(scratch)
KERNEL_WORK(branch)
KERNEL_WORK(loop)

/* How far are the sections from what is in the first chunk? */
SEC("raw_tp")
int distance_later(void *ctx)
{
	long rq = (long)bpf_this_cpu_ptr(&runqueues);

	first_dist = (long)&first_count - rq;
	later_dist = (long)&later_count - rq;
	return 0;
}

/* Copies to be read from user space */
#define COPIES(name, nr, flags)						\
struct {								\
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);			\
	__uint(max_entries, 1);						\
	__uint(map_flags, flags);					\
	__type(key, int);						\
	__type(value, long[nr]);					\
} name SEC(".maps")

COPIES(one, 1, 0);
COPIES(hundred, 100, 0);
COPIES(one_mapped, 1, BPF_F_MMAPABLE);
COPIES(hundred_mapped, 100, BPF_F_MMAPABLE);

SEC("raw_tp/sys_enter")
int count_syscalls(void *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 == pid)
		syscalls++;
	return 0;
}

char _license[] SEC("license") = "GPL";
