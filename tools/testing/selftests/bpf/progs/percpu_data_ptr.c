// SPDX-License-Identifier: GPL-2.0
/* Programs that use other CPUs' copies of per-CPU variables */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include "bpf_misc.h"

#define NR_ENTRIES 8

struct {
	long pad;
	long id;			/* user space numbers the copies */
	long count;
	struct {
		int id;
		long count;
	} entries[NR_ENTRIES];
	char text[16];
} data SEC(".percpu");

struct {
	long pad;
	struct bpf_cpumask __kptr * mask;
} stash SEC(".percpu.stash");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, long);
} ids SEC(".maps");

struct bpf_cpumask *bpf_cpumask_create(void)
	__ksym;
void bpf_cpumask_release(struct bpf_cpumask *cpumask) __ksym;
void bpf_cpumask_set_cpu(u32 cpu, struct bpf_cpumask *cpumask) __ksym;
u32 bpf_cpumask_first(const struct cpumask *cpumask) __ksym;
void bpf_rcu_read_lock(void)
	__ksym;
void bpf_rcu_read_unlock(void)
	__ksym;

/* set by user space */
int cpu;
int from_cpu;
unsigned int idx;
/* what the programs found there */
#define NOTHING (-1)
long found;
long found_own;

SEC("raw_tp")
int member(void *ctx)
{
	long *id = bpf_per_cpu_ptr(&data.id, cpu);

	found = id ? *id : NOTHING;
	return 0;
}

SEC("raw_tp")
int this_member(void *ctx)
{
	long *id = bpf_this_cpu_ptr(&data.id);

	found = *id;
	return 0;
}

SEC("raw_tp")
int element(void *ctx)
{
	typeof(data.entries[0]) *entry;

	entry = bpf_per_cpu_ptr(&data.entries[idx % NR_ENTRIES], cpu);
	if (entry) {
		found = entry->id;
		entry->count++;
	}
	return 0;
}

/* One call for the addresses of this CPU's copy and of another one's */
SEC("raw_tp")
int from_copy(void *ctx)
{
	long *id = &data.id, *own;

	if (from_cpu >= 0) {
		id = bpf_per_cpu_ptr(id, from_cpu);
		if (!id)
			return 0;
	}
	barrier_var(id);
	own = bpf_this_cpu_ptr(id);
	found_own = *own;
	id = bpf_per_cpu_ptr(id, cpu);
	found = id ? *id : NOTHING;
	return 0;
}

SEC("raw_tp")
int atomics(void *ctx)
{
	long *count = bpf_per_cpu_ptr(&data.count, cpu);

	if (!count)
		return 0;
	found = __sync_fetch_and_add(count, 5);
	__sync_val_compare_and_swap(count, 5, 7);
	__sync_fetch_and_or(count, 0x100);
	return 0;
}

SEC("raw_tp")
int helper(void *ctx)
{
	char *text = bpf_per_cpu_ptr(data.text, cpu);
	static const char hello[] = "hello";

	if (text) {
		bpf_probe_read_kernel_str(text, sizeof(data.text), hello);
		found = bpf_strncmp(text, sizeof(data.text), "hello");
	}
	return 0;
}

static __noinline void count_in(long *count)
{
	(*count)++;
}

__noinline int count_in_global(long *count)
{
	if (count)
		(*count)++;
	return 0;
}

static long count_in_callback(u32 i, long **count)
{
	(**count)++;
	return 0;
}

/* Pointers to two copies, kept across calls of all kinds */
SEC("raw_tp")
int calls(void *ctx)
{
	long *count = bpf_per_cpu_ptr(&data.count, cpu), *own;

	if (!count)
		return 0;
	own = bpf_this_cpu_ptr(count);
	count_in(count);
	count_in_global(count);
	bpf_loop(3, count_in_callback, &count, 0);
	bpf_get_smp_processor_id();
	(*count)++;
	*own += 0x100;
	return 0;
}

static long find_in_callback(struct bpf_map *map, int *key, long *id, void *ctx)
{
	id = bpf_per_cpu_ptr(id, cpu);
	found = id ? *id : NOTHING;
	return 0;
}

SEC("raw_tp")
int for_each(void *ctx)
{
	bpf_for_each_map_elem(&ids, find_in_callback, NULL, 0);
	return 0;
}

SEC("raw_tp")
int put(void *ctx)
{
	struct bpf_cpumask *mask = bpf_cpumask_create();
	typeof(stash) *there;

	if (!mask)
		return 0;
	bpf_cpumask_set_cpu(cpu, mask);
	there = bpf_per_cpu_ptr(&stash, cpu);
	if (there)
		mask = bpf_kptr_xchg(&there->mask, mask);
	if (mask)
		bpf_cpumask_release(mask);
	return 0;
}

SEC("raw_tp")
int peek(void *ctx)
{
	typeof(stash) *there = bpf_per_cpu_ptr(&stash, cpu);
	struct bpf_cpumask *mask;

	found = NOTHING;
	if (!there)
		return 0;
	bpf_rcu_read_lock();
	mask = there->mask;
	if (mask)
		found = bpf_cpumask_first((const struct cpumask *)mask);
	bpf_rcu_read_unlock();
	return 0;
}

char _license[] SEC("license") = "GPL";
