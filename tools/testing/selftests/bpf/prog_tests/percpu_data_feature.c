// SPDX-License-Identifier: GPL-2.0
/*
 * What happens where the kernel or its JIT setting does not support global
 * per-CPU data. Passes on kernels with and without it.
 */

#include <linux/filter.h>
#include "percpu_data_helpers.h"
#include "bpftool_helpers.h"
#include "sysctl_helpers.h"
#include "percpu_data_feature.skel.h"
#include "percpu_data_vars.lskel.h"

#define NO_SUPPORT "the kernel or its BPF JIT does not support per-CPU data"
#define JIT_IS_OFF "net.core.bpf_jit_enable is 0"

#define LONG_NAME "a_name_that_leaves_no_room_for_the_rest_of_the_message_in_a_buffer_of_256_bytes"

/* The same question that libbpf asks, without libbpf's answer. */
static bool kernel_supports_percpu_data(void)
{
	struct bpf_insn insns[] = {
		BPF_LD_IMM64_RAW(BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	int map_fd, prog_fd;

	map_fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "percpu_data", 4, 8, 1, NULL);
	if (!ASSERT_OK_FD(map_fd, "map_create"))
		return false;
	insns[0].imm = map_fd;
	prog_fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns,
				ARRAY_SIZE(insns), NULL);
	close(map_fd);
	if (prog_fd < 0)
		return false;
	close(prog_fd);
	return true;
}

/* Open, with features that are not known yet except for those in @known. */
static struct percpu_data_feature *open_skel(const struct kern_feature_cache *known)
{
	struct percpu_data_feature *skel;
	struct kern_feature_cache *cache;

	skel = percpu_data_feature__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return NULL;
	cache = calloc(1, sizeof(*cache));
	if (!ASSERT_OK_PTR(cache, "cache")) {
		percpu_data_feature__destroy(skel);
		return NULL;
	}
	if (known)
		*cache = *known;
	bpf_object_set_feat_cache(skel->obj, cache);

	bpf_program__set_autoload(skel->progs.uses, false);
	bpf_program__set_autoload(skel->progs.uses_in_subprog, false);
	return skel;
}

static const struct kern_feature_cache missing = {
	.res[FEAT_PERCPU_DATA] = FEAT_MISSING,
};

static void check_rejected(const struct kern_feature_cache *known, const char *prog,
			   const char *sec, const char *why)
{
	struct percpu_data_feature *skel = open_skel(known);
	char msg[512], *log;

	if (!skel)
		return;
	bpf_program__set_autoload(bpf_object__find_program_by_name(skel->obj, prog), true);

	log = load_err_log(skel->obj, -EINVAL);
	snprintf(msg, sizeof(msg), "prog '%s' uses per-CPU data section '%s', but %s",
		 prog, sec, why);
	ASSERT_HAS_SUBSTR(log, msg, "msg");
	free(log);
	percpu_data_feature__destroy(skel);
}

static void check_unsupported(const struct kern_feature_cache *known, const char *why)
{
	struct percpu_data_feature *skel;

	/* programs that don't reach such data are not affected */
	skel = open_skel(known);
	if (!skel)
		return;
	if (ASSERT_OK(percpu_data_feature__load(skel), "load")) {
		ASSERT_FALSE(bpf_map__autocreate(skel->maps.percpu), "autocreate");
		ASSERT_LT(bpf_map__fd(skel->maps.percpu), 0, "fd");
		ASSERT_TRUE(ran_on_cpu(bpf_program__fd(skel->progs.plain), 0), "plain");
		ASSERT_TRUE(ran_on_cpu(bpf_program__fd(skel->progs.guarded), 0), "guarded");
		ASSERT_EQ(skel->bss->plain_counter, 1, "plain_counter");
	}
	percpu_data_feature__destroy(skel);

	check_rejected(known, "uses", ".percpu", why);
	check_rejected(known, "uses_in_subprog", ".percpu.named", why);
	check_rejected(known, LONG_NAME, ".percpu." LONG_NAME "_" LONG_NAME, why);
}

static void check_supported(void)
{
	struct percpu_data_feature *skel = open_skel(NULL);
	long copy;

	if (!skel)
		return;
	bpf_program__set_autoload(skel->progs.uses, true);
	bpf_program__set_autoload(skel->progs.uses_in_subprog, true);
	if (ASSERT_OK(percpu_data_feature__load(skel), "load")) {
		ran_on_cpu(bpf_program__fd(skel->progs.uses), 0);
		if (read_cpu(skel->maps.percpu, 0, &copy))
			ASSERT_EQ(copy, 10 + 1, "counter");
		ran_on_cpu(bpf_program__fd(skel->progs.uses_in_subprog), 0);
		if (read_cpu(skel->maps.percpu_named, 0, &copy))
			ASSERT_EQ(copy, 20 + 1, "named");
	}
	percpu_data_feature__destroy(skel);
}

