// SPDX-License-Identifier: GPL-2.0
/* Per-CPU variables of all kinds, also shown in Documentation/bpf/percpu_data.rst */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

long hits SEC(".percpu");
int step SEC(".percpu") = 3;		/* on every CPU */

struct {
	__u32 cpu;
	__u64 sum;
} last SEC(".percpu") = {
	.cpu = -1,
};

__u64 table[4] SEC(".percpu.a_name_longer_than_15") = { 1, 2, 3, 4 };

/* not in the skeleton */
static long calls SEC(".percpu");
int nested SEC(".percpu.data") = 6;
/* not per CPU */
int shared SEC(".data.percpu") = 5;

SEC("raw_tp/sys_enter")
int count(void *ctx)
{
	hits += step;
	last.cpu = bpf_get_smp_processor_id();
	last.sum += table[3];
	table[0]++;
	calls++;
	nested++;
	__sync_fetch_and_add(&shared, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
