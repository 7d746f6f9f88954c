// SPDX-License-Identifier: GPL-2.0
/* First of two objects that are linked: declares what the second one defines */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

/* makes the second object's part of the section start at an odd place, but for alignment */
char odd SEC(".percpu") = 1;
static int same_name SEC(".percpu") = 10;
int data_first SEC(".data.linked") = 11;

extern int declared SEC(".percpu");
extern int undecided;
extern int data_declared SEC(".data.linked");
int named_first SEC(".percpu.linked") = 12;
extern int named_declared SEC(".percpu.linked");
__weak int weak SEC(".percpu") = 1000;

int seen_same_name1 SEC(".percpu") = -1;

SEC("raw_tp")
int count1(void *ctx)
{
	odd++;
	same_name++;
	seen_same_name1 = same_name;
	data_first++;
	declared++;
	undecided++;
	data_declared++;
	named_first++;
	named_declared++;
	weak++;
	return 0;
}
