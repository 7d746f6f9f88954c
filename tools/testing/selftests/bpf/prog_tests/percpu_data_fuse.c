// SPDX-License-Identifier: GPL-2.0
/*
 * JITs may access global per-CPU data without computing its address first, and
 * compute one address from another. Whatever they do, a program must do the
 * same as one that looks its addresses up: compare what thousands of random
 * programs return and leave in the memory of every CPU. Serial, since the JIT's
 * settings are the whole system's.
 *
 * PERCPU_FUSE_SEED=n in the environment begins with another program than usual
 * (and prints it if it fails), PERCPU_FUSE_PROGS=n sets how many there are.
 */

#define _GNU_SOURCE
#include <sched.h>
#include "percpu_data_helpers.h"
#include "percpu_data_gen.h"
#include "cap_helpers.h"
#include "sysctl_helpers.h"
#include "percpu_data_linfo.skel.h"

#define JIT_HARDEN	"/proc/sys/net/core/bpf_jit_harden"

static char log_buf[64 * 1024];
static int nr_cpus, nr_progs = 400;
static unsigned long long first_seed = 1;
static int zero;

struct setup {
	int direct_fd;
	int lookup_fd;
	__u32 value_size;
	bool priv;
	__u32 flags;
	char *before, *direct, *lookup;	/* copies of all CPUs */
};

static int create(__u32 value_size)
{
	return bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "percpu_data", sizeof(int), value_size, 1,
			      NULL);
}

static int load(struct setup *s, const struct bpf_insn *insns, int cnt, bool verbose)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = s->flags);
	__u64 caps;
	int fd;

	if (verbose) {
		opts.log_level = 2;
		opts.log_buf = log_buf;
		opts.log_size = sizeof(log_buf);
		log_buf[0] = 0;
	}
	if (!s->priv && !ASSERT_OK(cap_disable_effective(1ULL << CAP_SYS_ADMIN |
							 1ULL << CAP_PERFMON, &caps), "caps"))
		return -EPERM;
	fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, NULL, "GPL", insns, cnt, &opts);
	if (!s->priv)
		ASSERT_OK(cap_enable_effective(caps, NULL), "caps");
	return fd;
}

/* Run a program on some CPUs, compute a hash of what it returns. */
static int run(int fd, unsigned long long seed, __u32 *hash)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	char packet[64] = {};
	cpu_set_t cpus;
	int i, err;

	opts.data_in = packet;
	opts.data_size_in = sizeof(packet);

	*hash = 0;
	for (i = 0; i < 3; i++) {
		int cpu = (seed + i / 2) % nr_cpus;

		if (!runs_of(cpu))
			continue;
		CPU_ZERO(&cpus);
		CPU_SET(cpu, &cpus);
		err = sched_setaffinity(0, sizeof(cpus), &cpus);
		err = err ?: bpf_prog_test_run_opts(fd, &opts);
		if (err)
			return err;
		*hash = *hash * 31 + opts.retval;
	}
	return 0;
}

static void fill(struct setup *s, unsigned long long seed)
{
	int i, size = s->value_size * nr_cpus / sizeof(int);

	srand(seed);
	for (i = 0; i < size; i++)
		((int *)s->before)[i] = rand() << 16 ^ rand();
}

/* Return 1 if the programs did the same, 0 if they differ, -1 if the verifier rejects them. */
static int compare(struct setup *s, struct percpu_gen *g, unsigned long long seed)
{
	struct bpf_insn direct[GEN_MAX_INSNS], lookup[GEN_MAX_INSNS];
	int base, direct_prog, lookup_prog, ret = -1, err;
	__u32 direct_hash, lookup_hash;

	percpu_gen(g, seed, s->lookup_fd, s->priv);
	base = seed % ((s->value_size - GEN_WINDOW) / 8 + 1) * 8;
	percpu_gen_variant(g, GEN_DIRECT, s->direct_fd, base, direct);
	percpu_gen_variant(g, GEN_LOOKUP, s->lookup_fd, base, lookup);

	direct_prog = load(s, direct, g->cnt, false);
	lookup_prog = load(s, lookup, g->cnt, false);
	if (direct_prog < 0 || lookup_prog < 0)
		goto out;

	fill(s, seed);
	err = bpf_map_update_elem(s->direct_fd, &zero, s->before, 0);
	err = err ?: bpf_map_update_elem(s->lookup_fd, &zero, s->before, 0);
	err = err ?: run(direct_prog, seed, &direct_hash);
	err = err ?: run(lookup_prog, seed, &lookup_hash);
	err = err ?: bpf_map_lookup_elem(s->direct_fd, &zero, s->direct);
	err = err ?: bpf_map_lookup_elem(s->lookup_fd, &zero, s->lookup);
	if (!ASSERT_OK(err, "update, run, lookup"))
		goto out;
	ret = direct_hash == lookup_hash &&
	      !memcmp(s->direct, s->lookup, (size_t)s->value_size * nr_cpus);
out:
	if (direct_prog >= 0)
		close(direct_prog);
	if (lookup_prog >= 0)
		close(lookup_prog);
	return ret;
}

