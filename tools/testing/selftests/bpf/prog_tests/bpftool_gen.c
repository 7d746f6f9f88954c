// SPDX-License-Identifier: GPL-2.0
/* Skeletons of what is hard to make one of, and dumps of what is hard to show */
#include <ctype.h>
#include <test_progs.h>
#include <bpf/btf.h>
#include "bpftool_helpers.h"
#include "bpftool_gen_layout.skel.h"
#include "test_ringbuf.lskel.h"

static char output[64 * 1024];

/* Run bpftool; what it prints, without white space if that doesn't matter, is in output. */
static int bpftool(bool squeeze, const char *fmt, ...)
{
	char cmd[MAX_BPFTOOL_CMD_LEN], *from, *to;
	va_list args;
	int ret;

	va_start(args, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, args);
	va_end(args);

	memset(output, 0, sizeof(output));
	ret = get_bpftool_command_output(cmd, output, sizeof(output) - 1);
	for (from = to = output; squeeze && *from; from++)
		if (!isspace(*from))
			*to++ = *from;
	if (squeeze)
		*to = 0;
	return ret;
}

/* It has to fail with a message, without writing half of a header. */
static void check_fails(const char *cmd, const char *exp_msg)
{
	ASSERT_NEQ(bpftool(false, "%s 2>&1", cmd), 0, cmd);
	ASSERT_HAS_SUBSTR(output, exp_msg, cmd);
	ASSERT_NULL(strstr(output, "#ifndef"), "header");
}

static void test_ident(void)
{
	static const char sec_msg[] =
		"maps '.data.a.b' and '.data.a_b' would both be called 'data_a_b'";
	static const char map_msg[] = "would both be called 'data' in the skeleton";

	check_fails("gen skeleton bpftool_gen_ident_sec.bpf.o", sec_msg);
	check_fails("gen skeleton -L bpftool_gen_ident_sec.bpf.o", sec_msg);
	check_fails("gen subskeleton bpftool_gen_ident_sec.bpf.o", sec_msg);

	check_fails("gen skeleton bpftool_gen_ident_map.bpf.o", map_msg);
	check_fails("gen skeleton -L bpftool_gen_ident_map.bpf.o", map_msg);
	check_fails("gen subskeleton bpftool_gen_ident_map.bpf.o", map_msg);
}

/* Data that can't be read is an error, not zeroes. */
static void test_loader_value(void)
{
	struct test_ringbuf_lskel *skel = test_ringbuf_lskel__open();
	__u64 value;

	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	skel->maps.ringbuf.max_entries = getpagesize();
	value = skel->maps.bss.initial_value;
	skel->maps.bss.initial_value = sizeof(long);
	ASSERT_EQ(test_ringbuf_lskel__load(skel), -EFAULT, "load");
	skel->maps.bss.initial_value = value;
	test_ringbuf_lskel__destroy(skel);
}

static void test_loader(void)
{
	check_fails("gen skeleton -L bpftool_gen_layout.bpf.o",
		    "program 'add': light skeletons need the tracepoint's name");
	check_fails("gen skeleton -L struct_ops_module.bpf.o",
		    "light skeletons don't support struct_ops");
	check_fails("gen skeleton -L arena_list.bpf.o",
		    "light skeletons don't support global variables in arenas");
}

/* Variables are where the program has them. */
static void test_layout(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct bpftool_gen_layout *skel;

	skel = bpftool_gen_layout__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;

	ASSERT_EQ(skel->data_layout->list.n, 3, "n");
	ASSERT_EQ(skel->data_layout->behind, 10, "behind");
	ASSERT_EQ(skel->data_layout->__pad1, 12, "__pad1");
	skel->data_layout->behind = 1000;
	skel->data_layout->__pad1 = 2000;
	ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.add), &opts), "test_run");
	ASSERT_EQ(skel->bss->sum, 3 + 7 + 8 + 9 + 1000 + 11 + 2000, "sum");

	bpftool_gen_layout__destroy(skel);
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	ASSERT_OK(bpf_map_get_info_by_fd(fd, &info, &len), "map_info");
	return info.id;
}

static void test_dump_float(void)
{
	static const char exp_num[] = "{\"ratio\":1.5},{\"halves\":[0.5,-0.25]},{\"none\":[";
	static const char exp_str[] = "[\"nan\",\"inf\",\"-inf\"]},{\"after\":13}]";
	struct bpftool_gen_layout *skel;
	__u32 id;

	skel = bpftool_gen_layout__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;

	id = map_id(bpf_map__fd(skel->maps.data_float));
	ASSERT_OK(bpftool(true, "map dump id %u", id), "dump");
	ASSERT_HAS_SUBSTR(output, exp_num, "dump");
	ASSERT_HAS_SUBSTR(output, exp_str, "dump");
	ASSERT_OK(bpftool(true, "-j map dump id %u", id), "dump -j");
	ASSERT_HAS_SUBSTR(output, exp_num, "dump -j");
	ASSERT_HAS_SUBSTR(output, exp_str, "dump -j");

	bpftool_gen_layout__destroy(skel);
}

/* Types that clang doesn't make, but that BTF has */
static void test_dump_type(void)
{
	static const char exp[] =
		"{\"quote\":\"\\\"\",\"half\":\"(unsupported-float-size)\",\"after\":5}";
	static const struct {
		char quote;
		__u16 half;
		__u32 after;
	} val = { '"', 0x3c00, 5 };
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int char_id, half_id, int_id, fd = -1, zero = 0;
	struct btf *btf;

	btf = btf__new_empty();
	if (!ASSERT_OK_PTR(btf, "new_empty"))
		return;
	char_id = btf__add_int(btf, "char", 1, BTF_INT_CHAR);
	half_id = btf__add_float(btf, "_Float16", 2);
	int_id = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	opts.btf_key_type_id = int_id;
	opts.btf_value_type_id = btf__add_struct(btf, "val", sizeof(val));
	btf__add_field(btf, "quote", char_id, 0, 0);
	btf__add_field(btf, "half", half_id, 16, 0);
	btf__add_field(btf, "after", int_id, 32, 0);
	if (!ASSERT_OK(btf__load_into_kernel(btf), "load_into_kernel"))
		goto out;

	opts.btf_fd = btf__fd(btf);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "types", sizeof(zero), sizeof(val), 1, &opts);
	if (!ASSERT_GE(fd, 0, "create"))
		goto out;
	ASSERT_OK(bpf_map_update_elem(fd, &zero, &val, 0), "update");

	ASSERT_OK(bpftool(true, "-j map dump id %u", map_id(fd)), "dump");
	ASSERT_HAS_SUBSTR(output, exp, "dump");
	close(fd);
out:
	btf__free(btf);
}

static void test_long_name(void)
{
	char cmd[256];

	check_fails("map dump name .data.a_long_name",
		    "map name '.data.a_long_name' is longer than the 15 characters that the kernel keeps of it: '.data.a_long_na'");
	snprintf(cmd, sizeof(cmd), "prog show name %0128d", 0);
	check_fails(cmd, "is longer than 127 characters");
}

void test_bpftool_gen(void)
{
	if (test__start_subtest("ident"))
		test_ident();
	if (test__start_subtest("loader"))
		test_loader();
	if (test__start_subtest("loader_value"))
		test_loader_value();
	if (test__start_subtest("layout"))
		test_layout();
	if (test__start_subtest("dump_float"))
		test_dump_float();
	if (test__start_subtest("dump_type"))
		test_dump_type();
	if (test__start_subtest("long_name"))
		test_long_name();
}
