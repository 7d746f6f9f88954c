// SPDX-License-Identifier: GPL-2.0
/* Programs that share per-CPU data within an object and with other objects */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	long count;
	long caller;
	long callee;
	long target;
	long extension;
} shared SEC(".percpu") = { .count = 10 };

SEC("raw_tp")
int count(void *ctx)
{
	shared.count++;
	return 0;
}

SEC("raw_tp")
int callee(void *ctx)
{
	shared.callee += shared.caller;
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(int));
	__array(values, int (void *));
} callees SEC(".maps") = {
	.values = { (void *)&callee },
};

SEC("raw_tp")
int caller(void *ctx)
{
	shared.caller++;
	bpf_tail_call(ctx, &callees, 0);
	shared.caller = -1;
	return 0;
}

__noinline int replaced(int by)
{
	shared.target += by;
	return 0;
}

SEC("raw_tp")
int target(void *ctx)
{
	shared.target++;
	return replaced(3);
}
