// SPDX-License-Identifier: GPL-2.0
/* What user space can change about the maps of data sections, and how it is told what it can't */

#include <sys/mman.h>
#include <test_progs.h>
#include <bpf/btf.h>
#include "data_sec_maps.skel.h"

#define LONG_NAME "a_name_that_leaves_no_room_for_the_rest_of_the_message_in_a_buffer_of_128_bytes_"
#define LONG_KFUNC "bpf_no_kfunc_with_a_name_that_leaves_no_room_for_the_rest_of_the_message"
#define PIN_PATH "/sys/fs/bpf/data_sec_maps"

/* The map has to be an array with one element, whatever a user asks for. */
static void check_setters(struct bpf_map *map)
{
	const char *name = bpf_map__name(map);

	ASSERT_EQ(bpf_map__set_max_entries(map, 1024), -EINVAL, name);
	ASSERT_EQ(bpf_map__set_max_entries(map, 0), -EINVAL, name);
	ASSERT_EQ(bpf_map__set_type(map, BPF_MAP_TYPE_HASH), -EINVAL, name);
	ASSERT_EQ(bpf_map__set_type(map, BPF_MAP_TYPE_PERCPU_ARRAY), -EINVAL, name);
	ASSERT_EQ(bpf_map__set_key_size(map, 8), -EINVAL, name);

	ASSERT_EQ(bpf_map__max_entries(map), 1, name);
	ASSERT_EQ(bpf_map__type(map), BPF_MAP_TYPE_ARRAY, name);
	ASSERT_EQ(bpf_map__key_size(map), 4, name);

	ASSERT_OK(bpf_map__set_max_entries(map, 1), name);
	ASSERT_OK(bpf_map__set_type(map, BPF_MAP_TYPE_ARRAY), name);
	ASSERT_OK(bpf_map__set_key_size(map, 4), name);
}

static void check_count(struct data_sec_maps *skel)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	if (!ASSERT_OK(data_sec_maps__load(skel), "load") ||
	    !ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.count), &opts), "run"))
		return;
	ASSERT_EQ(skel->bss->in_bss, 1 + 2, "in_bss");
}

static void test_setters(void)
{
	struct data_sec_maps *skel;
	char *log;

	skel = data_sec_maps__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;

	check_setters(skel->maps.data);
	check_setters(skel->maps.bss);
	check_setters(skel->maps.rodata);
	check_setters(skel->maps.kconfig);
	check_setters(skel->maps.data_two);

	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		goto out;
	bpf_map__set_max_entries(skel->maps.data_two, 1024);
	bpf_map__set_type(skel->maps.data_two, BPF_MAP_TYPE_HASH);
	log = stop_libbpf_log_capture();
	ASSERT_HAS_SUBSTR(log, "map '.data.two': max_entries of a data section", "log");
	ASSERT_HAS_SUBSTR(log, "can't be changed from 1 to 1024", "log_values");
	ASSERT_HAS_SUBSTR(log, "can't be changed from array to hash", "log_types");
	free(log);

	check_count(skel);
	ASSERT_EQ(bpf_map__set_max_entries(skel->maps.data, 1), -EBUSY, "loaded");
out:
	data_sec_maps__destroy(skel);
}

