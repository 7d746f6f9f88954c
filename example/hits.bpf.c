// SPDX-License-Identifier: GPL-2.0
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

long hits SEC(".percpu");
long step SEC(".percpu") = 1;

SEC("raw_tp/sys_enter")
int count(void *ctx)
{
	hits += step;
	return 0;
}

char _license[] SEC("license") = "GPL";