static void print_prog(struct setup *s, struct percpu_gen *g)
{
	struct bpf_insn insns[GEN_MAX_INSNS];
	int fd;

	percpu_gen_variant(g, GEN_DIRECT, s->direct_fd, 0, insns);
	fd = load(s, insns, g->cnt, true);
	if (fd >= 0)
		close(fd);
	fprintf(stderr, "%s\n", log_buf);
}

static void test_random(__u32 value_size, const char *harden, bool priv, __u32 flags)
{
	struct setup s = { .value_size = value_size, .priv = priv, .flags = flags };
	int i, ret, same = 0, rejected = 0;
	struct percpu_gen *g = NULL;
	char old[16] = "";
	cpu_set_t cpus;

	if (!ASSERT_OK(sched_getaffinity(0, sizeof(cpus), &cpus), "affinity"))
		return;
	s.direct_fd = create(value_size);
	s.lookup_fd = create(value_size);
	s.before = calloc(nr_cpus, value_size);
	s.direct = calloc(nr_cpus, value_size);
	s.lookup = calloc(nr_cpus, value_size);
	g = malloc(sizeof(*g));
	if (!ASSERT_GE(s.direct_fd, 0, "map") || !ASSERT_GE(s.lookup_fd, 0, "map") ||
	    !ASSERT_OK_PTR(s.before, "before") || !ASSERT_OK_PTR(s.direct, "direct") ||
	    !ASSERT_OK_PTR(s.lookup, "lookup") || !ASSERT_OK_PTR(g, "gen") ||
	    sysctl_set_or_fail(JIT_HARDEN, old, harden))
		goto out;

	for (i = 0; i < nr_progs; i++) {
		ret = compare(&s, g, first_seed + i);
		if (ret < 0) {
			rejected++;
			if (getenv("PERCPU_FUSE_REJECTED"))
				print_prog(&s, g);
			continue;
		}
		same += ret;
		if (!ret) {
			fprintf(stderr, "PERCPU_FUSE_SEED=%llu\n", first_seed + i);
			if (getenv("PERCPU_FUSE_SEED"))
				print_prog(&s, g);
		}
	}
	fprintf(stdout, "%d programs, first %llu: %d rejected\n", nr_progs, first_seed, rejected);
	ASSERT_EQ(same, nr_progs - rejected, "same");
	/* the verifier has to be content with most of them for the test to mean something */
	ASSERT_LE(rejected, nr_progs / (priv ? 10 : 2), "rejected");
out:
	if (old[0])
		sysctl_set_or_fail(JIT_HARDEN, NULL, old);
	ASSERT_OK(sched_setaffinity(0, sizeof(cpus), &cpus), "affinity");
	free(g);
	free(s.before);
	free(s.direct);
	free(s.lookup);
	close(s.direct_fd);
	close(s.lookup_fd);
}

