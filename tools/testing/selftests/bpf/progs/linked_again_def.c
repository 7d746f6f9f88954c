// SPDX-License-Identifier: GPL-2.0
/* Defines what linked_again_decl.c declares, also on behalf of linked_again_weak.c */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef DEF
#define DEF
#define FIRST first_def
#define VALUE 7
#define COUNT count_def
#endif

char _license[] SEC("license") = "GPL";

long FIRST SEC(".data.again") = 6;
DEF long shared SEC(".data.again") = VALUE;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, long);
} runs SEC(".maps") DEF;

SEC("raw_tp")
int COUNT(void *ctx)
{
	int zero = 0;
	long *run = bpf_map_lookup_elem(&runs, &zero);

	if (run)
		++*run;
	FIRST++;
	shared++;
	return 0;
}
