// SPDX-License-Identifier: GPL-2.0
/*
 * Only the JIT can turn per-CPU offsets into addresses: without it, programs
 * that use global per-CPU data must not load. Serial, since the JIT's settings
 * are the whole system's.
 */

#include <linux/filter.h>
#include "percpu_data_helpers.h"
#include "sysctl_helpers.h"
#include "percpu_data_jit_fail.skel.h"

#define JIT_LIMIT	"/proc/sys/net/core/bpf_jit_limit"

#define JIT_REQUIRED	"JIT is required to use global percpu data"
#define JIT_LACKS_INSN	"JIT does not support global percpu data"
#define TWO_ELEMENTS	"direct value access to percpu_array map needs 1 element, not 2"

static char log_buf[16 * 1024];
static int map_fd;

static int load_prog(const struct bpf_insn *insns, size_t cnt)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_level = 1, .fd_array = &map_fd);

	opts.log_buf = log_buf;
	opts.log_size = sizeof(log_buf);
	log_buf[0] = 0;
	return bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns, cnt, &opts);
}

static const __u8 forms[] = { BPF_PSEUDO_MAP_VALUE, BPF_PSEUDO_MAP_IDX_VALUE };

/* Load a program that uses per-CPU data, or a constant in its place if @form is 0. */
static int load_with(bool subprog, __u8 form)
{
	struct bpf_insn main_insns[] = {
		BPF_LD_IMM64_RAW(BPF_REG_1, form, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	struct bpf_insn subprog_insns[] = {
		BPF_CALL_REL(1),
		BPF_EXIT_INSN(),
		BPF_LD_IMM64_RAW(BPF_REG_1, form, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};

	if (form == BPF_PSEUDO_MAP_VALUE) {
		main_insns[0].imm = map_fd;
		subprog_insns[2].imm = map_fd;
	}

	if (subprog)
		return load_prog(subprog_insns, ARRAY_SIZE(subprog_insns));
	return load_prog(main_insns, ARRAY_SIZE(main_insns));
}

static void check_all_rejected(const char *msg)
{
	for (int subprog = 0; subprog <= 1; subprog++) {
		for (int i = 0; i < ARRAY_SIZE(forms); i++) {
			ASSERT_EQ(load_with(subprog, forms[i]), -EOPNOTSUPP, "load");
			ASSERT_HAS_SUBSTR(log_buf, msg, "log");
		}
	}
}

static void check_rejected(const char *msg)
{
	int one_fd = map_fd, fd;

	check_all_rejected(msg);

	/* no JIT would make up for the elements */
	map_fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "percpu_data", sizeof(int), 8, 2, NULL);
	if (ASSERT_GE(map_fd, 0, "map"))
		check_all_rejected(TWO_ELEMENTS);
	close(map_fd);
	map_fd = one_fd;

	fd = load_with(true, 0);
	ASSERT_GE(fd, 0, "without per-CPU data");
	close(fd);
}

/* Not every JIT has the instruction. */
static void test_on(void)
{
#if defined(__x86_64__) || defined(__aarch64__) || defined(__powerpc__) || \
	(defined(__riscv) && __riscv_xlen == 64) || defined(__s390x__) || defined(__loongarch__)
	int fd = load_with(false, BPF_PSEUDO_MAP_VALUE);

	ASSERT_GE(fd, 0, "load");
	close(fd);
#else
	check_rejected(JIT_LACKS_INSN);
#endif
}

/* What a JIT without the instruction does, on one that has it */
static void test_no_insn(void)
{
	if (!load_no_percpu_insn())
		return;
	check_rejected(JIT_LACKS_INSN);
	unload_no_percpu_insn();
}

/* No JIT asked for. */
static void test_off(void)
{
	char old[16];

	if (sysctl_set_or_fail(JIT_ENABLE, old, "0"))
		return;
	if (is_jit_enabled()) {
		/* cannot be switched off with CONFIG_BPF_JIT_ALWAYS_ON */
		test__skip();
		return;
	}
	check_rejected(JIT_REQUIRED);
	sysctl_set_or_fail(JIT_ENABLE, NULL, old);
}

/* The JIT was asked for, and fails. */
static void check_fail(struct percpu_data_jit_fail *skel, bool subprog, __u8 form)
{
	struct bpf_prog_info info;
	__u32 len = sizeof(info);
	int fd, call;

	/* each function is a call of its own, until none is left that asks for memory */
	for (call = 1; call < 10; call++) {
		skel->bss->calls = 0;
		skel->bss->denied = 0;
		skel->bss->fail_call = call;
		fd = load_with(subprog, form);
		skel->bss->fail_call = 0;
		if (!skel->bss->denied)
			break;

		if (form) {
			ASSERT_LT(fd, 0, subprog ? "subprog" : "main");
		} else if (fd >= 0) {
			/* there is no interpreter with CONFIG_BPF_JIT_ALWAYS_ON */
			memset(&info, 0, sizeof(info));
			ASSERT_OK(bpf_prog_get_info_by_fd(fd, &info, &len), "info");
			ASSERT_EQ(info.jited_prog_len, 0, "jited");
		}
		close(fd);
	}

	ASSERT_EQ(call, subprog ? 3 : 2, "calls that failed");
	if (ASSERT_GE(fd, 0, "load without failure"))
		close(fd);
}

static void test_fail(const char *harden)
{
	char old_harden[16] = "", old_limit[32] = "";
	struct percpu_data_jit_fail *skel;

	skel = percpu_data_jit_fail__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;
	skel->bss->tgid = getpid();
	if (!ASSERT_OK(percpu_data_jit_fail__attach(skel), "attach") ||
	    sysctl_set_or_fail(JIT_HARDEN, old_harden, harden) ||
	    sysctl_set_or_fail(JIT_LIMIT, old_limit, "1"))
		goto out;

	for (int subprog = 0; subprog <= 1; subprog++) {
		check_fail(skel, subprog, 0);
		for (int i = 0; i < ARRAY_SIZE(forms); i++)
			check_fail(skel, subprog, forms[i]);
	}
out:
	if (old_limit[0])
		sysctl_set_or_fail(JIT_LIMIT, NULL, old_limit);
	if (old_harden[0])
		sysctl_set_or_fail(JIT_HARDEN, NULL, old_harden);
	percpu_data_jit_fail__destroy(skel);
}

/* Constant blinding splits the load of the offset, the register has to end up the same. */
static void test_blinded(void)
{
	struct bpf_insn insns[] = {
		BPF_LD_IMM64_RAW(BPF_REG_8, BPF_PSEUDO_MAP_VALUE, map_fd),
		BPF_CALL_REL(2),
		BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_8, 0),
		BPF_EXIT_INSN(),
		BPF_LD_IMM64_RAW(BPF_REG_1, BPF_PSEUDO_MAP_VALUE, map_fd),
		BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, 0),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, 5),
		BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_2, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = BPF_F_TEST_RUN_ON_CPU);
	char old[16];
	int fd;

	if (sysctl_set_or_fail(JIT_HARDEN, old, "2"))
		return;
	fd = load_prog(insns, ARRAY_SIZE(insns));
	sysctl_set_or_fail(JIT_HARDEN, NULL, old);
	if (!ASSERT_GE(fd, 0, "load"))
		return;
	for (int i = 1; i <= 3; i++) {
		ASSERT_OK(bpf_prog_test_run_opts(fd, &opts), "test_run");
		ASSERT_EQ(opts.retval, 5 * i, "retval");
	}
	close(fd);
}

void serial_test_percpu_data_jit(void)
{
	map_fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "percpu_data", sizeof(int), 8, 1, NULL);
	if (!ASSERT_GE(map_fd, 0, "map"))
		return;

	if (test__start_subtest("off"))
		test_off();
	if (test__start_subtest("on"))
		test_on();
	if (test__start_subtest("no_insn"))
		test_no_insn();
	if (test__start_subtest("fail"))
		test_fail("0");
	if (test__start_subtest("fail_blinded"))
		test_fail("2");
	if (test__start_subtest("blinded"))
		test_blinded();

	close(map_fd);
}
