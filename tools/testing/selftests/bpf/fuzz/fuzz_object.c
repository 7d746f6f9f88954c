// SPDX-License-Identifier: GPL-2.0
/* Open, set up, load and use an object that may be damaged */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include "fuzz.h"

#define OPT_GROW	1
#define OPT_MMAPABLE	2
#define OPT_WRITE	4
#define OPT_SET		8
#define OPT_NO_LOAD	16

/* User space finds variables of per-CPU data by BTF: they lie inside, whatever the file says. */
static void check_vars(const struct bpf_object *obj, const struct bpf_map *map)
{
	__u32 i, type_id = bpf_map__btf_value_type_id(map), size = bpf_map__value_size(map);
	const struct btf_var_secinfo *var;
	const struct btf_type *sec;

	if (!bpf_map__is_internal(map) || bpf_map__type(map) != BPF_MAP_TYPE_PERCPU_ARRAY ||
	    !type_id)
		return;
	sec = btf__type_by_id(bpf_object__btf(obj), type_id);
	var = btf_var_secinfos(sec);
	for (i = 0; i < btf_vlen(sec); i++, var++) {
		if ((__u64)var->offset + var->size > size) {
			fprintf(stderr, "map '%s': variable at %u is outside of %u bytes\n",
				bpf_map__name(map), var->offset, size);
			abort();
		}
	}
}

static void set_up(struct bpf_map *map, const __u8 *data)
{
	size_t size;
	void *value, *copy;

	if (data[FUZZ_OPTS] & OPT_GROW)
		bpf_map__set_value_size(map, bpf_map__value_size(map) + data[FUZZ_GROW] - 64);
	if (data[FUZZ_OPTS] & OPT_MMAPABLE)
		bpf_map__set_map_flags(map, bpf_map__map_flags(map) | BPF_F_MMAPABLE);

	value = bpf_map__initial_value(map, &size);
	if (!value || size > 1 << 20)
		return;
	copy = malloc(size);
	if (!copy)
		return;
	memcpy(copy, value, size);
	if (data[FUZZ_OPTS] & OPT_WRITE)
		memset(value, 0xff, size);
	if (data[FUZZ_OPTS] & OPT_SET)
		bpf_map__set_initial_value(map, copy, size);
	free(copy);
}

static void use(struct bpf_map *map)
{
	size_t size = bpf_map__value_size(map);
	void *value, *all;
	int nr_cpus;

	if (bpf_map__type(map) != BPF_MAP_TYPE_PERCPU_ARRAY || size > 1 << 20)
		return;
	nr_cpus = libbpf_num_possible_cpus();
	value = malloc(size);
	all = malloc(nr_cpus * size);
	if (value && all) {
		if (!bpf_map__read_percpu(map, 0, value, size))
			bpf_map__write_percpu(map, 0, value, size);
		bpf_map__read_all_percpu(map, all, size, nr_cpus);
		bpf_map__percpu_ptr(map, nr_cpus - 1);
	}
	free(value);
	free(all);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "fuzz");
	struct bpf_object *obj;
	struct bpf_map *map;
	int err;

	if (size < EI_NIDENT)
		return -1;
	fuzz_start(data);
	obj = bpf_object__open_mem(data, size, &opts);
	if (obj) {
		bpf_object__for_each_map(map, obj) {
			check_vars(obj, map);
			set_up(map, data);
		}
		if (data[FUZZ_OPTS] & OPT_NO_LOAD)
			err = bpf_object__prepare(obj);
		else
			err = bpf_object__load(obj);
		if (!err) {
			bpf_object__for_each_map(map, obj)
				use(map);
		}
		bpf_object__close(obj);
	}
	fuzz_end();
	return 0;
}
