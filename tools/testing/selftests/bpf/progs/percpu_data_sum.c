// SPDX-License-Identifier: GPL-2.0
/* Sum a per-CPU counter over all CPUs, without user space */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

const volatile int nr_cpus = 1;	/* CPUs have lower numbers than this */
long hits SEC(".percpu");
long total;

SEC("raw_tp")
int count(void *ctx)
{
	hits++;
	return 0;
}

SEC("syscall")
int sum(void *ctx)
{
	long sum = 0, *copy;
	int cpu;

	bpf_for(cpu, 0, nr_cpus) {
		copy = bpf_per_cpu_ptr(&hits, cpu);
		if (copy)	/* there is a CPU of that number */
			sum += *copy;
	}
	total = sum;
	return 0;
}

static long add_copy(__u32 cpu, long *sum)
{
	long *copy = bpf_per_cpu_ptr(&hits, cpu);

	if (copy)
		*sum += *copy;
	return 0;
}

SEC("syscall")
int sum_with_callback(void *ctx)
{
	long sum = 0;

	bpf_loop(nr_cpus, add_copy, &sum, 0);
	total = sum;
	return 0;
}

char _license[] SEC("license") = "GPL";
