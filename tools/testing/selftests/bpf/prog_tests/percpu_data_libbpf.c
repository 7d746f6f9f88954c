// SPDX-License-Identifier: GPL-2.0
/* How libbpf turns .percpu sections into maps, and where their contents come from */

#include <sys/param.h>
#include "percpu_data_helpers.h"
#include "percpu_data_libbpf.skel.h"

static void check_map(const struct bpf_object *obj, const struct bpf_map *map,
		      const char *name, __u32 value_size)
{
	ASSERT_STREQ(bpf_map__name(map), name, "name");
	ASSERT_EQ(bpf_map__type(map), BPF_MAP_TYPE_PERCPU_ARRAY, "type");
	ASSERT_EQ(bpf_map__key_size(map), 4, "key_size");
	ASSERT_EQ(bpf_map__value_size(map), value_size, "value_size");
	ASSERT_EQ(bpf_map__max_entries(map), 1, "max_entries");
	ASSERT_EQ(bpf_map__map_flags(map), 0, "map_flags");
	ASSERT_TRUE(bpf_map__is_internal(map), "is_internal");
	ASSERT_EQ(bpf_object__find_map_by_name(obj, name), map, "find");
}

/* The kernel has the first 15 characters of the name, and a DATASEC, but no key, as BTF. */
static void check_kernel_map(const struct bpf_map *map)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (!ASSERT_OK(bpf_map_get_info_by_fd(bpf_map__fd(map), &info, &len), "info"))
		return;
	ASSERT_EQ(strlen(info.name), MIN(strlen(bpf_map__name(map)), sizeof(info.name) - 1),
		  "kernel_name_len");
	ASSERT_STRNEQ(info.name, bpf_map__name(map), strlen(info.name), "kernel_name");
	ASSERT_EQ(info.btf_key_type_id, 0, "btf_key");
	ASSERT_NEQ(info.btf_value_type_id, 0, "btf_value");
}

static void test_maps(void)
{
	struct percpu_data_libbpf *skel;

	skel = percpu_data_libbpf__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;

	check_map(skel->obj, skel->maps.percpu, ".percpu", sizeof(*skel->percpu));
	check_map(skel->obj, skel->maps.percpu_longer_than_15_chars,
		  ".percpu.longer_than_15_chars", sizeof(*skel->percpu_longer_than_15_chars));
	check_map(skel->obj, skel->maps.percpu_data, ".percpu.data", sizeof(*skel->percpu_data));
	ASSERT_EQ(bpf_map__type(skel->maps.data_percpu), BPF_MAP_TYPE_ARRAY, "plain_type");
	ASSERT_EQ(bpf_map__map_flags(skel->maps.data_percpu), BPF_F_MMAPABLE, "plain_flags");

	if (!ASSERT_OK(percpu_data_libbpf__load(skel), "load"))
		goto out;

	check_kernel_map(skel->maps.percpu);
	check_kernel_map(skel->maps.percpu_longer_than_15_chars);
	check_kernel_map(skel->maps.percpu_data);
out:
	percpu_data_libbpf__destroy(skel);
}

/* An image is what is set last, and what all possible CPUs, online or not, start with. */
static void test_initial_value(void)
{
	struct percpu_data_libbpf__percpu_longer_than_15_chars named = {};
	int cpu, nr_cpus = libbpf_num_possible_cpus();
	struct percpu_data_libbpf__percpu vars;
	struct percpu_data_libbpf *skel;
	size_t size = 0;

	skel = percpu_data_libbpf__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;

	ASSERT_EQ(bpf_map__initial_value(skel->maps.percpu, &size), skel->percpu, "image");
	ASSERT_EQ(size, sizeof(*skel->percpu), "image_size");
	ASSERT_EQ(skel->percpu->counter, 42, "initializer");
	skel->percpu->counter = 100;

	named.named.count = 1000;
	ASSERT_EQ(bpf_map__set_initial_value(skel->maps.percpu_longer_than_15_chars, &named,
					     sizeof(named) - 1), -EINVAL, "too_small");
	ASSERT_EQ(bpf_map__set_initial_value(skel->maps.percpu_longer_than_15_chars, &named,
					     sizeof(named) + 1), -EINVAL, "too_large");
	ASSERT_EQ(skel->percpu_longer_than_15_chars->named.count, -1, "unchanged");
	ASSERT_OK(bpf_map__set_initial_value(skel->maps.percpu_longer_than_15_chars, &named,
					     sizeof(named)), "set_initial_value");

	if (!ASSERT_OK(percpu_data_libbpf__load(skel), "load"))
		goto out;

	ASSERT_EQ(bpf_map__set_initial_value(skel->maps.percpu_longer_than_15_chars, &named,
					     sizeof(named)), -EBUSY, "loaded");
	ASSERT_EQ(bpf_map__initial_value(skel->maps.percpu, &size), skel->percpu, "image");
	ASSERT_TRUE(write_faults(skel->percpu), "write");
	ASSERT_TRUE(write_faults(skel->percpu_longer_than_15_chars), "write_named");
	ASSERT_FALSE(write_faults(&skel->data_percpu->plain), "write_plain");

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		bool ran;

		if (!read_cpu(skel->maps.percpu, cpu, &vars) ||
		    !read_cpu(skel->maps.percpu_longer_than_15_chars, cpu, &named))
			goto out;
		ASSERT_EQ(vars.counter, 100, "start");
		ASSERT_EQ(named.named.count, 1000, "start_named");

		ran = ran_on_cpu(bpf_program__fd(skel->progs.count), cpu);
		read_cpu(skel->maps.percpu, cpu, &vars);
		read_cpu(skel->maps.percpu_longer_than_15_chars, cpu, &named);
		ASSERT_EQ(vars.counter, 100 + ran, "counted");
		ASSERT_EQ(named.named.count, 1000 + ran, "counted_named");
	}

	ASSERT_EQ(skel->percpu->counter, 100, "image_stays");
	ASSERT_EQ(skel->percpu_longer_than_15_chars->named.count, 1000, "named_image_stays");
