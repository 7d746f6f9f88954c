// SPDX-License-Identifier: GPL-2.0
/* What Documentation/bpf/percpu_data.rst tells users to write */

#include "percpu_data_helpers.h"
#include "percpu_data_vars.skel.h"

/* One CPU's copy */
static long hits_of(const struct percpu_data_vars *skel, int cpu)
{
	struct percpu_data_vars__percpu copy;

	if (percpu_data_vars__read_percpu(skel, cpu, &copy))
		return -1;
	return copy.hits;
}

/* The copies of all CPUs */
static long sum_hits(const struct percpu_data_vars *skel)
{
	int cpu, nr_cpus = libbpf_num_possible_cpus();
	struct percpu_data_vars__percpu *copies;
	long sum = -1;

	copies = calloc(nr_cpus, sizeof(*copies));
	if (copies && !percpu_data_vars__read_all_percpu(skel, copies, nr_cpus))
		for (sum = 0, cpu = 0; cpu < nr_cpus; cpu++)
			sum += copies[cpu].hits;
	free(copies);
	return sum;
}

/* Make every CPU start again */
static int reset(const struct percpu_data_vars *skel)
{
	int cpu, err, nr_cpus = libbpf_num_possible_cpus();

	for (cpu = 0; nr_cpus; cpu++) {
		err = percpu_data_vars__write_percpu(skel, cpu, skel->percpu);
		if (err == -ERANGE)	/* there is no CPU of that number */
			continue;
		if (err)
			return err;
		nr_cpus--;
	}
	return 0;
}

/* Mapped copies, which are read and written like any other memory */
static long sum_mapped_hits(const struct percpu_data_vars *skel)
{
	int cpu, nr_cpus = libbpf_num_possible_cpus();
	const struct percpu_data_vars__percpu *copy;
	long sum = 0;

	for (cpu = 0; nr_cpus; cpu++) {
		copy = percpu_data_vars__percpu_ptr(skel, cpu);
		if (!copy && errno == ERANGE)
			continue;
		if (!copy)
			return -1;
		sum += copy->hits;
		nr_cpus--;
	}
	return sum;
}

void test_percpu_data_user(void)
{
	int cpu, nr_cpus = libbpf_num_possible_cpus();
	struct percpu_data_vars *skel;
	long sum = 0;

	skel = percpu_data_vars__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	skel->percpu->hits = 1000;
	ASSERT_OK(bpf_map__set_map_flags(skel->maps.percpu, BPF_F_MMAPABLE), "set_map_flags");
	if (!ASSERT_OK(percpu_data_vars__load(skel), "load"))
		goto out;

	run_unevenly(bpf_program__fd(skel->progs.count));
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		ASSERT_EQ(hits_of(skel, cpu), 1000 + 3 * runs_of(cpu), "hits_of");
		sum += 1000 + 3 * runs_of(cpu);
	}
	ASSERT_EQ(sum_hits(skel), sum, "sum_hits");
	ASSERT_EQ(sum_mapped_hits(skel), sum, "sum_mapped_hits");

	ASSERT_OK(reset(skel), "reset");
	ASSERT_EQ(sum_hits(skel), 1000L * nr_cpus, "sum_hits after reset");
	ASSERT_EQ(sum_mapped_hits(skel), 1000L * nr_cpus, "sum_mapped_hits after reset");
out:
	percpu_data_vars__destroy(skel);
}
