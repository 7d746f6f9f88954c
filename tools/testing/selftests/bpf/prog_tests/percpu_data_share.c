// SPDX-License-Identifier: GPL-2.0
/* Per-CPU data that is shared by objects and by programs, counted from both sides */

#include "percpu_data_helpers.h"
#include "percpu_data_share.skel.h"
#include "percpu_data_share_ext.skel.h"
#include "percpu_data_share_other.skel.h"

#define PIN_PATH "/sys/fs/bpf/percpu_data_share"

/* Both objects count on each CPU, and each sees the other's. */
static void check_shared(struct percpu_data_share *one, struct percpu_data_share *two)
{
	int cpu, nr_cpus = libbpf_num_possible_cpus();
	struct percpu_data_share__percpu vars1, vars2;

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		int ran = ran_on_cpu(bpf_program__fd(one->progs.count), cpu) +
			  ran_on_cpu(bpf_program__fd(two->progs.count), cpu);

		if (!read_cpu(one->maps.percpu, cpu, &vars1) ||
		    !read_cpu(two->maps.percpu, cpu, &vars2))
			return;
		/* the second object's initial image must not have replaced the first one's */
		ASSERT_EQ(vars1.shared.count, 10 + ran, "count1");
		ASSERT_EQ(vars2.shared.count, 10 + ran, "count2");
	}
}

static void test_reuse_fd(void)
{
	struct percpu_data_share *one = NULL, *two = NULL;

	one = percpu_data_share__open_and_load();
	if (!ASSERT_OK_PTR(one, "open_and_load"))
		return;
	two = percpu_data_share__open();
	if (!ASSERT_OK_PTR(two, "open"))
		goto out;

	two->percpu->shared.count = 1000;
	if (!ASSERT_OK(bpf_map__reuse_fd(two->maps.percpu, bpf_map__fd(one->maps.percpu)),
		       "reuse_fd") ||
	    !ASSERT_OK(percpu_data_share__load(two), "load"))
		goto out;
	ASSERT_STREQ(bpf_map__name(two->maps.percpu), ".percpu", "name");
	check_shared(one, two);
out:
	percpu_data_share__destroy(two);
	percpu_data_share__destroy(one);
}

static void test_pin(void)
{
	struct percpu_data_share *skels[2] = {};
	int i;

	for (i = 0; i < 2; i++) {
		skels[i] = percpu_data_share__open();
		if (!ASSERT_OK_PTR(skels[i], "open"))
			goto out;
		skels[i]->percpu->shared.count = 10 + 1000 * i;
		if (!ASSERT_OK(bpf_map__set_pin_path(skels[i]->maps.percpu, PIN_PATH),
			       "set_pin_path") ||
		    !ASSERT_OK(percpu_data_share__load(skels[i]), "load"))
			goto out;
		ASSERT_TRUE(bpf_map__is_pinned(skels[i]->maps.percpu), "is_pinned");
	}
	check_shared(skels[0], skels[1]);
out:
	unlink(PIN_PATH);
	percpu_data_share__destroy(skels[1]);
	percpu_data_share__destroy(skels[0]);
}

/* Neither way takes a map that is something else. */
static void check_incompatible(enum bpf_map_type type, __u32 value_size, __u32 max_entries,
			       const char *reuse_msg, const char *pin_msg)
{
	struct percpu_data_share *skel;
	int map_fd, err;
	char *log;

	map_fd = bpf_map_create(type, "other", sizeof(int), value_size, max_entries, NULL);
	if (!ASSERT_OK_FD(map_fd, "map_create"))
		return;
	skel = percpu_data_share__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		goto out;

	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		goto out;
	err = bpf_map__reuse_fd(skel->maps.percpu, map_fd);
	log = stop_libbpf_log_capture();
	ASSERT_EQ(err, -EINVAL, "reuse_fd");
	ASSERT_HAS_SUBSTR(log, "map '.percpu': can't reuse map 'other'", "reuse_fd_log");
	ASSERT_HAS_SUBSTR(log, reuse_msg, "reuse_fd_reason");
	free(log);

	if (!ASSERT_OK(bpf_obj_pin(map_fd, PIN_PATH), "pin") ||
	    !ASSERT_OK(bpf_map__set_pin_path(skel->maps.percpu, PIN_PATH), "set_pin_path"))
		goto out;
	log = load_err_log(skel->obj, -EINVAL);
	ASSERT_HAS_SUBSTR(log, "couldn't reuse pinned map at '" PIN_PATH "': parameter mismatch",
			  "pin_log");
	ASSERT_HAS_SUBSTR(log, pin_msg, "pin_reason");
	free(log);
out:
	unlink(PIN_PATH);
	percpu_data_share__destroy(skel);
	close(map_fd);
}

static void test_incompatible(void)
{
	check_incompatible(BPF_MAP_TYPE_ARRAY, 40, 1,
			   "(array, 1 entries), need percpu_array, 1 entry",
			   "map '.percpu': pinned map is of type array, need percpu_array");
	check_incompatible(BPF_MAP_TYPE_PERCPU_ARRAY, 48, 1,
			   "with value size 48, need 40",
			   "map '.percpu': pinned map has value_size 48, need 40");
	check_incompatible(BPF_MAP_TYPE_PERCPU_ARRAY, 40, 2,
			   "(percpu_array, 2 entries), need percpu_array, 1 entry",
			   "map '.percpu': pinned map has max_entries 2, need 1");
}

