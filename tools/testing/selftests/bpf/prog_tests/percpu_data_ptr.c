// SPDX-License-Identifier: GPL-2.0
/* Other CPUs' copies of per-CPU variables, by bpf_per_cpu_ptr() and bpf_this_cpu_ptr() */

#include <limits.h>
#include "percpu_data_helpers.h"
#include "percpu_data_ptr.skel.h"
#include "percpu_data_sum.skel.h"

#define ID(cpu)		(1000 + (cpu))
#define NOTHING		(-1)
#define NOT_RUN		(-2)

static int nr_cpus;

/* There is a copy for each possible CPU, and this test expects CPUs without gaps. */
static bool init_cpus(void)
{
	bool *possible;

	if (!ASSERT_OK(parse_cpu_mask_file("/sys/devices/system/cpu/possible", &possible, &nr_cpus),
		       "possible"))
		return false;
	free(possible);
	return ASSERT_EQ(nr_cpus, bpf_num_possible_cpus(), "nr_cpus");
}

/* Give the copies and their elements numbers, and clear what programs write there. */
static bool number_copies(struct percpu_data_ptr *skel)
{
	struct percpu_data_ptr__percpu *copies = calloc(nr_cpus, sizeof(*copies));
	struct bpf_map *map = skel->maps.percpu;
	int cpu, i, zero = 0;
	bool ok;

	if (!ASSERT_OK_PTR(copies, "copies"))
		return false;
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		copies[cpu].data.id = ID(cpu);
		for (i = 0; i < ARRAY_SIZE(copies->data.entries); i++)
			copies[cpu].data.entries[i].id = ID(cpu) * 10 + i;
	}
	ok = ASSERT_EQ(bpf_map__value_size(map), sizeof(*copies), "value_size") &&
	     ASSERT_OK(bpf_map__update_elem(map, &zero, sizeof(zero), copies,
					    nr_cpus * sizeof(*copies), 0), "update");
	free(copies);
	return ok;
}

static bool run(struct percpu_data_ptr *skel, struct bpf_program *prog, int on)
{
	skel->bss->found = NOT_RUN;
	skel->bss->found_own = NOT_RUN;
	return ASSERT_OK(run_on_cpu(bpf_program__fd(prog), on), "run");
}

/* Run it on each CPU that is online, for each CPU's copy, that of an offline one as well. */
static void run_pairs(struct percpu_data_ptr *skel, struct bpf_program *prog,
		      bool (*check)(struct percpu_data_ptr *skel, int on, int to))
{
	int on, to;

	for (on = 0; on < nr_cpus; on++) {
		for (to = 0; runs_of(on) && to < nr_cpus; to++) {
			skel->bss->cpu = to;
			skel->bss->idx = on + to;
			if (!number_copies(skel) || !run(skel, prog, on) || !check(skel, on, to))
				return;
		}
	}
}

static bool check_member(struct percpu_data_ptr *skel, int on, int to)
{
	return ASSERT_EQ(skel->bss->found, ID(to), "id");
}

static void test_member(struct percpu_data_ptr *skel)
{
	int invalid[] = { -1, nr_cpus, 4096, INT_MAX, INT_MIN };
	int on, i;

	run_pairs(skel, skel->progs.member, check_member);

	for (i = 0; i < ARRAY_SIZE(invalid); i++) {
		skel->bss->cpu = invalid[i];
		run(skel, skel->progs.member, 0);
		ASSERT_EQ(skel->bss->found, NOTHING, "no such CPU");
	}

	for (on = 0; on < nr_cpus; on++)
		if (runs_of(on) && run(skel, skel->progs.this_member, on))
			ASSERT_EQ(skel->bss->found, ID(on), "own id");
}

/* The offset was not known before the program ran. */
static bool check_element(struct percpu_data_ptr *skel, int on, int to)
{
	struct percpu_data_ptr__percpu *copies = read_copies(bpf_map__fd(skel->maps.percpu));
	int i, cpu, nr = ARRAY_SIZE(copies->data.entries);
	bool ok = copies;

	for (cpu = 0; ok && cpu < nr_cpus; cpu++) {
		for (i = 0; ok && i < nr; i++)
			ok = ASSERT_EQ(copies[cpu].data.entries[i].count,
				       cpu == to && i == (on + to) % nr, "count");
	}
	free(copies);
	return ok && ASSERT_EQ(skel->bss->found, ID(to) * 10 + (on + to) % nr, "id");
}

static void test_element(struct percpu_data_ptr *skel)
{
	run_pairs(skel, skel->progs.element, check_element);
}

static bool check_from_copy(struct percpu_data_ptr *skel, int on, int to)
{
	return ASSERT_EQ(skel->bss->found, ID(to), "id") &&
	       ASSERT_EQ(skel->bss->found_own, ID(on), "own id");
}

