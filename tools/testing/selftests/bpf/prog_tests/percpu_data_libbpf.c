// SPDX-License-Identifier: GPL-2.0
/* How libbpf turns .percpu sections into maps, and where their contents come from */

#include <sys/param.h>
#include "percpu_data_helpers.h"
#include "percpu_data_libbpf.skel.h"
#include "percpu_data_types.skel.h"

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
	check_map(skel->obj, skel->maps.percpu_rodata, ".percpu.rodata",
		  sizeof(*skel->percpu_rodata));
	ASSERT_EQ(bpf_map__type(skel->maps.rodata_data), BPF_MAP_TYPE_ARRAY, "rodata_type");
	ASSERT_EQ(bpf_map__map_flags(skel->maps.rodata_data), BPF_F_MMAPABLE | BPF_F_RDONLY_PROG,
		  "rodata_flags");

	if (!ASSERT_OK(percpu_data_libbpf__load(skel), "load"))
		goto out;

	check_kernel_map(skel->maps.percpu);
	check_kernel_map(skel->maps.percpu_longer_than_15_chars);
	check_kernel_map(skel->maps.percpu_data);
	ASSERT_TRUE(write_faults((void *)skel->rodata_data), "write_rodata");
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

/* Sections stay percpu arrays of one element, and keep all their variables. */
static void test_setters(void)
{
	struct percpu_data_libbpf *skel;
	struct bpf_map *map;
	char *log;
	int err;

	skel = percpu_data_libbpf__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	map = skel->maps.percpu_array;

	ASSERT_EQ(bpf_map__set_max_entries(map, 1024), -EINVAL, "max_entries");
	ASSERT_EQ(bpf_map__set_type(map, BPF_MAP_TYPE_ARRAY), -EINVAL, "array");
	ASSERT_EQ(bpf_map__set_type(map, BPF_MAP_TYPE_PERCPU_HASH), -EINVAL, "percpu_hash");
	ASSERT_EQ(bpf_map__set_key_size(map, 8), -EINVAL, "key_size");
	ASSERT_OK(bpf_map__set_max_entries(map, 1), "same_max_entries");

	/* "array" is behind "sum" */
	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		goto out;
	err = bpf_map__set_value_size(map, 2);
	log = stop_libbpf_log_capture();
	ASSERT_EQ(err, -EINVAL, "cut_off");
	ASSERT_HAS_SUBSTR(log, "map '.percpu.array': can't be resized to 2 bytes", "log");
	ASSERT_HAS_SUBSTR(log, "variable 'array' is at offset 4", "log_var");
	free(log);
	check_map(skel->obj, map, ".percpu.array", sizeof(*skel->percpu_array));

	/* a section that has been resized may have lost its BTF, but not its variables */
	ASSERT_OK(bpf_map__set_value_size(skel->maps.percpu_padded, 64), "larger");
	ASSERT_EQ(bpf_map__set_value_size(skel->maps.percpu_padded, 2), -EINVAL, "cut_off_larger");

	if (ASSERT_OK(percpu_data_libbpf__load(skel), "load"))
		check_kernel_map(map);
out:
	percpu_data_libbpf__destroy(skel);
}

/* A value ends with its last variable. Look-ups of all copies round up to 8 bytes. */
static void test_padding(void)
{
	struct { long padded; int last; } __packed copy = { 100, 200 };
	int cpu, nr_cpus = libbpf_num_possible_cpus();
	struct percpu_data_libbpf *skel;
	struct bpf_map *map;
	char *copies;

	skel = percpu_data_libbpf__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	map = skel->maps.percpu_padded;

	ASSERT_EQ(bpf_map__value_size(map), 12, "value_size");
	ASSERT_EQ(sizeof(*skel->percpu_padded), 16, "struct_size");
	ASSERT_EQ(skel->percpu_padded->padded, 7, "padded");
	ASSERT_EQ(skel->percpu_padded->last, 8, "last");
	ASSERT_EQ(bpf_map__set_initial_value(map, &copy, 16), -EINVAL, "struct");
	ASSERT_OK(bpf_map__set_initial_value(map, &copy, sizeof(copy)), "set_initial_value");
	if (!ASSERT_OK(percpu_data_libbpf__load(skel), "load"))
		goto out;
	check_kernel_map(map);

	copies = read_copies(bpf_map__fd(map));
	for (cpu = 0; copies && cpu < nr_cpus; cpu++)
		ASSERT_MEMEQ(copies + cpu * 16, &copy, sizeof(copy), "copy");
	free(copies);

	if (ran_on_cpu(bpf_program__fd(skel->progs.count), 0) && read_cpu(map, 0, &copy)) {
		ASSERT_EQ(copy.padded, 100 + 1, "padded_counted");
		ASSERT_EQ(copy.last, 200 + 2, "last_counted");
	}
out:
	percpu_data_libbpf__destroy(skel);
}

