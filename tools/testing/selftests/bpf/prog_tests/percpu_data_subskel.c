// SPDX-License-Identifier: GPL-2.0
/* Per-CPU data in subskeletons */

#include "percpu_data_helpers.h"
#include "percpu_data_vars.subskel.h"

void test_percpu_data_subskel(void)
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
