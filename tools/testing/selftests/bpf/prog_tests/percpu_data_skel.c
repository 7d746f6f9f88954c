// SPDX-License-Identifier: GPL-2.0
/* Per-CPU data in skeletons and light skeletons */

#include "percpu_data_helpers.h"
#include "testing_helpers.h"
#include "bpftool_helpers.h"
#include "percpu_data_vars.skel.h"
#include "percpu_data_vars.lskel.h"
#include "progs/percpu_data_layout.h"
#include "percpu_data_layout.skel.h"
#include "percpu_data_layout.lskel.h"

/* The initial values as the object has them. */
static void check_image(const struct percpu_data_vars__percpu *vars,
			const struct percpu_data_vars__percpu_a_name_longer_than_15 *table,
			const struct percpu_data_vars__percpu_data *nested)
{
	ASSERT_EQ(vars->hits, 0, "hits");
	ASSERT_EQ(vars->step, 3, "step");
	ASSERT_EQ(vars->last.cpu, -1, "last.cpu");
	ASSERT_EQ(vars->last.sum, 0, "last.sum");
	ASSERT_EQ(table->table[0], 1, "table[0]");
	ASSERT_EQ(table->table[3], 4, "table[3]");
	ASSERT_EQ(nested->nested, 6, "nested");
}

static void change_image(struct percpu_data_vars__percpu *vars,
			 struct percpu_data_vars__percpu_a_name_longer_than_15 *table,
			 struct percpu_data_vars__percpu_data *nested)
{
	vars->hits = 1000;
	vars->step = 7;
	vars->last.cpu = 99;
	table->table[0] = 100;
	table->table[3] = 11;
	nested->nested = 60;
}

/* The initial values as change_image() left them. */
static void check_changed_image(const struct percpu_data_vars__percpu *vars,
				const struct percpu_data_vars__percpu_a_name_longer_than_15 *table,
				const struct percpu_data_vars__percpu_data *nested)
{
	ASSERT_EQ(vars->hits, 1000, "hits");
	ASSERT_EQ(vars->step, 7, "step");
	ASSERT_EQ(vars->last.cpu, 99, "last.cpu");
	ASSERT_EQ(vars->last.sum, 0, "last.sum");
	ASSERT_EQ(table->table[0], 100, "table[0]");
	ASSERT_EQ(table->table[3], 11, "table[3]");
	ASSERT_EQ(nested->nested, 60, "nested");
}

/* Each CPU started from the changed values, and changed only its own. */
static void check_copies(int vars_fd, int table_fd, int nested_fd)
{
	void *vars_copies = read_copies(vars_fd);
	void *table_copies = read_copies(table_fd);
	void *nested_copies = read_copies(nested_fd);
	const struct percpu_data_vars__percpu_a_name_longer_than_15 *table;
	const struct percpu_data_vars__percpu_data *nested;
	const struct percpu_data_vars__percpu *vars;
	int cpu, runs;

	if (!vars_copies || !table_copies || !nested_copies)
		goto out;

	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
		vars = copy_of(vars_fd, vars_copies, cpu);
		table = copy_of(table_fd, table_copies, cpu);
		nested = copy_of(nested_fd, nested_copies, cpu);
		runs = runs_of(cpu);
		ASSERT_EQ(vars->hits, 1000 + 7 * runs, "hits");
		ASSERT_EQ(vars->step, 7, "step");
		ASSERT_EQ(vars->last.cpu, runs ? cpu : 99, "last.cpu");
		ASSERT_EQ(vars->last.sum, 11 * runs, "last.sum");
		ASSERT_EQ(table->table[0], 100 + runs, "table[0]");
		ASSERT_EQ(table->table[3], 11, "table[3]");
		ASSERT_EQ(nested->nested, 60 + runs, "nested");
	}
out:
	free(vars_copies);
	free(table_copies);
	free(nested_copies);
}