/* The call takes the address of a place in any copy, its own or another one's. */
static void test_from_copy(struct percpu_data_ptr *skel)
{
	for (skel->bss->from_cpu = -1; skel->bss->from_cpu < nr_cpus; skel->bss->from_cpu++)
		run_pairs(skel, skel->progs.from_copy, check_from_copy);

	skel->bss->from_cpu = 0;
	skel->bss->cpu = nr_cpus;
	run(skel, skel->progs.from_copy, 0);
	ASSERT_EQ(skel->bss->found, NOTHING, "no such CPU");
}

static bool check_counts(struct percpu_data_ptr *skel, int on, int to, long own, long count)
{
	struct percpu_data_ptr__percpu *copies = read_copies(bpf_map__fd(skel->maps.percpu));
	bool ok = copies;
	int cpu;

	for (cpu = 0; ok && cpu < nr_cpus; cpu++)
		ok = ASSERT_EQ(copies[cpu].data.count,
			       (cpu == on ? own : 0) + (cpu == to ? count : 0), "count");
	free(copies);
	return ok;
}

static bool check_atomics(struct percpu_data_ptr *skel, int on, int to)
{
	return ASSERT_EQ(skel->bss->found, 0, "found") &&
	       check_counts(skel, on, to, 0, 0x107) &&
	       run(skel, skel->progs.atomics, on) &&
	       ASSERT_EQ(skel->bss->found, 0x107, "found");
}

static void test_atomics(struct percpu_data_ptr *skel)
{
	run_pairs(skel, skel->progs.atomics, check_atomics);
}

static bool check_calls(struct percpu_data_ptr *skel, int on, int to)
{
	return check_counts(skel, on, to, 0x100, 6);
}

static void test_calls(struct percpu_data_ptr *skel)
{
	run_pairs(skel, skel->progs.calls, check_calls);
}

static bool check_helper(struct percpu_data_ptr *skel, int on, int to)
{
	struct percpu_data_ptr__percpu *copies = read_copies(bpf_map__fd(skel->maps.percpu));
	bool ok = copies;
	int cpu;

	for (cpu = 0; ok && cpu < nr_cpus; cpu++)
		ok = ASSERT_STREQ(copies[cpu].data.text, cpu == to ? "hello" : "", "text");
	free(copies);
	return ok && ASSERT_EQ(skel->bss->found, 0, "strncmp");
}

static void test_helper(struct percpu_data_ptr *skel)
{
	run_pairs(skel, skel->progs.helper, check_helper);
}

/* The value that bpf_for_each_map_elem() gives to its callback is in a copy as well. */
static void test_for_each(struct percpu_data_ptr *skel)
{
	int cpu, zero = 0;
	long ids[nr_cpus];

	for (cpu = 0; cpu < nr_cpus; cpu++)
		ids[cpu] = ID(cpu);
	if (ASSERT_OK(bpf_map__update_elem(skel->maps.ids, &zero, sizeof(zero), ids,
					   sizeof(ids), 0), "update"))
		run_pairs(skel, skel->progs.for_each, check_member);
}

static bool check_put(struct percpu_data_ptr *skel, int on, int to)
{
	return run(skel, skel->progs.peek, on) && ASSERT_EQ(skel->bss->found, to, "mask");
}

static bool check_peek(struct percpu_data_ptr *skel, int on, int to)
{
	return ASSERT_EQ(skel->bss->found, to, "mask");
}

/* What may be in a value may be in another CPU's. */
static void test_kptr(struct percpu_data_ptr *skel)
{
	run_pairs(skel, skel->progs.put, check_put);
	run_pairs(skel, skel->progs.peek, check_peek);
}

static void run_test(const char *name, void (*test)(struct percpu_data_ptr *skel))
{
	struct percpu_data_ptr *skel;

	if (!test__start_subtest(name))
		return;
	skel = percpu_data_ptr__open_and_load();
	if (ASSERT_OK_PTR(skel, "open_and_load"))
		test(skel);
	percpu_data_ptr__destroy(skel);
}

static void test_sum(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct percpu_data_sum *skel;
	long total = 0;
	int cpu;

	skel = percpu_data_sum__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	skel->rodata->nr_cpus = nr_cpus;
	skel->percpu->hits = 1000;	/* on CPUs that are offline, too */
	if (!ASSERT_OK(percpu_data_sum__load(skel), "load"))
		goto out;

	run_unevenly(bpf_program__fd(skel->progs.count));
	for (cpu = 0; cpu < nr_cpus; cpu++)
		total += 1000 + runs_of(cpu);

	ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.sum), &opts), "sum");
	ASSERT_EQ(skel->bss->total, total, "total");

	skel->bss->total = 0;
	ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.sum_with_callback), &opts),
		  "sum_with_callback");
	ASSERT_EQ(skel->bss->total, total, "total");
out:
	percpu_data_sum__destroy(skel);
}

void test_percpu_data_ptr(void)
{
	if (!init_cpus())
		return;

	run_test("member", test_member);
	run_test("element", test_element);
	run_test("from_copy", test_from_copy);
	run_test("atomics", test_atomics);
	run_test("calls", test_calls);
	run_test("helper", test_helper);
	run_test("for_each", test_for_each);
	run_test("kptr", test_kptr);
	if (test__start_subtest("sum"))
		test_sum();
}