/* Sharing an address removes instructions, and the JIT must still find the tail call. */
/* libbpf wants each line of a function at an address of its own, with code or without. */
static void test_line_info(void)
{
	struct bpf_line_info lines[32];
	struct bpf_prog_info info = {
		.nr_line_info = ARRAY_SIZE(lines),
		.line_info = ptr_to_u64(lines),
		.line_info_rec_size = sizeof(*lines),
	};
	struct percpu_data_linfo *skel = percpu_data_linfo__open_and_load();
	struct bpf_prog_linfo *linfo = NULL;
	__u64 jited_lines[32], ksyms[2];
	__u32 lens[2], len = sizeof(info);

	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;
	info.nr_jited_line_info = ARRAY_SIZE(jited_lines);
	info.jited_line_info = ptr_to_u64(jited_lines);
	info.jited_line_info_rec_size = sizeof(*jited_lines);
	info.nr_jited_ksyms = ARRAY_SIZE(ksyms);
	info.jited_ksyms = ptr_to_u64(ksyms);
	info.nr_jited_func_lens = ARRAY_SIZE(lens);
	info.jited_func_lens = ptr_to_u64(lens);
	if (!ASSERT_OK(bpf_prog_get_info_by_fd(bpf_program__fd(skel->progs.count), &info, &len),
		       "info"))
		goto out;
	ASSERT_EQ(info.nr_jited_ksyms, ARRAY_SIZE(ksyms), "functions");
	linfo = bpf_prog_linfo__new(&info);
	if (ASSERT_OK_PTR(linfo, "linfo"))
		ASSERT_OK_PTR(bpf_prog_linfo__lfind_addr_func(linfo, ksyms[1], 1, 0), "line");
out:
	bpf_prog_linfo__free(linfo);
	percpu_data_linfo__destroy(skel);
}

static void test_tail_call(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	char packet[64] = {};
	int progs_fd, map_fd, main_fd = -1, callee_fd = -1;
	struct setup s = { .priv = true };

	opts.data_in = packet;
	opts.data_size_in = sizeof(packet);
	map_fd = create(24);
	progs_fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, NULL, sizeof(int), sizeof(int), 1, NULL);
	if (!ASSERT_GE(map_fd, 0, "map") || !ASSERT_GE(progs_fd, 0, "progs"))
		goto out;

	struct bpf_insn callee[] = {
		BPF_MOV64_IMM(BPF_REG_0, 42),
		BPF_EXIT_INSN(),
	};
	struct bpf_insn insns[] = {
		BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),
		BPF_CALL_REL(16),
		BPF_LD_MAP_VALUE(BPF_REG_7, map_fd, 0),
		BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_7, -8),
		BPF_LD_MAP_VALUE(BPF_REG_7, map_fd, 8),
		BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_7, -16),
		BPF_LD_MAP_VALUE(BPF_REG_7, map_fd, 16),
		BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_7, -24),
		BPF_MOV64_REG(BPF_REG_1, BPF_REG_6),
		BPF_LD_MAP_FD(BPF_REG_2, progs_fd),
		BPF_MOV64_IMM(BPF_REG_3, 0),
		BPF_EMIT_CALL(BPF_FUNC_tail_call),
		BPF_MOV64_IMM(BPF_REG_0, 1),
		BPF_EXIT_INSN(),
		/* the subprogram */
		BPF_MOV64_IMM(BPF_REG_0, 2),
		BPF_MOV64_IMM(BPF_REG_1, 3),
		BPF_MOV64_IMM(BPF_REG_2, 4),
		BPF_EXIT_INSN(),
	};

	main_fd = load(&s, insns, ARRAY_SIZE(insns), false);
	callee_fd = load(&s, callee, ARRAY_SIZE(callee), false);
	if (ASSERT_GE(main_fd, 0, "main") && ASSERT_GE(callee_fd, 0, "callee") &&
	    ASSERT_OK(bpf_map_update_elem(progs_fd, &zero, &callee_fd, 0), "update") &&
	    ASSERT_OK(bpf_prog_test_run_opts(main_fd, &opts), "run"))
		ASSERT_EQ(opts.retval, 42, "retval");
out:
	close(main_fd);
	close(callee_fd);
	close(progs_fd);
	close(map_fd);
}

#ifdef __x86_64__
static unsigned char image[4096];

