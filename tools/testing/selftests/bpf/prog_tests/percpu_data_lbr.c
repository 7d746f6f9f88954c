// SPDX-License-Identifier: GPL-2.0
/* The last branch records of a CPU in per-CPU data, or why it has none */

#define _GNU_SOURCE
#include <sched.h>
#include <linux/perf_event.h>
#include "percpu_data_helpers.h"
#include "percpu_data_lbr.skel.h"

struct context {
	struct percpu_data_lbr__percpu_event event;
	int cnt;
};

static int save_event(void *ctx, void *data, size_t size)
{
	struct context *c = ctx;

	if (ASSERT_EQ(size, sizeof(c->event), "event size"))
		memcpy(&c->event, data, size);
	c->cnt++;
	return 0;
}

/* Only the CPU that ran the program has a size. */
static void check_sizes(struct percpu_data_lbr *skel, int this_cpu, long size)
{
	int cpu, fd = bpf_map__fd(skel->maps.percpu);
	void *copies = read_copies(fd);

	for (cpu = 0; copies && cpu < bpf_num_possible_cpus(); cpu++) {
		const struct percpu_data_lbr__percpu *p = copy_of(fd, copies, cpu);

		ASSERT_EQ(p->lbrs_size, cpu == this_cpu ? size : -1, "lbrs_size");
	}
	free(copies);
}

/* others run bpf_fentry_test1(), too */
void serial_test_percpu_data_lbr(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct ring_buffer *events = NULL;
	struct percpu_data_lbr *skel;
	struct context ctx = {};
	cpu_set_t old_cpus, cpus;
	int i, this_cpu;
	long size;

	skel = percpu_data_lbr__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;

	ASSERT_EQ(bpf_map__value_size(skel->maps.percpu_lbrs),
		  32 * sizeof(skel->percpu_lbrs->lbrs[0]), "value_size");

	/* both programs have to run on the same CPU */
	this_cpu = sched_getcpu();
	CPU_ZERO(&cpus);
	CPU_SET(this_cpu, &cpus);
	ASSERT_OK(sched_getaffinity(0, sizeof(old_cpus), &old_cpus), "getaffinity");
	if (!ASSERT_OK(sched_setaffinity(0, sizeof(cpus), &cpus), "setaffinity"))
		goto out;

	events = ring_buffer__new(bpf_map__fd(skel->maps.events), save_event, &ctx, NULL);
	if (!ASSERT_OK_PTR(events, "ring_buffer") ||
	    !ASSERT_OK(percpu_data_lbr__attach(skel), "attach"))
		goto out;

	/* calls bpf_fentry_test1(), then bpf_fentry_test2() */
	ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.take_lbrs), &opts), "run");
	ASSERT_OK(ring_buffer__consume(events) < 0, "consume");
	if (!ASSERT_EQ(ctx.cnt, 1, "events"))
		goto out;

	size = ctx.event.event.size;
	check_sizes(skel, this_cpu, size);
	if (size < 0)
		ASSERT_EQ(size, -ENOENT, "no records");
	for (i = 0; i < size / (long)sizeof(skel->percpu_lbrs->lbrs[0]); i++)
		ASSERT_NEQ(ctx.event.event.lbrs[i].from, 0, "record");
out:
	sched_setaffinity(0, sizeof(old_cpus), &old_cpus);
	ring_buffer__free(events);
	percpu_data_lbr__destroy(skel);
}