static void test_skel(void)
{
	struct percpu_data_vars *skel;
	int cpu, total = 0;

	skel = percpu_data_vars__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;

	ASSERT_STREQ(bpf_map__name(skel->maps.percpu), ".percpu", "name");
	ASSERT_STREQ(bpf_map__name(skel->maps.percpu_a_name_longer_than_15),
		     ".percpu.a_name_longer_than_15", "long name");
	ASSERT_STREQ(bpf_map__name(skel->maps.percpu_data), ".percpu.data", "nested name");
	ASSERT_EQ(bpf_map__type(skel->maps.percpu), BPF_MAP_TYPE_PERCPU_ARRAY, "type");
	ASSERT_EQ(bpf_map__type(skel->maps.data_percpu), BPF_MAP_TYPE_ARRAY, "data type");

	check_image(skel->percpu, skel->percpu_a_name_longer_than_15, skel->percpu_data);
	change_image(skel->percpu, skel->percpu_a_name_longer_than_15, skel->percpu_data);

	if (!ASSERT_OK(percpu_data_vars__load(skel), "load"))
		goto out;

	run_unevenly(bpf_program__fd(skel->progs.count));

	check_changed_image(skel->percpu, skel->percpu_a_name_longer_than_15, skel->percpu_data);
	check_copies(bpf_map__fd(skel->maps.percpu),
		     bpf_map__fd(skel->maps.percpu_a_name_longer_than_15),
		     bpf_map__fd(skel->maps.percpu_data));

	/* what looks similar is one variable for all CPUs */
	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++)
		total += runs_of(cpu);
	ASSERT_EQ(skel->data_percpu->shared, 5 + total, "shared");

	ASSERT_TRUE(write_faults(skel->percpu), "write vars");
	ASSERT_TRUE(write_faults(skel->percpu_a_name_longer_than_15), "write long name");
	ASSERT_TRUE(write_faults(skel->percpu_data), "write nested");
out:
	percpu_data_vars__destroy(skel);
}

static void test_lskel(void)
{
	struct percpu_data_vars__percpu_a_name_longer_than_15 *table;
	struct percpu_data_vars__percpu_data *nested;
	struct percpu_data_vars__percpu *vars;
	struct percpu_data_vars_lskel *skel;

	skel = percpu_data_vars_lskel__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;

	/* both kinds of skeletons have the same structs, under different names */
	ASSERT_EQ(sizeof(*skel->percpu), sizeof(*vars), "sizeof vars");
	ASSERT_EQ(sizeof(*skel->percpu_a_name_longer_than_15), sizeof(*table), "sizeof table");
	ASSERT_EQ(sizeof(*skel->percpu_data), sizeof(*nested), "sizeof nested");
	vars = (void *)skel->percpu;
	table = (void *)skel->percpu_a_name_longer_than_15;
	nested = (void *)skel->percpu_data;

	check_image(vars, table, nested);
	change_image(vars, table, nested);

	if (!ASSERT_OK(percpu_data_vars_lskel__load(skel), "load"))
		goto out;

	ASSERT_EQ((void *)skel->percpu, vars, "percpu");
	ASSERT_EQ((void *)skel->percpu_a_name_longer_than_15, table, "percpu_a_name");
	ASSERT_EQ((void *)skel->percpu_data, nested, "percpu_data");

	run_unevenly(skel->progs.count.prog_fd);

	check_changed_image(vars, table, nested);
	check_copies(skel->maps.percpu.map_fd, skel->maps.percpu_a_name_longer_than_15.map_fd,
		     skel->maps.percpu_data.map_fd);

	ASSERT_TRUE(write_faults(vars), "write vars");
	ASSERT_TRUE(write_faults(table), "write table");
	ASSERT_TRUE(write_faults(nested), "write nested");
out:
	percpu_data_vars_lskel__destroy(skel);
}

