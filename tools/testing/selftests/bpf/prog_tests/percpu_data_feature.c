// SPDX-License-Identifier: GPL-2.0
/*
 * What happens where the kernel or its JIT setting does not support global
 * per-CPU data. Passes on kernels with and without it.
 */

#include <linux/filter.h>
#include "percpu_data_helpers.h"
#include "sysctl_helpers.h"
#include "percpu_data_feature.skel.h"

#define JIT_ENABLE "/proc/sys/net/core/bpf_jit_enable"

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

/* Open, with features that are not known yet except for one that may be @missing. */
static struct percpu_data_feature *open_skel(bool missing)
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
	if (missing)
		cache->res[FEAT_PERCPU_DATA] = FEAT_MISSING;
	bpf_object_set_feat_cache(skel->obj, cache);

	bpf_program__set_autoload(skel->progs.uses, false);
	bpf_program__set_autoload(skel->progs.uses_in_subprog, false);
	return skel;
}

static void check_refused(bool missing, const char *prog, const char *sec)
{
	struct percpu_data_feature *skel = open_skel(missing);
	char msg[128], *log;

	if (!skel)
		return;
	bpf_program__set_autoload(bpf_object__find_program_by_name(skel->obj, prog), true);

	log = load_err_log(skel->obj, -EINVAL);
	snprintf(msg, sizeof(msg), "prog '%s' uses per-CPU data section '%s', but", prog, sec);
	ASSERT_HAS_SUBSTR(log, msg, "what");
	ASSERT_HAS_SUBSTR(log, "the kernel or its BPF JIT setting does not support per-CPU data",
			  "why");
	free(log);
	percpu_data_feature__destroy(skel);
}

static void check_unsupported(bool missing)
{
	struct percpu_data_feature *skel;

	/* programs that don't reach such data are not affected */
	skel = open_skel(missing);
	if (!skel)
		return;
	if (ASSERT_OK(percpu_data_feature__load(skel), "load")) {
		ASSERT_FALSE(bpf_map__autocreate(skel->maps.percpu), "autocreate");
		ASSERT_TRUE(ran_on_cpu(bpf_program__fd(skel->progs.plain), 0), "plain");
		ASSERT_TRUE(ran_on_cpu(bpf_program__fd(skel->progs.guarded), 0), "guarded");
		ASSERT_EQ(skel->bss->plain_counter, 1, "plain_counter");
	}
	percpu_data_feature__destroy(skel);

	check_refused(missing, "uses", ".percpu");
	check_refused(missing, "uses_in_subprog", ".percpu.named");
}

static void check_supported(void)
{
	struct percpu_data_feature *skel = open_skel(false);
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

static void test_jit_off(void)
{
	char old[16];

	/* not where the kernel has no JIT, nor with CONFIG_BPF_JIT_ALWAYS_ON */
	if (sysctl_set(JIT_ENABLE, old, "0") || is_jit_enabled()) {
		test__skip();
		return;
	}
	check_unsupported(false);
	ASSERT_OK(sysctl_set(JIT_ENABLE, NULL, old), "jit_enable");
}

void serial_test_percpu_data_feature(void)
{
	if (test__start_subtest("this_kernel")) {
		if (kernel_supports_percpu_data())
			check_supported();
		else
			check_unsupported(false);
	}
	if (test__start_subtest("missing"))
		check_unsupported(true);
	if (test__start_subtest("jit_off"))
		test_jit_off();
}
