// SPDX-License-Identifier: GPL-2.0
/* Look-ups in percpu maps, which the verifier inlines where the JIT has the instruction for it */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#define NR_KEYS 3

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NR_KEYS);
	__type(key, __u32);
	__type(value, __u64);
} array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, NR_KEYS);
	__type(key, __u32);
	__type(value, __u64);
} hash SEC(".maps");

__u32 cpu;	/* the one that the program runs on, says who runs it */

/* How many values are not those of the CPU? Change the others, to show where they are. */
static __always_inline int check_values(void *map, bool compare)
{
	int i, wrong = 0;
	__u64 *value;
	__u32 key;

	for (i = 0; i <= NR_KEYS + 1; i++) {
		key = i <= NR_KEYS ? i : -1;
		value = bpf_map_lookup_elem(map, &key);
		if (i >= NR_KEYS)
			wrong += !!value;
		else if (!value || *value != 1000 * cpu + i ||
			 (compare && value != bpf_map_lookup_percpu_elem(map, &key, cpu)))
			wrong++;
		else
			*value += 100;
	}
	return wrong;
}

SEC("raw_tp")
int in_array(void *ctx)
{
	return check_values(&array, true);
}

/* May be loaded without CAP_PERFMON, but compare no pointers then */
SEC("?socket")
int in_array_masked(void *ctx)
{
	return check_values(&array, false);
}

SEC("raw_tp")
int in_hash(void *ctx)
{
	return check_values(&hash, true);
}

SEC("raw_tp")
int number(void *ctx)
{
	return bpf_get_smp_processor_id() != cpu;
}

char _license[] SEC("license") = "GPL";
