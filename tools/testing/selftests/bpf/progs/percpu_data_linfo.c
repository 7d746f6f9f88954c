// SPDX-License-Identifier: GPL-2.0
/* Lines that have no code of their own when an increment is one instruction */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

long hits SEC(".percpu");
long calls SEC(".percpu.calls");

static __noinline int called(void)
{
	calls++;
	return calls;
}

/* What follows the increment is as short as can be. */
SEC("raw_tp")
int count(void *ctx)
{
	int ret = called();

	hits =
		hits +
		1;
	return ret;
}

char _license[] SEC("license") = "GPL";