/* Not where the kernel has no JIT, nor with CONFIG_BPF_JIT_ALWAYS_ON. */
static bool switch_jit_off(char *old)
{
	if (sysctl_set(JIT_ENABLE, old, "0") || is_jit_enabled()) {
		test__skip();
		return false;
	}
	return true;
}

static void test_jit_off(void)
{
	char old[16];

	if (!switch_jit_off(old))
		return;
	check_unsupported(NULL, JIT_IS_OFF);
	ASSERT_OK(sysctl_set(JIT_ENABLE, NULL, old), "jit_enable");
}

/* The error is all that a light skeleton can tell. */
static void check_lskel_rejected(int exp_err)
{
	struct percpu_data_vars_lskel *skel = percpu_data_vars_lskel__open();

	if (ASSERT_OK_PTR(skel, "open"))
		ASSERT_EQ(percpu_data_vars_lskel__load(skel), exp_err, "load");
	percpu_data_vars_lskel__destroy(skel);
}

static void test_jit_off_lskel(void)
{
	/* a kernel that has no per-CPU data rejects the map before */
	int exp_err = kernel_supports_percpu_data() ? -EOPNOTSUPP : -EINVAL;
	char old[16];

	if (!switch_jit_off(old))
		return;
	check_lskel_rejected(exp_err);
	ASSERT_OK(sysctl_set(JIT_ENABLE, NULL, old), "jit_enable");
}

/* Load with what a process knows by now, and add what it learns. */
static int load_in_process(struct kern_feature_cache *known, bool uses)
{
	struct kern_feature_cache *cache;
	struct percpu_data_feature *skel;
	int err;

	skel = open_skel(NULL);
	if (!skel)
		return -ENOMEM;
	cache = malloc(sizeof(*cache));
	if (!ASSERT_OK_PTR(cache, "cache")) {
		err = -ENOMEM;
		goto out;
	}
	*cache = *known;
	bpf_object_set_feat_cache(skel->obj, cache);
	bpf_program__set_autoload(skel->progs.uses, uses);
	/* not reachable, but the kernel only sees that later */
	bpf_program__set_autoload(skel->progs.guarded, false);
	err = percpu_data_feature__load(skel);
	*known = *cache;
	if (!err && uses)
		ASSERT_TRUE(ran_on_cpu(bpf_program__fd(skel->progs.uses), 0), "uses");
out:
	percpu_data_feature__destroy(skel);
	return err;
}

/* A long-running process loads objects, and the administrator switches the JIT on and off. */
static void test_jit_switched(void)
{
	struct kern_feature_cache known = {};
	char old[16];

	if (!kernel_supports_percpu_data() || !switch_jit_off(old)) {
		test__skip();
		return;
	}
	ASSERT_ERR(load_in_process(&known, true), "off");
	ASSERT_OK(load_in_process(&known, false), "off_unused");
	ASSERT_OK(sysctl_set(JIT_ENABLE, NULL, old), "jit_enable");
	ASSERT_OK(load_in_process(&known, true), "on");
	ASSERT_EQ(known.res[FEAT_PERCPU_DATA], FEAT_SUPPORTED, "remembered");
	ASSERT_OK(sysctl_set(JIT_ENABLE, NULL, "0"), "jit_disable");
	ASSERT_ERR(load_in_process(&known, true), "off_again");
	ASSERT_OK(load_in_process(&known, false), "off_again_unused");
	ASSERT_OK(sysctl_set(JIT_ENABLE, NULL, old), "jit_enable");
}

/* All that has to be done to maps is done when the object is prepared. */
static void test_prepare(void)
{
	struct percpu_data_feature *skel = open_skel(NULL);
	long copy;

	if (!skel)
		return;
	if (!kernel_supports_percpu_data()) {
		test__skip();
		goto out;
	}
	skel->percpu->counter = 30;
	bpf_program__set_autoload(skel->progs.uses, true);
	if (!ASSERT_OK(bpf_object__prepare(skel->obj), "prepare"))
		goto out;
	ASSERT_TRUE(write_faults(skel->percpu), "write");
	ASSERT_EQ(bpf_map__set_value_size(skel->maps.percpu, 16), -EBUSY, "set_value_size");
	if (read_cpu(skel->maps.percpu, 0, &copy))
		ASSERT_EQ(copy, 30, "prepared");

	if (!ASSERT_OK(percpu_data_feature__load(skel), "load"))
		goto out;
	ran_on_cpu(bpf_program__fd(skel->progs.uses), 0);
	if (read_cpu(skel->maps.percpu, 0, &copy))
		ASSERT_EQ(copy, 30 + 1, "counted");
out:
	percpu_data_feature__destroy(skel);
}