/* The limit of the kernel that runs a light skeleton is not known where it is generated. */
static void check_gen_loader(__u32 size, const char *msg)
{
	LIBBPF_OPTS(gen_loader_opts, opts);
	struct percpu_data_libbpf *skel;
	char *log;

	skel = percpu_data_libbpf__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	if (!ASSERT_OK(bpf_object__gen_loader(skel->obj, &opts), "gen_loader") ||
	    !ASSERT_OK(bpf_map__set_value_size(skel->maps.percpu_array, size), "set_value_size"))
		goto out;
	log = load_err_log(skel->obj, 0);
	if (msg)
		ASSERT_HAS_SUBSTR(log, msg, "log");
	else
		ASSERT_EQ(strstr(log, ".percpu.array"), NULL, "no_log");
	free(log);
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

/* Whatever C can declare has a copy for each CPU, which programs and user space agree on. */
static void test_types(void)
{
	int cpu, nr_cpus = libbpf_num_possible_cpus();
	struct percpu_data_types__percpu_bits bits;
	struct percpu_data_types *skel;
	char *log, *line;
	__int128 wide;
	struct {
		int len;
		int elems[3];
	} flex;

	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		return;
	skel = percpu_data_types__open();
	log = stop_libbpf_log_capture();
	if (!ASSERT_OK_PTR(skel, "open"))
		goto out;
	ASSERT_HAS_SUBSTR(log, "sec '.percpu.wide': alignment to 16 bytes is not kept", "align");
	/* of all sections, this one only */
	line = strstr(log, "alignment");
	ASSERT_NULL(line ? strstr(line + 1, "alignment") : NULL, "no_align");

	ASSERT_EQ(bpf_map__value_size(skel->maps.percpu_flex), sizeof(flex), "flex_size");
	skel->percpu_const->readonly = 50;
	skel->percpu_bits->bits.b = 2;
	if (!ASSERT_OK(percpu_data_types__load(skel), "load"))
		goto out;
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		bool ran = ran_on_cpu(bpf_program__fd(skel->progs.count), cpu);

		if (!read_cpu(skel->maps.percpu_flex, cpu, &flex) ||
		    !read_cpu(skel->maps.percpu_wide, cpu, &wide) ||
		    !read_cpu(skel->maps.percpu_bits, cpu, &bits))
			break;
		ASSERT_EQ(flex.len, 3, "flex_len");
		ASSERT_EQ(flex.elems[2], 30 + ran, "flex");
		ASSERT_TRUE(wide == ((__int128)1 << 64) + ran, "wide");
		ASSERT_EQ((int)bits.bits.a, 1, "bits_a");
		ASSERT_EQ((int)bits.bits.b, 2 + ran, "bits_b");
		ASSERT_EQ((int)bits.bits.c, 3, "bits_c");
		/* const and hidden ones, and what is next to one without size */
		ASSERT_EQ(bits.sum, ran ? 50 + 60 + 70 + 1 : 0, "sum");
	}
out:
	free(log);
	percpu_data_types__destroy(skel);
}

void test_percpu_data_libbpf(void)
{
	if (test__start_subtest("maps"))
		test_maps();
	if (test__start_subtest("initial_value"))
		test_initial_value();
	if (test__start_subtest("resize"))
		test_resize();
	if (test__start_subtest("setters"))
		test_setters();
	if (test__start_subtest("padding"))
		test_padding();
	if (test__start_subtest("too_large"))
		test_too_large();
	if (test__start_subtest("too_large_lskel")) {
		check_gen_loader(32 * 1024, NULL);
		check_gen_loader(32 * 1024 + 4,
				 "map '.percpu.array': section of 32772 bytes is larger than 32 KiB per CPU");
	}
	if (test__start_subtest("types"))
		test_types();
}
