// SPDX-License-Identifier: GPL-2.0
/* Two sections whose names become the same identifier, so there is no skeleton */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int x SEC(".percpu.a.b") = 1;
int y SEC(".percpu.a_b") = 2;

SEC("raw_tp/sys_enter")
int sum(void *ctx)
{
	return x + y;
}

char _license[] SEC("license") = "GPL";
