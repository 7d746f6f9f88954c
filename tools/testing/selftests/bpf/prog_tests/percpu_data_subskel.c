// SPDX-License-Identifier: GPL-2.0
/* Per-CPU data in subskeletons */

#include "percpu_data_helpers.h"
#include "percpu_data_vars.subskel.h"

static void test_open(void)
{
	struct percpu_data_vars *sub = NULL;
	struct bpf_object *obj;
	void *copies;
	int fd, cpu;

	obj = bpf_object__open_file("percpu_data_vars.bpf.o", NULL);
	if (!ASSERT_OK_PTR(obj, "open object"))
		return;

	sub = percpu_data_vars__open(obj);
	if (!ASSERT_OK_PTR(sub, "open"))
		goto out;

	ASSERT_EQ(*sub->percpu.step, 3, "step");
	ASSERT_EQ((*sub->percpu_a_name_longer_than_15.table)[3], 4, "table[3]");
	ASSERT_EQ(*sub->percpu_data.nested, 6, "nested");

	*sub->percpu.step = 5;
	(*sub->percpu_a_name_longer_than_15.table)[3] = 9;

	if (!ASSERT_OK(bpf_object__load(obj), "load"))
		goto out;

	run_unevenly(bpf_program__fd(sub->progs.count));

	/* the pointers lead to the initial values, and the map to the copies */
	ASSERT_EQ(*sub->percpu.step, 5, "step after load");
	ASSERT_EQ(*sub->percpu.hits, 0, "hits after load");
	ASSERT_EQ((*sub->percpu_a_name_longer_than_15.table)[3], 9, "table[3] after load");

	fd = bpf_map__fd(sub->maps.percpu);
	copies = read_copies(fd);
	for (cpu = 0; copies && cpu < bpf_num_possible_cpus(); cpu++) {
		/* a subskeleton has pointers, so find the offsets with them */
		void *copy = copy_of(fd, copies, cpu), *image;
		size_t size;

		image = bpf_map__initial_value(sub->maps.percpu, &size);
		ASSERT_EQ(*(long *)(copy + ((void *)sub->percpu.hits - image)), 5 * runs_of(cpu),
			  "hits of CPU");
		ASSERT_EQ(*(int *)(copy + ((void *)sub->percpu.step - image)), 5, "step of CPU");
	}
	free(copies);
out:
	percpu_data_vars__destroy(sub);
	bpf_object__close(obj);
}

#define LINKED_OBJ "percpu_data_subskel_linked.bpf.o"

/* Make a library of an object: in another that it's linked into, its variables are elsewhere. */
static struct bpf_object *open_linked(void)
{
	struct bpf_linker *linker = bpf_linker__new(LINKED_OBJ, NULL);
	struct bpf_object *obj = NULL;

	if (!ASSERT_OK_PTR(linker, "linker"))
		return NULL;
	if (ASSERT_OK(bpf_linker__add_file(linker, "percpu_data_layout.bpf.o", NULL), "add") &&
	    ASSERT_OK(bpf_linker__add_file(linker, "percpu_data_vars.bpf.o", NULL), "add") &&
	    ASSERT_OK(bpf_linker__finalize(linker), "finalize")) {
		obj = bpf_object__open_file(LINKED_OBJ, NULL);
		ASSERT_OK_PTR(obj, "open object");
	}
	bpf_linker__free(linker);
	unlink(LINKED_OBJ);
	return obj;
}

static void check_copy(struct percpu_data_vars *sub, int cpu, long exp_hits)
{
	typeof(*sub->percpu.last) last;
	long hits = -1;
	/* what is of no interest has no pointer */
	struct percpu_data_vars__percpu copy = { .hits = &hits, .last = &last };

	ASSERT_OK(percpu_data_vars__read_percpu(sub, cpu, &copy), "read");
	ASSERT_EQ(hits, exp_hits, "hits");
	ASSERT_EQ(last.cpu, runs_of(cpu) ? cpu : -1, "last.cpu");
	ASSERT_NULL(copy.step, "step left out");
}