static int module_param(const char *name)
{
	char path[128];
	int val = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/bpf_test_percpu_lskel/parameters/%s", name);
	f = fopen(path, "r");
	if (!ASSERT_OK_PTR(f, name))
		return -1;
	ASSERT_EQ(fscanf(f, "%d", &val), 1, name);
	fclose(f);
	return val;
}

/* A module has changed the initial image, and the maps are what is left of it. */
static void test_lskel_kernel(void)
{
	int err, fd;

	fd = open("bpf_test_percpu_lskel.ko", O_RDONLY);
	if (!ASSERT_OK_FD(fd, "open_module"))
		return;
	err = finit_module(fd, "", 0);
	close(fd);
	if (!ASSERT_OK(err, "finit_module"))
		return;

	run_unevenly(module_param("prog_fd"));
	check_copies(module_param("vars_fd"), module_param("table_fd"), module_param("nested_fd"));

	ASSERT_OK(delete_module("bpf_test_percpu_lskel", 0), "delete_module");
}

/* What static and hidden variables and the elements of lists add up to */
#define HIDDEN_SUM	(2 + 4 + 6 + 7 + 10 + 11 + 12 + 13 + 14 + 20 + 21)

/* Each struct covers its section's value, and is no larger where nothing is hidden. */
static void test_layout(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct percpu_data_layout *skel;

	skel = percpu_data_layout__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;

	ASSERT_EQ(bpf_map__value_size(skel->maps.percpu), 56, "value");
	ASSERT_EQ(sizeof(*skel->percpu), 56, "static at the end");
	ASSERT_EQ(offsetof(typeof(*skel->percpu), behind), 16, "behind static");
	ASSERT_EQ(offsetof(typeof(*skel->percpu), __pad0), 37, "behind hidden");

	ASSERT_EQ(bpf_map__value_size(skel->maps.percpu_tail), 12, "tail value");
	ASSERT_EQ(sizeof(*skel->percpu_tail), roundup(12, sizeof(long)), "nothing hidden");

	ASSERT_EQ(bpf_map__value_size(skel->maps.percpu_list), 16, "list value");
	ASSERT_EQ(sizeof(*skel->percpu_list), 16, "elements at the end");

	ASSERT_EQ(bpf_map__value_size(skel->maps.percpu_static), 8, "static value");

	/* the values in it are the variables' own */
	skel->percpu->first = 100;
	skel->percpu->behind = 200;
	skel->percpu->__pad0 = 30;
	skel->percpu_tail->wide = 400;
	skel->percpu_tail->narrow = 500;
	skel->percpu_list->list.n = 600;
	skel->percpu_types->huge = 700;
	skel->percpu_types->bits.a = 5;
	skel->percpu_types->bits.b = 800;
	skel->percpu_const->fixed = 900;
	skel->rodata_data->ro = 1000;
	skel->data_rodata->rw = 1100;
	skel->data_list->plain.n = 1200;

	if (!ASSERT_OK(percpu_data_layout__load(skel), "load"))
		goto out;
	ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.add), &opts), "test_run");
	ASSERT_EQ(skel->bss->sum, 100 + 200 + 30 + 400 + 500 + 600 + 700 + 5 + 800 + 900 + 1000 +
		  1100 + 1200 + HIDDEN_SUM, "sum");
out:
	percpu_data_layout__destroy(skel);
}

static void test_lskel_layout(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct percpu_data_layout_lskel *skel;

	skel = percpu_data_layout_lskel__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;

	/* here, the size of the struct is all that a user has */
	ASSERT_EQ(sizeof(*skel->percpu), 56, "static at the end");
	ASSERT_EQ(sizeof(*skel->percpu_tail), roundup(12, sizeof(long)), "nothing hidden");
	ASSERT_EQ(sizeof(*skel->percpu_list), 16, "elements at the end");

	skel->percpu->behind = 200;
	skel->percpu_tail->narrow = 500;
	skel->rodata_data->ro = 1000;

	if (!ASSERT_OK(percpu_data_layout_lskel__load(skel), "load"))
		goto out;
	ASSERT_OK(bpf_prog_test_run_opts(skel->progs.add.prog_fd, &opts), "test_run");
	ASSERT_EQ(skel->bss->sum, 1 + 200 + 5 + 8 + 500 + 3 + 15 + 1 + 16 + 17 + 1000 + 19 +
		  2 + HIDDEN_SUM, "sum");
out:
	percpu_data_layout_lskel__destroy(skel);
}

