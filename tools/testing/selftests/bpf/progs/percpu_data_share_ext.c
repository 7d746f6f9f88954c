// SPDX-License-Identifier: GPL-2.0
/* An extension that shares per-CPU data with the program that it extends */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	long count;
	long caller;
	long callee;
	long target;
	long extension;
} shared SEC(".percpu");

SEC("freplace/replaced")
int replacement(int by)
{
	shared.extension += shared.target + by;
	return 0;
}
