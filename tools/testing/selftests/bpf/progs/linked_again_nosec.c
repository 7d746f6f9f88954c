// SPDX-License-Identifier: GPL-2.0
/* Declares what linked_again_def.c defines, without the section */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

extern long shared;

SEC("raw_tp")
int count_nosec(void *ctx)
{
	shared++;
	return 0;
}
