/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <bpf/btf.h>
#include "percpu_data_helpers.h"

/* Run a program on a CPU; false if it is possible, but not online. */
static inline bool ran_on_cpu(int prog_fd, int cpu)
{
	int err = run_on_cpu(prog_fd, cpu);

	if (err == -ENXIO)
		return false;
	ASSERT_OK(err, "test_run");
	return true;
}

/* Read one CPU's copy of a section. */
static inline bool read_cpu(const struct bpf_map *map, int cpu, void *copy)
{
	__u64 flags = (__u64)cpu << 32 | BPF_F_CPU;
	int zero = 0;

	return ASSERT_OK(bpf_map__lookup_elem(map, &zero, sizeof(zero), copy,
					      bpf_map__value_size(map), flags), "lookup");
}

/* Load an object that is expected to fail, and return what libbpf says about it. */
static inline char *load_err_log(struct bpf_object *obj, int exp_err)
{
	int err;

	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		return NULL;
	err = bpf_object__load(obj);
	ASSERT_EQ(err, exp_err, "load");
	return stop_libbpf_log_capture();
}