out:
	percpu_data_libbpf__destroy(skel);
}

/* A trailing array grows, in the image, in each copy, and in BTF. */
static void test_resize(void)
{
	const __u32 len = 200, size = sizeof(int) * (1 + len);
	int cpu, i, *image, copy[1 + len], nr_cpus = libbpf_num_possible_cpus();
	const struct btf_var_secinfo *last;
	struct percpu_data_libbpf *skel;
	const struct btf_type *t;
	const struct btf *btf;
	struct bpf_map *map;
	size_t image_size;

	skel = percpu_data_libbpf__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	map = skel->maps.percpu_array;

	if (!ASSERT_OK(bpf_map__set_value_size(map, size), "set_value_size"))
		goto out;
	image = bpf_map__initial_value(map, &image_size);
	if (!ASSERT_OK_PTR(image, "image") || !ASSERT_EQ(image_size, size, "image_size"))
		goto out;
	skel->percpu_array = (void *)image;
	ASSERT_EQ(skel->percpu_array->array[0], 5, "content");
	for (i = 0; i < len; i++)
		skel->percpu_array->array[i] = i;
	bpf_program__set_autoload(skel->progs.sum_up, true);

	btf = bpf_object__btf(skel->obj);
	t = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
	if (!ASSERT_TRUE(btf_is_datasec(t), "datasec"))
		goto out;
	last = btf_var_secinfos(t) + btf_vlen(t) - 1;
	ASSERT_EQ(t->size, size, "datasec_size");
	ASSERT_EQ(last->size, len * sizeof(int), "array_size");

	/* no array at the end: the value grows, BTF cannot */
	ASSERT_OK(bpf_map__set_value_size(skel->maps.percpu_no_array, 64), "no_array");
	ASSERT_EQ(bpf_map__btf_value_type_id(skel->maps.percpu_no_array), 0, "no_array_btf");

	if (!ASSERT_OK(percpu_data_libbpf__load(skel), "load"))
		goto out;

	ASSERT_EQ(bpf_map__set_value_size(map, size + 4), -EBUSY, "loaded");
	ASSERT_EQ(skel->percpu_array, (void *)image, "skel_pointer");
	ASSERT_TRUE(write_faults(&skel->percpu_array->array[len - 1]), "write");
	check_kernel_map(map);

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		bool ran = ran_on_cpu(bpf_program__fd(skel->progs.sum_up), cpu);

		if (!read_cpu(map, cpu, copy))
			break;
		ASSERT_EQ(copy[0], ran ? len * (len - 1) / 2 : -1, "sum");
		ASSERT_MEMEQ(copy + 1, image + 1, len * sizeof(int), "array");
	}
out:
	percpu_data_libbpf__destroy(skel);
}

static void test_too_large(void)
{
	struct percpu_data_libbpf *skel;
	char msg[128];
	char *log;

	/* a value can be just as large as the limit */
	skel = percpu_data_libbpf__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	ASSERT_OK(bpf_map__set_value_size(skel->maps.percpu_array, MAX_VALUE_SIZE),
		  "set_value_size");
	ASSERT_OK(percpu_data_libbpf__load(skel), "load");
	percpu_data_libbpf__destroy(skel);

	skel = percpu_data_libbpf__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	ASSERT_OK(bpf_map__set_value_size(skel->maps.percpu_array, MAX_VALUE_SIZE + 4),
		  "set_value_size");
	log = load_err_log(skel->obj, -E2BIG);
	snprintf(msg, sizeof(msg), "map '.percpu.array': section of %d bytes is too large",
		 MAX_VALUE_SIZE + 4);
	ASSERT_HAS_SUBSTR(log, msg, "section");
	snprintf(msg, sizeof(msg), "limit for per-CPU data is %d KiB per CPU",
		 MAX_VALUE_SIZE / 1024);
	ASSERT_HAS_SUBSTR(log, msg, "limit");
	free(log);
	percpu_data_libbpf__destroy(skel);
}

void test_percpu_data_libbpf(void)
{
	if (test__start_subtest("maps"))
		test_maps();
	if (test__start_subtest("initial_value"))
		test_initial_value();
	if (test__start_subtest("resize"))
		test_resize();
	if (test__start_subtest("too_large"))
		test_too_large();
}
