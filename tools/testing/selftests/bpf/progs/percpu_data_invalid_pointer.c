// SPDX-License-Identifier: GPL-2.0
/* Data is not relocated, so no variable can start as the address of another one */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

long target SEC(".percpu.target") = 42;
long before SEC(".percpu") = 1;
long *where SEC(".percpu") = &target;

SEC("raw_tp")
int count(void *ctx)
{
	before++;
	return !where;
}
