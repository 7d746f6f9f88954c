// SPDX-License-Identifier: GPL-2.0
/* Per-CPU data of several kinds, to be loaded while allocations fail */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#define INIT	1000

struct {
	long runs;
	char name[40];
} vars SEC(".percpu") = { INIT, "initialized" };

/* with copies that user space maps, larger than a page */
struct {
	long runs;
	long rest[1024];
	long last;
} mapped SEC(".percpu.mapped") = { .runs = INIT + 1, .last = INIT + 2 };

/* as large as it gets */
long large[4096] SEC(".percpu.large") = { [4095] = INIT + 3 };

static __noinline long count_mapped(void)
{
	mapped.last++;
	return ++mapped.runs;
}

SEC("raw_tp/sys_enter")
long count(void *ctx)
{
	long *first = bpf_per_cpu_ptr(&vars.runs, 0);

	if (!first)
		return -1;
	vars.runs++;
	large[4095]++;
	return *first + count_mapped();
}

char _license[] SEC("license") = "GPL";
