// SPDX-License-Identifier: GPL-2.0
/* Global per-CPU variables, used in all the ways that programs are built from */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "bpf_misc.h"

#define NR_LOOPS 10

struct {
	__u32 cpu;		/* every run puts the CPU's number here */
	__u64 main;
	__u64 subprog;
	__u64 global_subprog;
	__u64 callback;
	__u64 loop;
	__u64 tail_caller;
	__u64 tail_callee;
	__u64 sleepable;
} counts SEC(".percpu") = { .main = 100 };

struct {
	__u64 found;		/* runs that found what the run before left here */
	struct bpf_cpumask __kptr * mask;
} stash SEC(".percpu.stash");

struct bpf_cpumask *bpf_cpumask_create(void)
	__ksym;
void bpf_cpumask_release(struct bpf_cpumask *cpumask) __ksym;
void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *cpumask) __ksym;
u32 bpf_cpumask_first(const struct cpumask *cpumask) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} jmp_table SEC(".maps");

static __noinline void count_subprog(void)
{
	counts.subprog++;
}

__noinline int count_global_subprog(int by)
{
	counts.global_subprog += by;
	return 0;
}

static int count_callback(__u32 i, void *ctx)
{
	counts.callback += i;
	return 0;
}

SEC("raw_tp")
int count(void *ctx)
{
	int i;

	counts.cpu = bpf_get_smp_processor_id();
	counts.main++;
	count_subprog();
	count_global_subprog(2);
	bpf_loop(NR_LOOPS, count_callback, NULL, 0);
	bpf_for(i, 0, NR_LOOPS)
		counts.loop++;
	return 0;
}

SEC("raw_tp")
int tail_callee(void *ctx)
{
	counts.tail_callee = counts.tail_caller;
	return 0;
}

SEC("raw_tp")
int tail_caller(void *ctx)
{
	counts.tail_caller++;
	bpf_tail_call_static(ctx, &jmp_table, 0);
	return 1;
}

SEC("syscall")
int sleepable(void *ctx)
{
	counts.sleepable++;
	return 0;
}

SEC("raw_tp")
int kptr(void *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct bpf_cpumask *mask;

	mask = stash.mask;
	if (mask && bpf_cpumask_first((const struct cpumask *)mask) != cpu)
		return 1;

	mask = bpf_cpumask_create();
	if (!mask)
		return 2;
	bpf_cpumask_set_cpu(cpu, mask);

	mask = bpf_kptr_xchg(&stash.mask, mask);
	if (mask) {
		if (bpf_cpumask_first((const struct cpumask *)mask) == cpu)
			stash.found++;
		bpf_cpumask_release(mask);
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
