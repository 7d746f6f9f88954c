// SPDX-License-Identifier: GPL-2.0
/* Has sections of the size of that in percpu_data_share.c, with something else in them */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

long caller SEC(".percpu") = 1;
long callee SEC(".percpu") = 2;
long target SEC(".percpu") = 3;
long extension SEC(".percpu") = 4;
long count SEC(".percpu") = 5;

long shared[5] SEC(".data.share") = { 1 };

SEC("raw_tp")
int count_all(void *ctx)
{
	caller++;
	callee++;
	target++;
	extension++;
	count++;
	shared[0]++;
	return 0;
}
