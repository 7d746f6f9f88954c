// SPDX-License-Identifier: GPL-2.0
/*
 * Per-CPU activity, counted in global per-CPU data: each program touches only
 * the copy of the CPU it runs on.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define HIST_SLOTS	24	/* 2^23 us are 8 seconds */
#define SOFTIRQS	16	/* not less than NR_SOFTIRQS, and a mask keeps within it */

struct {
	__u64 switches;
	__u64 syscalls;
	__u64 softirqs[SOFTIRQS];
	__u64 softirq_ns;
	__u64 busy_ns;
	__u64 longest_ns;
	char longest_comm[16];
} stats SEC(".percpu");

/* any run is shorter */
__u64 shortest_ns SEC(".percpu") = ~0ULL;

/* scratch: what the CPU does now, and since when */
struct {
	__u64 since;
	__u64 softirq_since;
	__u32 pid;
} now SEC(".percpu");

/* a map of its own, so that reading the above every second doesn't read it */
__u64 hist[HIST_SLOTS] SEC(".percpu.hist");

static int hist_slot(__u64 ns)
{
	__u64 us = ns / 1000;
	int slot;

	for (slot = 0; slot < HIST_SLOTS - 1 && us > 1; slot++)
		us >>= 1;
	return slot;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u64 time = bpf_ktime_get_ns(), since = now.since, ran = time - since;

	stats.switches++;
	now.since = time;
	now.pid = next->pid;

	/* no start is known of the first run, and the idle task doesn't count */
	if (!since || !prev->pid)
		return 0;

	stats.busy_ns += ran;
	hist[hist_slot(ran)]++;
	if (ran < shortest_ns)
		shortest_ns = ran;
	if (ran > stats.longest_ns) {
		stats.longest_ns = ran;
		bpf_probe_read_kernel_str(stats.longest_comm, sizeof(stats.longest_comm),
					  prev->comm);
	}
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter)
{
	stats.syscalls++;
	return 0;
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(on_softirq_entry, unsigned int vec)
{
	stats.softirqs[vec % SOFTIRQS]++;
	now.softirq_since = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(on_softirq_exit)
{
	/* don't count the one that was running when we got attached */
	if (now.softirq_since)
		stats.softirq_ns += bpf_ktime_get_ns() - now.softirq_since;
	return 0;
}

char _license[] SEC("license") = "GPL";
