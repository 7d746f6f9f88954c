// SPDX-License-Identifier: GPL-2.0
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_iter_meta;
struct bpf_map;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

/* set before the program is loaded */
const volatile __u32 nr_cpus;
const volatile __u32 copy_size;
const volatile __u32 hits_off;

long hits_sum;
int elems;
int key_sum;

/* Runs once for each element, with the copies of all possible CPUs. */
SEC("iter/bpf_map_elem")
int sum_hits(struct bpf_iter__bpf_map_elem *ctx)
{
	__u32 *key = ctx->key;
	void *copy = ctx->value;
	int i;

	if (!key || !copy)
		return 0;

	elems++;
	key_sum += *key;
	for (i = 0; i < nr_cpus; i++) {
		hits_sum += *(long *)(copy + hits_off);
		copy += copy_size;
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
