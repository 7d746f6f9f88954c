// SPDX-License-Identifier: GPL-2.0
/* All ways to read per-CPU data from user space, and to write it */

#include <ctype.h>
#include <regex.h>
#include "percpu_data_helpers.h"
#include "bpftool_helpers.h"
#include "percpu_data_vars.skel.h"
#include "percpu_data_iter.skel.h"

#define PIN_DIR		"/sys/fs/bpf/percpu_data_read"

static int zero;

/* One copy, or all of them, with libbpf's functions */
static void test_lookup(struct percpu_data_vars *skel)
{
	const struct bpf_map *map = skel->maps.percpu_a_name_longer_than_15;
	size_t size = bpf_map__value_size(map), nr_cpus = bpf_num_possible_cpus();
	struct percpu_data_vars__percpu_a_name_longer_than_15 all[nr_cpus], one;
	int cpu;

	if (!ASSERT_EQ(size, sizeof(one), "value_size"))
		return;

	ASSERT_OK(bpf_map__lookup_elem(map, &zero, sizeof(zero), all, sizeof(all), 0), "all");
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		__u64 flags = (__u64)cpu << 32 | BPF_F_CPU;

		ASSERT_OK(bpf_map__lookup_elem(map, &zero, sizeof(zero), &one, size, flags),
			  "one");
		ASSERT_EQ(one.table[0], 1 + runs_of(cpu), "table[0] of one");
		ASSERT_EQ(one.table[3], 4, "table[3] of one");
		ASSERT_MEMEQ(&all[cpu], &one, size, "all and one");
	}
	ASSERT_EQ(bpf_map__lookup_elem(map, &zero, sizeof(zero), &one, size,
				       (__u64)nr_cpus << 32 | BPF_F_CPU), -ERANGE, "no such CPU");
	if (nr_cpus > 1)
		ASSERT_EQ(bpf_map__lookup_elem(map, &zero, sizeof(zero), &one, size, 0), -EINVAL,
			  "room for one of all");
}

static void check_table(const struct bpf_map *map, int cpu, __u64 first)
{
	struct percpu_data_vars__percpu_a_name_longer_than_15 one = {};

	ASSERT_OK(bpf_map__lookup_elem(map, &zero, sizeof(zero), &one, sizeof(one),
				       (__u64)cpu << 32 | BPF_F_CPU), "lookup");
	ASSERT_EQ(one.table[0], first, "table[0]");
}

static void test_update(struct percpu_data_vars *skel)
{
	const struct bpf_map *map = skel->maps.percpu_a_name_longer_than_15;
	struct percpu_data_vars__percpu_a_name_longer_than_15 one = { .table = { 500 } };
	int cpu, nr_cpus = bpf_num_possible_cpus(), prog_fd;

	prog_fd = bpf_program__fd(skel->progs.count);
	ASSERT_OK(bpf_map__update_elem(map, &zero, sizeof(zero), &one, sizeof(one),
				       BPF_F_ALL_CPUS), "update all");
	for (cpu = 0; cpu < nr_cpus; cpu++)
		check_table(map, cpu, 500);

	/* the last one is offline, where some are */
	one.table[0] = 700;
	ASSERT_OK(bpf_map__update_elem(map, &zero, sizeof(zero), &one, sizeof(one),
				       (__u64)(nr_cpus - 1) << 32 | BPF_F_CPU), "update one");
	one.table[0] = 600;
	ASSERT_OK(bpf_map__update_elem(map, &zero, sizeof(zero), &one, sizeof(one), BPF_F_CPU),
		  "update CPU 0");
	for (cpu = 0; cpu < nr_cpus; cpu++)
		check_table(map, cpu, !cpu ? 600 : cpu == nr_cpus - 1 ? 700 : 500);

	/* the program goes on with the values that it finds */
	ASSERT_OK(run_on_cpu(prog_fd, 0), "run");
	check_table(map, 0, 601);
	ASSERT_EQ(skel->percpu_a_name_longer_than_15->table[0], 1, "initial value");
}