/* Make a skeleton of an object. */
static char *make_skel(const char *what, int exp_ret)
{
	static char output[64 * 1024];
	char cmd[MAX_BPFTOOL_CMD_LEN];
	int ret;

	memset(output, 0, sizeof(output));
	snprintf(cmd, sizeof(cmd), "gen %s 2>&1", what);
	ret = get_bpftool_command_output(cmd, output, sizeof(output) - 1);
	ASSERT_EQ(!!ret, exp_ret, what);
	return output;
}

/* What has no struct is a map nonetheless. */
static void test_no_struct(void)
{
	char *output;

	output = make_skel("skeleton percpu_data_layout.bpf.o name x", 0);
	ASSERT_HAS_SUBSTR(output, "struct bpf_map *percpu_static;", "static");
	ASSERT_NULL(strstr(output, "x__percpu_static"), "struct of static");
	output = make_skel("skeleton -L percpu_data_layout.bpf.o name x", 0);
	ASSERT_HAS_SUBSTR(output, "struct bpf_map_desc percpu_static;", "lskel static");
	ASSERT_NULL(strstr(output, "x__percpu_static"), "lskel struct of static");
	output = make_skel("subskeleton percpu_data_layout.bpf.o name x", 0);
	ASSERT_HAS_SUBSTR(output, "struct bpf_map *percpu_static;", "subskel static");
	ASSERT_NULL(strstr(output, "x__percpu_static"), "subskel struct of static");

	output = make_skel("skeleton percpu_data_nobtf.bpf.o name x", 0);
	ASSERT_HAS_SUBSTR(output, "struct bpf_map *percpu;", "no BTF");
	ASSERT_HAS_SUBSTR(output, "struct bpf_map *data;", "no BTF");
	ASSERT_NULL(strstr(output, "x__percpu"), "struct without BTF");
	ASSERT_NULL(strstr(output, "x__data"), "struct without BTF");
	output = make_skel("skeleton -L percpu_data_nobtf.bpf.o name x", 0);
	ASSERT_HAS_SUBSTR(output, "struct bpf_map_desc percpu;", "lskel no BTF");
	ASSERT_NULL(strstr(output, "x__percpu"), "lskel struct without BTF");
	output = make_skel("subskeleton percpu_data_nobtf.bpf.o name x", 1);
	ASSERT_HAS_SUBSTR(output, "need btf type information", "subskel no BTF");
}

static void test_ident(void)
{
	static const char msg[] =
		"maps '.percpu.a.b' and '.percpu.a_b' would both be called 'percpu_a_b'";

	ASSERT_HAS_SUBSTR(make_skel("skeleton percpu_data_ident.bpf.o", 1), msg, "skel");
	ASSERT_HAS_SUBSTR(make_skel("skeleton -L percpu_data_ident.bpf.o", 1), msg, "lskel");
	ASSERT_HAS_SUBSTR(make_skel("subskeleton percpu_data_ident.bpf.o", 1), msg, "subskel");
}

void test_percpu_data_skel(void)
{
	if (test__start_subtest("skel"))
		test_skel();
	if (test__start_subtest("lskel"))
		test_lskel();
	if (test__start_subtest("lskel_kernel"))
		test_lskel_kernel();
	if (test__start_subtest("layout"))
		test_layout();
	if (test__start_subtest("lskel_layout"))
		test_lskel_layout();
	if (test__start_subtest("no_struct"))
		test_no_struct();
	if (test__start_subtest("ident"))
		test_ident();
}