/* The size doesn't tell which variables a map holds, its BTF does. */
static void check_other_vars(struct bpf_map *map, struct bpf_map *old_map, const char *msg)
{
	char *log;
	int err;

	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		return;
	err = bpf_map__reuse_fd(map, bpf_map__fd(old_map));
	log = stop_libbpf_log_capture();
	ASSERT_OK(err, "reuse_fd");
	if (msg)
		ASSERT_HAS_SUBSTR(log, msg, "log");
	else
		ASSERT_STREQ(log, "", "no_log");
	free(log);
}

static void test_other_vars(void)
{
	struct percpu_data_share_other *other = NULL, *again = NULL;
	struct percpu_data_share_ext *ext = NULL;
	struct percpu_data_share *skel;

	skel = percpu_data_share__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;
	ext = percpu_data_share_ext__open();
	other = percpu_data_share_other__open();
	again = percpu_data_share_other__open();
	if (!ASSERT_OK_PTR(ext, "open_ext") || !ASSERT_OK_PTR(other, "open_other") ||
	    !ASSERT_OK_PTR(again, "open_again"))
		goto out;
	check_other_vars(ext->maps.percpu, skel->maps.percpu, NULL);
	check_other_vars(other->maps.percpu, skel->maps.percpu,
			 "has variable 'shared' at offset 0, the section has 'caller' at 0");

	/* a .data section does not become per CPU by getting such a map */
	ASSERT_EQ(bpf_map__reuse_fd(other->maps.data_share, bpf_map__fd(skel->maps.percpu)),
		  -EINVAL, "data");
	ASSERT_OK(bpf_map__set_pin_path(skel->maps.percpu, PIN_PATH), "set_pin_path");
	if (!ASSERT_OK(bpf_map__pin(skel->maps.percpu, NULL), "pin"))
		goto out;
	ASSERT_OK(bpf_map__set_pin_path(again->maps.data_share, PIN_PATH), "set_data_pin_path");
	ASSERT_EQ(percpu_data_share_other__load(again), -EINVAL, "load_data");
out:
	unlink(PIN_PATH);
	percpu_data_share_other__destroy(again);
	percpu_data_share_other__destroy(other);
	percpu_data_share_ext__destroy(ext);
	percpu_data_share__destroy(skel);
}

/* The callee reads what the caller wrote, on the same CPU. */
static void test_tail_call(void)
{
	int i, cpu, nr_cpus = libbpf_num_possible_cpus();
	struct percpu_data_share *skel;
	struct percpu_data_share__percpu vars;

	skel = percpu_data_share__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		bool ran = false;

		for (i = 0; i < 3; i++)
			ran = ran_on_cpu(bpf_program__fd(skel->progs.caller), cpu);
		if (!read_cpu(skel->maps.percpu, cpu, &vars))
			break;
		ASSERT_EQ(vars.shared.caller, ran ? 3 : 0, "caller");
		ASSERT_EQ(vars.shared.callee, ran ? 1 + 2 + 3 : 0, "callee");
	}
	percpu_data_share__destroy(skel);
}

static void test_freplace(void)
{
	int cpu, nr_cpus = libbpf_num_possible_cpus();
	struct percpu_data_share_ext *ext = NULL;
	struct percpu_data_share *skel;
	struct bpf_link *link = NULL;
	struct percpu_data_share__percpu vars;

	skel = percpu_data_share__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;
	ext = percpu_data_share_ext__open();
	if (!ASSERT_OK_PTR(ext, "open_ext"))
		goto out;
	if (!ASSERT_OK(bpf_program__set_attach_target(ext->progs.replacement,
						      bpf_program__fd(skel->progs.target),
						      "replaced"), "set_attach_target") ||
	    !ASSERT_OK(bpf_map__reuse_fd(ext->maps.percpu, bpf_map__fd(skel->maps.percpu)),
		       "reuse_fd") ||
	    !ASSERT_OK(percpu_data_share_ext__load(ext), "load_ext"))
		goto out;

	ran_on_cpu(bpf_program__fd(skel->progs.target), 0);
	if (!read_cpu(skel->maps.percpu, 0, &vars))
		goto out;
	ASSERT_EQ(vars.shared.target, 1 + 3, "not_replaced");

	link = bpf_program__attach_trace(ext->progs.replacement);
	if (!ASSERT_OK_PTR(link, "attach"))
		goto out;
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		/* the extension adds what the target has counted, and 3 */
		bool ran = ran_on_cpu(bpf_program__fd(skel->progs.target), cpu);
		long target = (cpu ? 0 : 4) + ran;

		if (!read_cpu(skel->maps.percpu, cpu, &vars))
			break;
		ASSERT_EQ(vars.shared.target, target, "target");
		ASSERT_EQ(vars.shared.extension, ran ? target + 3 : 0, "extension");
	}
out:
	bpf_link__destroy(link);
	percpu_data_share_ext__destroy(ext);
	percpu_data_share__destroy(skel);
}

void test_percpu_data_share(void)
{
	if (test__start_subtest("reuse_fd"))
		test_reuse_fd();
	if (test__start_subtest("pin"))
		test_pin();
	if (test__start_subtest("incompatible"))
		test_incompatible();
	if (test__start_subtest("other_vars"))
		test_other_vars();
	if (test__start_subtest("tail_call"))
		test_tail_call();
	if (test__start_subtest("freplace"))
		test_freplace();
}