static void test_batch(struct percpu_data_vars *skel)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	int fd = bpf_map__fd(skel->maps.percpu), cpu, key = -1;
	struct percpu_data_vars__percpu *vars;
	void *copies = read_copies(fd);
	__u32 batch, count = 1;

	if (!copies)
		return;

	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
		vars = copy_of(fd, copies, cpu);
		vars->hits = 10000 + cpu;
	}
	ASSERT_OK(bpf_map_update_batch(fd, &zero, copies, &count, &opts), "update_batch");
	ASSERT_EQ(count, 1, "updated");
	free(copies);

	copies = calloc(bpf_num_possible_cpus(), roundup(value_size_of(fd), 8));
	if (!ASSERT_OK_PTR(copies, "calloc"))
		return;
	count = 2;
	ASSERT_EQ(bpf_map_lookup_batch(fd, NULL, &batch, &key, copies, &count, &opts), -ENOENT,
		  "lookup_batch");
	ASSERT_EQ(count, 1, "looked up");
	ASSERT_EQ(key, 0, "key");
	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
		vars = copy_of(fd, copies, cpu);
		ASSERT_EQ(vars->hits, 10000 + cpu, "hits");
		ASSERT_EQ(vars->step, 3, "step");
	}
	free(copies);
}

static void test_iter(struct percpu_data_vars *skel)
{
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info linfo = {};
	struct percpu_data_iter *iter;
	struct bpf_link *link = NULL;
	size_t size;
	int cpu, fd = -1;
	long hits = 0;
	char buf[16];

	linfo.map.map_fd = bpf_map__fd(skel->maps.percpu);
	opts.link_info = &linfo;
	opts.link_info_len = sizeof(linfo);

	iter = percpu_data_iter__open();
	if (!ASSERT_OK_PTR(iter, "open"))
		return;

	iter->rodata->nr_cpus = bpf_num_possible_cpus();
	iter->rodata->copy_size = roundup(bpf_map__value_size(skel->maps.percpu), 8);
	iter->rodata->hits_off = (void *)&skel->percpu->hits -
				 bpf_map__initial_value(skel->maps.percpu, &size);
	if (!ASSERT_OK(percpu_data_iter__load(iter), "load"))
		goto out;

	link = bpf_program__attach_iter(iter->progs.sum_hits, &opts);
	if (!ASSERT_OK_PTR(link, "attach"))
		goto out;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (!ASSERT_GE(fd, 0, "create"))
		goto out;
	ASSERT_EQ(read(fd, buf, sizeof(buf)), 0, "read");

	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++)
		hits += 3 * runs_of(cpu);
	ASSERT_EQ(iter->bss->elems, 1, "elems");
	ASSERT_EQ(iter->bss->key_sum, 0, "key");
	ASSERT_EQ(iter->bss->hits_sum, hits, "hits");
out:
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	percpu_data_iter__destroy(iter);
}

static void check_info(const struct bpf_map *map, const char *name, const char *sec_name)
{
	struct bpf_map_info info = {};
	const struct btf_type *t;
	__u32 len = sizeof(info);
	struct btf *btf;

	if (!ASSERT_OK(bpf_map_get_info_by_fd(bpf_map__fd(map), &info, &len), "info"))
		return;
	ASSERT_EQ(info.type, BPF_MAP_TYPE_PERCPU_ARRAY, "type");
	ASSERT_EQ(info.key_size, sizeof(int), "key_size");
	ASSERT_EQ(info.value_size, bpf_map__value_size(map), "value_size");
	ASSERT_EQ(info.max_entries, 1, "max_entries");
	ASSERT_EQ(info.map_flags, 0, "map_flags");
	ASSERT_STREQ(info.name, name, "name");
	ASSERT_EQ(info.btf_key_type_id, 0, "key type");

	btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!ASSERT_OK_PTR(btf, "btf"))
		return;
	t = btf__type_by_id(btf, info.btf_value_type_id);
	if (ASSERT_OK_PTR(t, "value type")) {
		ASSERT_TRUE(btf_is_datasec(t), "datasec");
		ASSERT_STREQ(btf__name_by_offset(btf, t->name_off), sec_name, "datasec name");
	}
	btf__free(btf);
}

