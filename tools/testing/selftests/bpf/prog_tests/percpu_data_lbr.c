// SPDX-License-Identifier: GPL-2.0
/*
 * The last branch records of a CPU in per-CPU data. bpf_testmod writes such
 * records on every machine. The hardware's are there only if it has them, and
 * the CPUs of virtual machines mostly have none: then all that is tested of
 * bpf_get_branch_snapshot() is that it says so.
 */

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

/* User space sees the same records as the program, and none of another CPU. */
static void check_copies(struct percpu_data_lbr *skel, int this_cpu, const void *lbrs)
{
	static const struct perf_branch_entry none[32];
	int cpu, fd = bpf_map__fd(skel->maps.percpu_lbrs);
	void *copies = read_copies(fd);

	for (cpu = 0; copies && cpu < bpf_num_possible_cpus(); cpu++)
		ASSERT_MEMEQ(copy_of(fd, copies, cpu), cpu == this_cpu ? lbrs : none,
			     sizeof(none), "records");
	free(copies);
}

static void check_module_records(const struct percpu_data_lbr__percpu_event *event)
{
	if (!ASSERT_EQ(event->event.size, sizeof(event->event.lbrs), "size"))
		return;
	for (int i = 0; i < ARRAY_SIZE(event->event.lbrs); i++) {
		ASSERT_EQ(event->event.lbrs[i].from, 0x1000 + i, "from");
		ASSERT_EQ(event->event.lbrs[i].to, 0x2000 + i, "to");
		ASSERT_EQ((__u64)event->event.lbrs[i].mispred, i & 1, "mispred");
		ASSERT_EQ((__u64)event->event.lbrs[i].cycles, i, "cycles");
	}
}

static void check_cpu_records(const struct percpu_data_lbr__percpu_event *event)
{
	long size = event->event.size;

	if (size < 0) {
		ASSERT_EQ(size, -ENOENT, "no records");
		printf("this CPU has no branch records\n");
	}
	for (int i = 0; i < size / (long)sizeof(event->event.lbrs[0]); i++)
		ASSERT_NEQ(event->event.lbrs[i].from, 0, "record");
}

static void test_lbrs(bool module)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct ring_buffer *events = NULL;
	struct percpu_data_lbr *skel;
	struct context ctx = {};
	cpu_set_t old_cpus, cpus;
	int this_cpu;

	skel = percpu_data_lbr__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	bpf_program__set_autoload(module ? skel->progs.take_lbrs : skel->progs.take_module_lbrs,
				  false);

	/* both programs have to run on the same CPU */
	this_cpu = sched_getcpu();
	CPU_ZERO(&cpus);
	CPU_SET(this_cpu, &cpus);
	ASSERT_OK(sched_getaffinity(0, sizeof(old_cpus), &old_cpus), "getaffinity");
	if (!ASSERT_OK(sched_setaffinity(0, sizeof(cpus), &cpus), "setaffinity") ||
	    !ASSERT_OK(percpu_data_lbr__load(skel), "load"))
		goto out;

	ASSERT_EQ(bpf_map__value_size(skel->maps.percpu_lbrs),
		  32 * sizeof(skel->percpu_lbrs->lbrs[0]), "value_size");

	events = ring_buffer__new(bpf_map__fd(skel->maps.events), save_event, &ctx, NULL);
	if (!ASSERT_OK_PTR(events, "ring_buffer") ||
	    !ASSERT_OK(percpu_data_lbr__attach(skel), "attach"))
		goto out;

	/* calls bpf_fentry_test1(), then bpf_fentry_test2() */
	ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.report_lbrs), &opts), "run");
	ASSERT_OK(ring_buffer__consume(events) < 0, "consume");
	if (!ASSERT_EQ(ctx.cnt, 1, "events"))
		goto out;

	check_sizes(skel, this_cpu, ctx.event.event.size);
	check_copies(skel, this_cpu, ctx.event.event.lbrs);
	if (module)
		check_module_records(&ctx.event);
	else
		check_cpu_records(&ctx.event);
out:
	sched_setaffinity(0, sizeof(old_cpus), &old_cpus);
	ring_buffer__free(events);
	percpu_data_lbr__destroy(skel);
}

/* others run bpf_fentry_test1(), too */
void serial_test_percpu_data_lbr(void)
{
	if (test__start_subtest("module"))
		test_lbrs(true);
	if (test__start_subtest("cpu"))
		test_lbrs(false);
}
