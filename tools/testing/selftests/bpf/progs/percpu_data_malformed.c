// SPDX-License-Identifier: GPL-2.0
/* An object that gets damaged by prog_tests/percpu_data_malformed.c */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

int first SEC(".percpu") = 1;
int second SEC(".percpu") = 2;
int third[3] SEC(".percpu") = { 3 };

SEC("raw_tp")
int count(void *ctx)
{
	first++;
	second++;
	third[1]++;
	return 0;
}