static void test_info(struct percpu_data_vars *skel)
{
	check_info(skel->maps.percpu, ".percpu", ".percpu");
	check_info(skel->maps.percpu_a_name_longer_than_15, ".percpu.a_name_",
		   ".percpu.a_name_longer_than_15");
}

static __u32 id_of(const struct bpf_map *map)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	ASSERT_OK(bpf_map_get_info_by_fd(bpf_map__fd(map), &info, &len), "map_info");
	return info.id;
}

/* What bpftool prints, without the white space in it */
static char *bpftool(const char *fmt, ...)
{
	static char output[64 * 1024];
	char cmd[MAX_BPFTOOL_CMD_LEN], *from, *to;
	va_list args;

	va_start(args, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, args);
	va_end(args);

	memset(output, 0, sizeof(output));
	ASSERT_OK(get_bpftool_command_output(cmd, output, sizeof(output) - 1), cmd);
	for (from = to = output; *from; from++)
		if (!isspace(*from))
			*to++ = *from;
	*to = 0;
	return output;
}

static void test_map_dump(struct percpu_data_vars *skel)
{
	static const char * const formats[] = { "", "-j", "-p" };
	__u32 id = id_of(skel->maps.percpu), table_id;
	char expected[256], *output;
	int i, cpu, runs;

	table_id = id_of(skel->maps.percpu_a_name_longer_than_15);
	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		output = bpftool("%s map dump id %u", formats[i], table_id);
		for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
			snprintf(expected, sizeof(expected),
				 "{\"cpu\":%d,\"value\":{\"%s\":[{\"table\":[%d,2,3,4]}]}}",
				 cpu, ".percpu.a_name_longer_than_15", 1 + runs_of(cpu));
			ASSERT_HAS_SUBSTR(output, expected, "table");
		}

		output = bpftool("%s map dump id %u", formats[i], id);
		for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
			runs = runs_of(cpu);
			if (!runs)
				continue;
			snprintf(expected, sizeof(expected), "{\"last\":{\"cpu\":%d,\"sum\":%d}}",
				 cpu, 4 * runs);
			ASSERT_HAS_SUBSTR(output, expected, "last");
			snprintf(expected, sizeof(expected), "{\"hits\":%d}", 3 * runs);
			ASSERT_HAS_SUBSTR(output, expected, "hits");
			/* a static variable is not in the skeleton, but in BTF */
			snprintf(expected, sizeof(expected), "{\"calls\":%d}", runs);
			ASSERT_HAS_SUBSTR(output, expected, "calls");
		}
	}
}

static void test_map_dump_no_btf(struct percpu_data_vars *skel)
{
	static const char * const json_formats[] = { "-j", "-p" };
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	__u64 vals[bpf_num_possible_cpus()];
	char expected[256], *output;
	int i, fd, cpu;

	fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, ".percpu", sizeof(zero), sizeof(__u64), 1,
			    NULL);
	if (!ASSERT_GE(fd, 0, "create"))
		return;
	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++)
		memset(&vals[cpu], 0xa0 + cpu, sizeof(vals[cpu]));
	ASSERT_OK(bpf_map_update_elem(fd, &zero, vals, 0), "update");
	ASSERT_OK(bpf_map_get_info_by_fd(fd, &info, &len), "info");

	output = bpftool("map dump id %u", info.id);
	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
		snprintf(expected, sizeof(expected), "value(CPU%02d):%llx", cpu, vals[cpu]);
		ASSERT_HAS_SUBSTR(output, expected, "plain");
	}
	for (i = 0; i < ARRAY_SIZE(json_formats); i++) {
		output = bpftool("%s map dump id %u", json_formats[i], info.id);
		for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
			snprintf(expected, sizeof(expected),
				 "{\"cpu\":%d,\"value\":[\"0x%02x\",", cpu, 0xa0 + cpu);
			ASSERT_HAS_SUBSTR(output, expected, json_formats[i]);
		}
	}
	close(fd);
}

