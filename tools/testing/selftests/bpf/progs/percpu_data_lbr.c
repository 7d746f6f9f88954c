// SPDX-License-Identifier: GPL-2.0
/* Last branch records of a function, also shown in Documentation/bpf/percpu_data.rst */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "../test_kmods/bpf_testmod_kfunc.h"

#define MAX_LBRS	32

struct perf_branch_entry lbrs[MAX_LBRS] SEC(".percpu.lbrs");
long lbrs_size SEC(".percpu") = -1;

SEC("fexit/bpf_fentry_test1")
int BPF_PROG(take_lbrs, int a, int ret)
{
	/* first of all, since every branch replaces a record */
	lbrs_size = bpf_get_branch_snapshot(lbrs, sizeof(lbrs), 0);
	return 0;
}

/* larger than the stack */
struct {
	long size;
	struct perf_branch_entry lbrs[MAX_LBRS];
} event SEC(".percpu.event");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("fexit/bpf_fentry_test2")
int BPF_PROG(report_lbrs, int a, __u64 b, int ret)
{
	event.size = lbrs_size;
	bpf_probe_read_kernel(event.lbrs, sizeof(event.lbrs), lbrs);
	bpf_ringbuf_output(&events, &event, sizeof(event), 0);
	return 0;
}

char _license[] SEC("license") = "GPL";

/* Instead of take_lbrs(), where the CPU has none: bpf_testmod's */
SEC("fexit/bpf_fentry_test1")
int BPF_PROG(take_module_lbrs, int a, int ret)
{
	lbrs_size = bpf_kfunc_branch_records(lbrs, sizeof(lbrs));
	return 0;
}
