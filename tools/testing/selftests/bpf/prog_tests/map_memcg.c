// SPDX-License-Identifier: GPL-2.0
/* Memory that a map takes when it is created is charged to the cgroup of its creator */

#include <test_progs.h>
#include "bpf_util.h"
#include "cgroup_helpers.h"
#include "testing_helpers.h"

#define VALUE_SIZE	4096
#define MAX_ENTRIES	256

static void check_map(enum bpf_map_type type)
{
	const long size = (long)VALUE_SIZE * MAX_ENTRIES * bpf_num_possible_cpus();
	int cgroup_fd, fd;

	/* one of its own, in which nothing was charged before */
	cgroup_fd = cgroup_setup_and_join("/map_memcg");
	if (!ASSERT_OK_FD(cgroup_fd, "cgroup"))
		return;
	if (number_in(cgroup_fd, "memory.stat", "percpu ") < 0) {
		test__skip();	/* no memory controller */
		goto out;
	}

	fd = bpf_map_create(type, "map_memcg", sizeof(int), VALUE_SIZE, MAX_ENTRIES, NULL);
	if (!ASSERT_OK_FD(fd, "create"))
		goto out;
	/* the file may lack the last changes, up to 64 pages per CPU */
	ASSERT_GE(number_in(cgroup_fd, "memory.stat", "percpu "), size / 2, "charged");
	close(fd);
out:
	close(cgroup_fd);
	cleanup_cgroup_environment();
}

void test_map_memcg(void)
{
	if (test__start_subtest("percpu_array"))
		check_map(BPF_MAP_TYPE_PERCPU_ARRAY);
	if (test__start_subtest("percpu_hash"))
		check_map(BPF_MAP_TYPE_PERCPU_HASH);
	if (test__start_subtest("lru_percpu_hash"))
		check_map(BPF_MAP_TYPE_LRU_PERCPU_HASH);
}