static void test_map_update(struct percpu_data_vars *skel)
{
	const struct bpf_map *map = skel->maps.percpu_data;
	int cpu, val;

	bpftool("map update id %u key 0 0 0 0 value 44 44 44 44", id_of(map));
	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
		ASSERT_OK(bpf_map__lookup_elem(map, &zero, sizeof(zero), &val, sizeof(val),
					       (__u64)cpu << 32 | BPF_F_CPU), "lookup");
		ASSERT_EQ(val, 0x2c2c2c2c, "nested");
	}
	ASSERT_HAS_SUBSTR(bpftool("map lookup id %u key 0 0 0 0", id_of(map)),
			  "{\"cpu\":0,\"value\":{\".percpu.data\":[{\"nested\":741092396}]}}",
			  "lookup");
}

/* Is the map's address turned into the one of this CPU, in the same register? */
static bool has_percpu_ld(const char *xlated, const struct bpf_map *map)
{
	char pattern[128];
	regex_t regex;
	bool found;

	snprintf(pattern, sizeof(pattern),
		 "(18)r\\([0-9]\\)=map\\[id:%u\\]\\[0\\]+[0-9]*:(bf)r\\1=&(void__percpu\\*)(r\\1)",
		 id_of(map));
	if (!ASSERT_OK(regcomp(&regex, pattern, REG_NOSUB), "regcomp"))
		return false;
	found = !regexec(&regex, xlated, 0, NULL, 0);
	regfree(&regex);
	return found;
}

static void test_prog_dump(struct percpu_data_vars *skel)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	char *output;

	if (is_jit_blinding()) {
		test__skip();
		return;
	}
	if (!ASSERT_OK(bpf_prog_get_info_by_fd(bpf_program__fd(skel->progs.count), &info, &len),
		       "info"))
		return;

	output = bpftool("prog dump xlated id %u", info.id);
	ASSERT_TRUE(has_percpu_ld(output, skel->maps.percpu), ".percpu");
	ASSERT_TRUE(has_percpu_ld(output, skel->maps.percpu_a_name_longer_than_15), "long name");
	ASSERT_TRUE(has_percpu_ld(output, skel->maps.percpu_data), ".percpu.data");
	ASSERT_FALSE(has_percpu_ld(output, skel->maps.data_percpu), ".data.percpu");
}

static void test_prog_loadall(struct percpu_data_vars *skel)
{
	char *output;

	bpftool("prog loadall percpu_data_vars.bpf.o " PIN_DIR " pinmaps " PIN_DIR "/maps");
	output = bpftool("map dump pinned " PIN_DIR "/maps/_percpu");
	ASSERT_HAS_SUBSTR(output, "{\"step\":3}", "dump");
	ASSERT_OK(access(PIN_DIR "/maps/_percpu_a_name_longer_than_15", F_OK), "long name");
	ASSERT_OK(access(PIN_DIR "/count", F_OK), "prog");
	SYS_NOFAIL("rm -r " PIN_DIR);
}

static const struct {
	const char *name;
	void (*func)(struct percpu_data_vars *skel);
} subtests[] = {
	{ "lookup", test_lookup },
	{ "update", test_update },
	{ "batch", test_batch },
	{ "iter", test_iter },
	{ "info", test_info },
	{ "bpftool_map_dump", test_map_dump },
	{ "bpftool_map_dump_no_btf", test_map_dump_no_btf },
	{ "bpftool_map_update", test_map_update },
	{ "bpftool_prog_dump", test_prog_dump },
	{ "bpftool_prog_loadall", test_prog_loadall },
};

void test_percpu_data_read(void)
{
	struct percpu_data_vars *skel;
	int i;

	for (i = 0; i < ARRAY_SIZE(subtests); i++) {
		if (!test__start_subtest(subtests[i].name))
			continue;
		skel = percpu_data_vars__open_and_load();
		if (!ASSERT_OK_PTR(skel, "open_and_load"))
			continue;
		run_unevenly(bpf_program__fd(skel->progs.count));
		subtests[i].func(skel);
		percpu_data_vars__destroy(skel);
	}
}
