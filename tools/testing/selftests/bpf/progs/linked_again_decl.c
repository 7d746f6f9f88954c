// SPDX-License-Identifier: GPL-2.0
/* Declares what linked_again_def.c and linked_again_weak.c define */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

long own SEC(".data.again") = 5;
extern long shared SEC(".data.again");

extern struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, long);
} runs SEC(".maps");

SEC("raw_tp")
int count_decl(void *ctx)
{
	int zero = 0;
	long *run = bpf_map_lookup_elem(&runs, &zero);

	if (run)
		++*run;
	own++;
	shared++;
	return 0;
}
