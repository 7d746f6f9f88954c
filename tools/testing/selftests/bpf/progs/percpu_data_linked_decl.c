// SPDX-License-Identifier: GPL-2.0
/* Linked between two others: tells the section of a variable that the first one declares without */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

extern int undecided SEC(".percpu");

SEC("raw_tp")
int count_decl(void *ctx)
{
	undecided++;
	return 0;
}
