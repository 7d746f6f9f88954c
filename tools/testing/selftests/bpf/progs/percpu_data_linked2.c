// SPDX-License-Identifier: GPL-2.0
/* Second of two objects that are linked: defines what the first one declares */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

int data_second SEC(".data.linked") = 21;
int data_declared SEC(".data.linked") = 22;
int named_second SEC(".percpu.linked") = 27;
int named_declared SEC(".percpu.linked") = 28;

__u64 aligned SEC(".percpu") = 23;
static int same_name SEC(".percpu") = 20;
int declared SEC(".percpu") = 24;
int undecided SEC(".percpu") = 25;
int weak SEC(".percpu") = 26;

int seen_same_name2 SEC(".percpu") = -1;

SEC("raw_tp")
int count2(void *ctx)
{
	aligned++;
	same_name++;
	seen_same_name2 = same_name;
	declared++;
	undecided++;
	data_second++;
	data_declared++;
	named_second++;
	named_declared++;
	weak++;
	return 0;
}