static void test_copies(bool mapped)
{
	int cpu, nr = bpf_num_possible_cpus(), steps[nr], step;
	struct percpu_data_vars__percpu copies[nr], copy, *ptr;
	struct percpu_data_vars *sub = NULL;
	struct bpf_object *obj;
	long hits[nr], first;
	size_t size;

	obj = open_linked();
	if (!obj)
		return;
	sub = percpu_data_vars__open(obj);
	if (!ASSERT_OK_PTR(sub, "open"))
		goto out;
	if (mapped)
		ASSERT_OK(bpf_map__set_map_flags(sub->maps.percpu, BPF_F_MMAPABLE), "set_flags");
	if (!ASSERT_OK(bpf_object__load(obj), "load"))
		goto out;

	run_unevenly(bpf_program__fd(sub->progs.count));
	for (cpu = 0; cpu < nr; cpu++)
		check_copy(sub, cpu, 3 * runs_of(cpu));

	for (cpu = 0; cpu < nr; cpu++)
		copies[cpu] = (struct percpu_data_vars__percpu){
			.hits = &hits[cpu],
			.step = &steps[cpu],
		};
	ASSERT_EQ(percpu_data_vars__read_all_percpu(sub, copies, nr - 1), -EINVAL, "read too many");
	ASSERT_OK(percpu_data_vars__read_all_percpu(sub, copies, nr), "read_all");
	for (cpu = 0; cpu < nr; cpu++) {
		ASSERT_EQ(hits[cpu], 3 * runs_of(cpu), "hits of all");
		ASSERT_EQ(steps[cpu], 3, "steps of all");
	}

	/* what isn't written stays as it is, the other object's variables included */
	for (cpu = 0; cpu < nr; cpu++) {
		step = 10 + cpu;
		copy = (struct percpu_data_vars__percpu){ .step = &step };
		ASSERT_OK(percpu_data_vars__write_percpu(sub, cpu, &copy), "write");
	}
	run_unevenly(bpf_program__fd(sub->progs.count));
	for (cpu = 0; cpu < nr; cpu++) {
		check_copy(sub, cpu, (3 + 10 + cpu) * runs_of(cpu));

		ptr = percpu_data_vars__percpu_ptr(sub, cpu);
		ASSERT_EQ(!!ptr, mapped, "percpu_ptr");
		if (ptr)
			ASSERT_EQ(*ptr->hits, (3 + 10 + cpu) * runs_of(cpu), "mapped hits");

		/* it is at the start of the section */
		char value[bpf_map__value_size(sub->maps.percpu)];

		ASSERT_OK(bpf_map__read_percpu(sub->maps.percpu, cpu, value, sizeof(value)),
			  "read section");
		memcpy(&first, value, sizeof(first));
		ASSERT_EQ(first, 1, "first");
	}
	ASSERT_NEQ((void *)sub->percpu.hits, bpf_map__initial_value(sub->maps.percpu, &size),
		   "moved by linking");
out:
	percpu_data_vars__destroy(sub);
	bpf_object__close(obj);
}

/* A resized map has its initial image elsewhere: no stale pointer must be believed. */
static void test_resized(void)
{
	struct percpu_data_vars *sub = NULL;
	struct bpf_object *obj;
	int nested = 0;
	struct percpu_data_vars__percpu_data copy = { .nested = &nested };

	obj = bpf_object__open_file("percpu_data_vars.bpf.o", NULL);
	if (!ASSERT_OK_PTR(obj, "open object"))
		return;
	sub = percpu_data_vars__open(obj);
	if (!ASSERT_OK_PTR(sub, "open"))
		goto out;
	sub->percpu_data.nested = (void *)sub->percpu_data.nested + getpagesize();
	if (!ASSERT_OK(bpf_object__load(obj), "load"))
		goto out;
	ASSERT_EQ(percpu_data_vars__read_percpu_data(sub, 0, &copy), -EINVAL, "read");
	ASSERT_EQ(percpu_data_vars__write_percpu_data(sub, 0, &copy), -EINVAL, "write");
	ASSERT_EQ(nested, 0, "nested");
out:
	percpu_data_vars__destroy(sub);
	bpf_object__close(obj);
}

void test_percpu_data_subskel(void)
{
	if (test__start_subtest("open"))
		test_open();
	if (test__start_subtest("copies"))
		test_copies(false);
	if (test__start_subtest("mapped"))
		test_copies(true);
	if (test__start_subtest("resized"))
		test_resized();
}
