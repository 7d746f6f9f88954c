// SPDX-License-Identifier: GPL-2.0
/* Compiled without BTF: nothing but the sections' sizes is known */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int hits SEC(".percpu") = 4;
int shared = 5;

SEC("raw_tp/sys_enter")
int count(void *ctx)
{
	hits++;
	__sync_fetch_and_add(&shared, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
