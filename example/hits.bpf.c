// SPDX-License-Identifier: GPL-2.0
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

long hits SEC(".percpu"); /* one copy per CPU */

SEC("raw_tp/sys_enter")
int count(void *ctx)
{
	hits++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