/* Closing an object gives back the memory of its sections, and none of what lies behind. */
static void test_behind(void)
{
	void *image, *behind, *last_image = NULL;
	struct bpf_map *map, *last = NULL;
	struct data_sec_maps *skel;
	size_t page = getpagesize(), size;

	skel = data_sec_maps__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;

	/* each has a page, one of which may lie behind another */
	bpf_object__for_each_map(map, skel->obj) {
		image = bpf_map__initial_value(map, &size);
		if (image > last_image) {
			last_image = image;
			last = map;
		}
	}
	behind = mmap(last_image + page, page, PROT_READ,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (behind == MAP_FAILED)
		ASSERT_EQ(errno, EEXIST, "mmap");

	bpf_map__set_max_entries(last, page / 8 + 1);
	data_sec_maps__destroy(skel);

	ASSERT_OK(msync(last_image + page, page, MS_ASYNC), "behind");
	if (behind != MAP_FAILED)
		munmap(behind, page);
}

static void test_cut_off(void)
{
	struct data_sec_maps *skel;
	const struct btf_type *t;
	struct bpf_map *map;
	char *image, *log;
	size_t size;
	int err, id;

	skel = data_sec_maps__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	map = skel->maps.data_two;
	id = bpf_map__btf_value_type_id(map);

	/* "first" is 8 bytes long, so "second" would start outside */
	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		goto out;
	err = bpf_map__set_value_size(map, 4);
	log = stop_libbpf_log_capture();
	ASSERT_EQ(err, -EINVAL, "cut_off");
	ASSERT_HAS_SUBSTR(log, "map '.data.two': can't be resized to 4 bytes", "log");
	ASSERT_HAS_SUBSTR(log, "variable 'second' is at offset 8", "log_var");
	free(log);

	/* nothing has changed */
	ASSERT_EQ(bpf_map__value_size(map), 12, "value_size");
	ASSERT_EQ(bpf_map__btf_value_type_id(map), id, "btf");
	t = btf__type_by_id(bpf_object__btf(skel->obj), id);
	ASSERT_EQ(t->size, 12, "datasec_size");
	image = bpf_map__initial_value(map, &size);
	ASSERT_EQ(size, 12, "image_size");
	ASSERT_EQ(image, (char *)skel->data_two, "image");
	ASSERT_STREQ(skel->data_two->second, "abc", "second");

	/* within the array, and beyond */
	ASSERT_OK(bpf_map__set_value_size(map, 8 + 1), "shorter");
	ASSERT_OK(bpf_map__set_value_size(map, 8 + 100), "longer");
	ASSERT_EQ(bpf_map__btf_value_type_id(map), id, "longer_btf");
	check_count(skel);
	ASSERT_EQ(skel->data_two->first, 10 + 1, "first");
out:
	data_sec_maps__destroy(skel);
}

static void check_reuse_fails(enum bpf_map_type type, __u32 max_entries)
{
	struct data_sec_maps *skel;
	char *log;
	int fd, err;

	fd = bpf_map_create(type, "other", sizeof(int), 12, max_entries, NULL);
	if (!ASSERT_OK_FD(fd, "map_create"))
		return;
	skel = data_sec_maps__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		goto out;

	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		goto out;
	err = bpf_map__reuse_fd(skel->maps.data_two, fd);
	log = stop_libbpf_log_capture();
	ASSERT_EQ(err, -EINVAL, "reuse_fd");
	ASSERT_HAS_SUBSTR(log, "map '.data.two': can't reuse map 'other'", "log");
	free(log);

	/* as if nobody had asked */
	check_count(skel);
	ASSERT_EQ(skel->data_two->first, 10 + 1, "first");
out:
	data_sec_maps__destroy(skel);
	close(fd);
}

/* The image becomes as large as the value of the map that is reused. */
static void test_reuse_larger(void)
{
	const size_t page_size = sysconf(_SC_PAGE_SIZE);
	struct data_sec_maps *skel;
	char *image;
	size_t size;
	int fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "other", sizeof(int), 2 * page_size, 1, NULL);
	if (!ASSERT_OK_FD(fd, "map_create"))
		return;
	skel = data_sec_maps__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		goto out;
	if (!ASSERT_OK(bpf_map__reuse_fd(skel->maps.data_two, fd), "reuse_fd"))
		goto out;

	image = bpf_map__initial_value(skel->maps.data_two, &size);
	ASSERT_EQ(size, 2 * page_size, "image_size");
	if (ASSERT_NEQ(image, (char *)skel->data_two, "image"))
		ASSERT_EQ(image[2 * page_size - 1], 0, "image_end");
	skel->data_two = (void *)image;
	ASSERT_EQ(skel->data_two->first, 10, "first");
	check_count(skel);
out:
	data_sec_maps__destroy(skel);
	close(fd);
}

/* A map that is not created has no descriptor, and can't be used by mistake. */
static void test_not_created(void)
{
	struct data_sec_maps *skel;
	int zero = 0;
	char buf[12];

	skel = data_sec_maps__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	bpf_program__set_autoload(skel->progs.count, false);
	ASSERT_OK(bpf_map__set_autocreate(skel->maps.data_two, false), "set_autocreate");
	ASSERT_LT(bpf_map__fd(skel->maps.data_two), 0, "fd_open");

	if (!ASSERT_OK(data_sec_maps__load(skel), "load"))
		goto out;
	ASSERT_LT(bpf_map__fd(skel->maps.data_two), 0, "fd");
	ASSERT_GE(bpf_map__fd(skel->maps.data), 0, "fd_created");
	ASSERT_EQ(bpf_map__pin(skel->maps.data_two, PIN_PATH), -EINVAL, "pin");
	ASSERT_ERR(bpf_map__lookup_elem(skel->maps.data_two, &zero, sizeof(zero), buf,
					sizeof(buf), 0), "lookup");
out:
	data_sec_maps__destroy(skel);
}

