// SPDX-License-Identifier: GPL-2.0
/* A map with the name of a data section, so there is no skeleton */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int x = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, int);
} data SEC(".maps");

SEC("raw_tp/sys_enter")
int sum(void *ctx)
{
	int zero = 0, *val = bpf_map_lookup_elem(&data, &zero);

	return val ? x + *val : 0;
}

char _license[] SEC("license") = "GPL";
