// SPDX-License-Identifier: GPL-2.0
/* Per-CPU values that user space maps, and all ways in which programs reach them */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_map;

struct rq {
	int cpu;
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

/* more than a page, or two where pages are small */
struct value {
	__u64 hits;
	__u64 rest[700];
	__u64 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, int);
	__type(value, struct value);
} copies SEC(".maps");

struct place {
	__u64 hits;
	__s64 dist;
};

struct inner {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, int);
	__type(value, struct place);
} inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, int);
	__array(values, struct inner);
} outer SEC(".maps") = {
	.values = { &inner },
};

struct special {
	__kptr struct task_struct *task;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, int);
	__type(value, struct special);
} special_fields SEC(".maps");

extern const struct rq runqueues __ksym;

const volatile int nr_cpus;

__u64 sum;
static int zero;

/* This CPU's copy */
SEC("raw_tp")
int count(void *ctx)
{
	struct value *value = bpf_map_lookup_elem(&copies, &zero);

	if (!value)
		return 1;
	value->hits++;
	value->last += 2;
	return 0;
}

static long count_elem(struct bpf_map *map, int *key, struct value *value, void *ctx)
{
	value->hits++;
	value->last += 2;
	return 0;
}

SEC("raw_tp")
int count_for_each(void *ctx)
{
	return bpf_for_each_map_elem(&copies, count_elem, NULL, 0) != 1;
}

/* The copies of all CPUs */
SEC("raw_tp")
int sum_and_double(void *ctx)
{
	struct value *value;
	int cpu;

	sum = 0;
	bpf_for(cpu, 0, nr_cpus) {
		value = bpf_map_lookup_percpu_elem(&copies, &zero, cpu);
		if (!value)
			return 1;
		sum += value->hits;
		value->last = 2 * value->hits;
	}
	return 0;
}

/* Count in a map chosen at run time, and say how far it lies from a variable of the kernel. */
SEC("raw_tp")
int where(void *ctx)
{
	struct place *place;
	void *map;

	map = bpf_map_lookup_elem(&outer, &zero);
	if (!map)
		return 1;
	place = bpf_map_lookup_elem(map, &zero);
	if (!place)
		return 2;
	place->hits++;
	place->dist = (long)place - (long)bpf_this_cpu_ptr(&runqueues);
	return 0;
}

SEC("raw_tp")
int read_special(void *ctx)
{
	struct special *special = bpf_map_lookup_elem(&special_fields, &zero);
	struct task_struct *task;

	if (!special)
		return 1;
	task = special->task;
	return task ? task->pid : 0;
}

char _license[] SEC("license") = "GPL";