/* Messages are complete, however long the names in them. */
static void check_missing(const char *map_name, const char *prog_name, const char *msg)
{
	struct data_sec_maps *skel;
	struct bpf_map *map;
	char *log;

	skel = data_sec_maps__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	map = map_name ? bpf_object__find_map_by_name(skel->obj, map_name) : NULL;
	if (map)
		ASSERT_OK(bpf_map__set_autocreate(map, false), "set_autocreate");
	bpf_program__set_autoload(bpf_object__find_program_by_name(skel->obj, prog_name), true);

	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		goto out;
	ASSERT_EQ(data_sec_maps__load(skel), -EINVAL, "load");
	log = stop_libbpf_log_capture();
	ASSERT_HAS_SUBSTR(log, msg, "log");
	ASSERT_HAS_SUBSTR(log, "BPF program load failed: -EINVAL", "reason");
	free(log);
out:
	data_sec_maps__destroy(skel);
}

static void check_pin(enum bpf_map_type type, __u32 value_size, __u32 flags, const char *msg)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	struct data_sec_maps *skel;
	char *log;
	int fd;

	fd = bpf_map_create(type, "other", sizeof(int), value_size, 1, &opts);
	if (!ASSERT_OK_FD(fd, "map_create"))
		return;
	skel = data_sec_maps__open();
	if (!ASSERT_OK_PTR(skel, "open") || !ASSERT_OK(bpf_obj_pin(fd, PIN_PATH), "pin") ||
	    !ASSERT_OK(bpf_map__set_pin_path(skel->maps.data_two, PIN_PATH), "set_pin_path") ||
	    !ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		goto out;
	ASSERT_EQ(data_sec_maps__load(skel), -EINVAL, "load");
	log = stop_libbpf_log_capture();
	ASSERT_HAS_SUBSTR(log, msg, "log");
	free(log);
out:
	unlink(PIN_PATH);
	data_sec_maps__destroy(skel);
	close(fd);
}

void test_data_sec_maps(void)
{
	if (test__start_subtest("setters"))
		test_setters();
	if (test__start_subtest("behind"))
		test_behind();
	if (test__start_subtest("cut_off"))
		test_cut_off();
	if (test__start_subtest("reuse_other_type")) {
		check_reuse_fails(BPF_MAP_TYPE_HASH, 1);
		check_reuse_fails(BPF_MAP_TYPE_PERCPU_ARRAY, 1);
	}
	if (test__start_subtest("reuse_more_entries"))
		check_reuse_fails(BPF_MAP_TYPE_ARRAY, 1024);
	if (test__start_subtest("reuse_larger"))
		test_reuse_larger();
	if (test__start_subtest("not_created"))
		test_not_created();
	if (test__start_subtest("missing_map"))
		check_missing(".data." LONG_NAME LONG_NAME, "use_long_named",
			      "BPF map '.data." LONG_NAME LONG_NAME
			      "' is referenced but wasn't created\n");
	if (test__start_subtest("missing_kconfig"))
		check_missing(".kconfig", "use_kconfig",
			      "data_se.kconfig' is referenced but wasn't created\n");
	if (test__start_subtest("missing_kfunc"))
		check_missing(NULL, "use_long_named_kfunc",
			      "kfunc '" LONG_KFUNC "' is referenced but wasn't resolved\n");
	if (test__start_subtest("pinned")) {
		check_pin(BPF_MAP_TYPE_ARRAY, 16, BPF_F_MMAPABLE,
			  "map '.data.two': pinned map has value_size 16, need 12");
		check_pin(BPF_MAP_TYPE_ARRAY, 12, 0,
			  "map '.data.two': pinned map has map_flags 0, need 1024");
		check_pin(BPF_MAP_TYPE_PERCPU_ARRAY, 12, 0,
			  "map '.data.two': pinned map is of type percpu_array, need array");
	}
}