/* Find bytes in the code of a counter whose value is returned or not. */
static bool has_code(__u32 value_size, const char *harden, bool returned, const void *bytes,
		     int len)
{
	struct bpf_prog_info info = {};
	__u32 info_len = sizeof(info);
	struct setup s = { .priv = true };
	bool found = false;
	char old[16];
	int fd;

	s.direct_fd = create(value_size);
	if (!ASSERT_GE(s.direct_fd, 0, "map") || sysctl_set_or_fail(JIT_HARDEN, old, harden))
		goto out;

	struct bpf_insn insns[] = {
		BPF_LD_MAP_VALUE(BPF_REG_1, s.direct_fd, 0),
		BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, 0),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, 1),
		BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_2, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};

	if (returned)
		insns[5] = BPF_MOV64_REG(BPF_REG_0, BPF_REG_2);
	fd = load(&s, insns, ARRAY_SIZE(insns), false);
	sysctl_set_or_fail(JIT_HARDEN, NULL, old);
	if (!ASSERT_GE(fd, 0, "load"))
		goto out;
	info.jited_prog_insns = (unsigned long)image;
	info.jited_prog_len = sizeof(image);
	if (ASSERT_OK(bpf_prog_get_info_by_fd(fd, &info, &info_len), "info") &&
	    ASSERT_LE(info.jited_prog_len, sizeof(image), "len"))
		found = memmem(image, info.jited_prog_len, bytes, len);
	close(fd);
out:
	close(s.direct_fd);
	return found;
}

/* movabsq $off, %rdi */
static const unsigned char ld_off[] = { 0x48, 0xbf };
/* movq %gs:off, %rsi; movq %gs:(%rdi), %rsi */
static const unsigned char ld_abs[] = { 0x65, 0x48, 0x8b, 0x34, 0x25 };
static const unsigned char ld_reg[] = { 0x65, 0x48, 0x8b, 0x77, 0 };
/* addq $1, %gs:off; addq $1, %gs:(%rdi) */
static const unsigned char inc_abs[] = { 0x65, 0x48, 0x83, 0x04, 0x25 };
static const unsigned char inc_reg[] = { 0x65, 0x48, 0x83, 0x47, 0, 1 };

#define HAS_CODE(size, harden, returned, bytes) \
	has_code(size, harden, returned, bytes, sizeof(bytes))

/* What is left of a counter? */
static void test_code(void)
{
	if (HAS_CODE(8, "0", true, ld_off)) {
		/* what else runs here may have filled the first chunk */
		fprintf(stdout, "no space in the first per-CPU chunk\n");
	} else {
		ASSERT_TRUE(HAS_CODE(8, "0", true, ld_abs), "load");
		ASSERT_TRUE(HAS_CODE(8, "0", false, inc_abs), "increment");
	}
	ASSERT_TRUE(HAS_CODE(MAX_VALUE_SIZE, "0", true, ld_off), "offset");
	ASSERT_TRUE(HAS_CODE(MAX_VALUE_SIZE, "0", true, ld_reg), "load by register");
	ASSERT_TRUE(HAS_CODE(MAX_VALUE_SIZE, "0", false, inc_reg), "increment by register");

	/* no constants in accesses if they are to be blinded */
	ASSERT_FALSE(HAS_CODE(8, "2", true, ld_abs), "blinded, load");
	ASSERT_TRUE(HAS_CODE(8, "2", true, ld_reg), "blinded, load by register");
	ASSERT_FALSE(HAS_CODE(8, "2", false, inc_abs), "blinded, increment");
	ASSERT_FALSE(HAS_CODE(8, "2", false, inc_reg), "blinded, increment by register");
}
#endif

void serial_test_percpu_data_fuse(void)
{
	const char *env;

	nr_cpus = bpf_num_possible_cpus();
	env = getenv("PERCPU_FUSE_SEED");
	if (env)
		first_seed = strtoull(env, NULL, 0);
	env = getenv("PERCPU_FUSE_PROGS");
	if (env)
		nr_progs = atoi(env);

#ifdef __x86_64__
	if (test__start_subtest("code"))
		test_code();
#endif
	if (test__start_subtest("line_info"))
		test_line_info();
	if (test__start_subtest("tail_call"))
		test_tail_call();
	/* a small value is likely to be in the first per-CPU chunk, the largest can't be */
	if (test__start_subtest("small"))
		test_random(GEN_WINDOW, "0", true, 0);
	if (test__start_subtest("large"))
		test_random(MAX_VALUE_SIZE, "0", true, 0);
	if (test__start_subtest("small_blinded"))
		test_random(GEN_WINDOW, "2", true, 0);
	if (test__start_subtest("large_blinded"))
		test_random(MAX_VALUE_SIZE, "2", true, 0);
	if (test__start_subtest("rnd_hi32"))
		test_random(GEN_WINDOW, "0", true, BPF_F_TEST_RND_HI32);
	if (test__start_subtest("unpriv"))
		test_random(GEN_WINDOW, "0", false, 0);
}
