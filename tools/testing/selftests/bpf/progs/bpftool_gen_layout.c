// SPDX-License-Identifier: GPL-2.0
/* Variables that are hard to lay out in a skeleton, or to show in a dump */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__u32 n;
	__u32 vals[];
} list SEC(".data.layout") = { 3, { 7, 8, 9 } };
__u32 behind SEC(".data.layout") = 10;
static volatile __u64 hidden SEC(".data.layout") = 11;
__u64 __pad1 SEC(".data.layout") = 12;

double ratio SEC(".data.float") = 1.5;
float halves[2] SEC(".data.float") = { 0.5, -0.25 };
double none[3] SEC(".data.float") = { __builtin_nan(""), __builtin_inf(), -__builtin_inf() };
int after SEC(".data.float") = 13;

__u64 sum;

/* without the name of a tracepoint, which light skeletons need */
SEC("raw_tp")
int add(void *ctx)
{
	sum = list.n + list.vals[0] + list.vals[1] + list.vals[2] + behind + hidden + __pad1;
	return *(volatile __u64 *)&ratio + *(volatile __u64 *)&halves + *(volatile __u64 *)&none +
	       after;
}

char _license[] SEC("license") = "GPL";