static void check_prepare_missing(void)
{
	struct percpu_data_feature *skel = open_skel(&missing);

	if (!skel)
		return;
	ASSERT_OK(bpf_object__prepare(skel->obj), "prepare");
	ASSERT_LT(bpf_map__fd(skel->maps.percpu), 0, "fd");
	ASSERT_OK(percpu_data_feature__load(skel), "load");
	percpu_data_feature__destroy(skel);
}

/* What the user doesn't want is nothing that the kernel lacks. */
static void test_autocreate(void)
{
	struct percpu_data_feature *skel = open_skel(NULL);
	char *log;

	if (!skel)
		return;
	ASSERT_OK(bpf_map__set_autocreate(skel->maps.percpu, false), "set_autocreate");
	if (ASSERT_OK(percpu_data_feature__load(skel), "load")) {
		ASSERT_LT(bpf_map__fd(skel->maps.percpu), 0, "fd");
		ASSERT_TRUE(ran_on_cpu(bpf_program__fd(skel->progs.plain), 0), "plain");
		ASSERT_TRUE(ran_on_cpu(bpf_program__fd(skel->progs.guarded), 0), "guarded");
	}
	percpu_data_feature__destroy(skel);

	skel = open_skel(NULL);
	if (!skel)
		return;
	ASSERT_OK(bpf_map__set_autocreate(skel->maps.percpu, false), "set_autocreate");
	bpf_program__set_autoload(skel->progs.uses, true);
	log = load_err_log(skel->obj, -EINVAL);
	ASSERT_HAS_SUBSTR(log, "BPF map '.percpu' is referenced but wasn't created", "log");
	free(log);
	percpu_data_feature__destroy(skel);
}

/* "bpftool feature probe" gives the same answer. */
static void check_bpftool(bool supported)
{
	static char out[1024 * 1024];

	if (!ASSERT_OK(get_bpftool_command_output("-j feature probe kernel", out, sizeof(out)),
		       "bpftool"))
		return;
	ASSERT_HAS_SUBSTR(out, supported ? "\"have_percpu_data\":true" :
					   "\"have_percpu_data\":false", "have_percpu_data");
}

static void test_bpftool(void)
{
	bool supported = kernel_supports_percpu_data();
	char old[16];

	check_bpftool(supported);
	if (!supported || sysctl_set(JIT_ENABLE, old, "0"))
		return;
	if (!is_jit_enabled())
		check_bpftool(false);
	ASSERT_OK(sysctl_set(JIT_ENABLE, NULL, old), "jit_enable");
}

/* The JIT lacks the instruction that makes an address of a per-CPU offset. */
static void test_no_insn(void)
{
	if (!kernel_supports_percpu_data()) {
		test__skip();
		return;
	}
	if (!load_no_percpu_insn())
		return;
	check_unsupported(NULL, NO_SUPPORT);
	check_lskel_rejected(-EOPNOTSUPP);
	check_bpftool(false);
	unload_no_percpu_insn();
	check_supported();
}

void serial_test_percpu_data_feature(void)
{
	if (test__start_subtest("this_kernel")) {
		if (kernel_supports_percpu_data())
			check_supported();
		else
			check_unsupported(NULL, is_jit_enabled() ? NO_SUPPORT : JIT_IS_OFF);
	}
	if (test__start_subtest("missing"))
		check_unsupported(&missing, is_jit_enabled() ? NO_SUPPORT : JIT_IS_OFF);
	if (test__start_subtest("jit_off"))
		test_jit_off();
	if (test__start_subtest("jit_off_lskel"))
		test_jit_off_lskel();
	if (test__start_subtest("jit_switched"))
		test_jit_switched();
	if (test__start_subtest("prepare"))
		test_prepare();
	if (test__start_subtest("prepare_missing"))
		check_prepare_missing();
	if (test__start_subtest("autocreate"))
		test_autocreate();
	if (test__start_subtest("bpftool"))
		test_bpftool();
	if (test__start_subtest("no_insn"))
		test_no_insn();
}
