// SPDX-License-Identifier: GPL-2.0
/*
 * JITs may access global per-CPU data without computing its address first, and
 * compute one address from another. Whatever they do, a program must do the
 * same as one that looks its addresses up: compare what thousands of random
 * programs return and leave in the memory of every CPU. Serial, since the JIT's
 * settings are the whole system's.
 *
 * So must what the verifier accepts of programs that it should reject, which are
 * those of the subtests called hostile.
 *
 * PERCPU_SEED=n in the environment begins with another program than usual
 * (and prints it if it fails), PERCPU_FUSE_PROGS=n sets how many there are,
 * however long they take, and PERCPU_STRESS_SECONDS=n how long each subtest
 * goes on.
 */

#define _GNU_SOURCE
#include <ctype.h>
#include <sched.h>
#include "percpu_data_helpers.h"
#include "percpu_data_hostile.h"
#include "percpu_data_stress.h"
#include "cap_helpers.h"
#include "sysctl_helpers.h"
#include "unpriv_helpers.h"
#include "percpu_data_linfo.skel.h"

static char log_buf[64 * 1024];
static int nr_cpus, nr_progs = 200, max_seconds = 20, all_progs, all_rejected, all_compared;
static unsigned long long first_seed = 1;
static int zero;

/* Which kfuncs and helpers were given an address by a program that was accepted? */
static struct gen_kfunc *kfuncs;
static int kfunc_cnt;
static bool helpers_took[__BPF_FUNC_MAX_ID];

/* The maps of one variant, and the copies of all CPUs */
struct variant {
	struct gen_maps maps;
	char *copies[GEN_MAPS];
};

struct setup {
	enum bpf_prog_type type;
	enum gen_caps caps;
	__u32 flags;
	struct gen_hostile *h;	/* NULL unless the programs are hostile */
	bool frozen;
	int progs_fd;
	__u32 value_size[GEN_MAPS];
	char *before[GEN_MAPS];
	struct variant direct, lookup;
};

static int create(__u32 value_size, __u32 map_flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = map_flags);

	return bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "percpu_data", sizeof(int), value_size, 1,
			      &opts);
}

static int load(struct setup *s, const int *fds, const struct bpf_insn *insns, int cnt,
		int log_level)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = s->flags, .fd_array = fds);
	__u64 drop = 0, caps;
	int fd;

	/* what every CPU can do here, not every kernel lets programs do */
	if (s->caps >= GEN_BPF)
		opts.prog_flags |= BPF_F_ANY_ALIGNMENT;
	if (s->type == BPF_PROG_TYPE_SYSCALL)
		opts.prog_flags |= BPF_F_SLEEPABLE;

	if (log_level) {
		opts.log_level = log_level;
		opts.log_buf = log_buf;
		opts.log_size = sizeof(log_buf);
		log_buf[0] = 0;
	}
	if (s->caps < GEN_PRIV)
		drop |= 1ULL << CAP_SYS_ADMIN | 1ULL << CAP_PERFMON;
	if (s->caps < GEN_BPF)
		drop |= 1ULL << CAP_BPF | 1ULL << CAP_NET_ADMIN;
	if (!ASSERT_OK(cap_disable_effective(drop, &caps), "caps"))
		return -EPERM;
	fd = bpf_prog_load(s->type, NULL, "GPL", insns, cnt, &opts);
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

		while (!runs_of(cpu))
			cpu = (cpu + 1) % nr_cpus;
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

/* What a program begins with: other values in its window on each CPU */
static void fill(struct setup *s, unsigned long long seed)
{
	struct percpu_gen rnd = { .rnd = seed };
	int map, cpu, i;

	for (map = 0; map < GEN_MAPS; map++)
		for (cpu = 0; cpu < nr_cpus; cpu++)
			for (i = 0; i < GEN_WINDOW; i += sizeof(int))
				*(int *)(s->before[map] + cpu * s->value_size[map] +
					 s->direct.maps.base[map] + i) = gen_rnd(&rnd, UINT_MAX);
}

/* Run a variant's program from the same beginning. */
static int run_variant(struct setup *s, struct variant *v, int fd, unsigned long long seed,
		       __u32 *hash)
{
	int map, err = 0;

	for (map = 0; map < GEN_MAPS && !s->frozen; map++)
		err = err ?: bpf_map_update_elem(v->maps.fds[map], &zero, s->before[map], 0);
	err = err ?: run(fd, seed, hash);
	for (map = 0; map < GEN_MAPS; map++)
		err = err ?: bpf_map_lookup_elem(v->maps.fds[map], &zero, v->copies[map]);
	return err;
}

/* Is a line of the log an instruction, or what registers hold, at it or on the way there? */
static bool is_state(const char *line)
{
	return !strncmp(line, "from ", strlen("from ")) ||
	       (isdigit(*line) && line[strspn(line, "0123456789")] == ':');
}

/* What is rejected has to be rejected with a message that does not tell of a bug. */
static bool says_why(struct setup *s, struct variant *v, const struct bpf_insn *insns, int cnt)
{
	int fd = load(s, v->maps.fds, insns, cnt, 1);
	const char *line, *last = NULL;

	if (fd >= 0) {
		close(fd);
		return false;
	}
	for (line = log_buf; *line; line += strcspn(line, "\n"), line += strspn(line, "\n"))
		if (strncmp(line, "processed ", strlen("processed ")))
			last = line;
	return last && !is_state(last) && !strstr(log_buf, "verifier bug");
}

/* Did the kernel warn of something? */
static int kernel_warnings(void)
{
	int cnt = -1;
	FILE *f;

	f = fopen("/sys/kernel/warn_count", "r");
	if (!ASSERT_OK_PTR(f, "warn_count"))
		return cnt;
	ASSERT_EQ(fscanf(f, "%d", &cnt), 1, "warn_count");
	fclose(f);
	return cnt;
}

/* Generate the programs, return the number of instructions. */
static int generate(struct setup *s, struct percpu_gen *g, unsigned long long seed,
		    struct bpf_insn *direct, struct bpf_insn *lookup)
{
	int map, cnt, base;

	for (map = 0; map < GEN_MAPS; map++) {
		/* what is frozen has been filled once and for all */
		base = s->frozen ? 0 : seed % ((s->value_size[map] - GEN_WINDOW) / 8 + 1) * 8;
		/* the bounds are more interesting */
		if (s->h && seed & 1 << map && !s->frozen)
			base = seed & 4 ? 0 : s->value_size[map] - GEN_WINDOW;
		s->direct.maps.base[map] = base;
		s->lookup.maps.base[map] = base;
	}
	percpu_gen(g, seed, s->progs_fd, s->caps, s->h);
	if (s->h && !gen_rnd(g, 6))
		gen_mutate(g);
	cnt = g->cnt;
	s->type = g->type;
	percpu_gen_variant(g, GEN_DIRECT, &s->direct.maps, direct);
	percpu_gen_variant(g, GEN_LOOKUP, &s->lookup.maps, lookup);
	if (s->h && !gen_rnd(g, 6))
		percpu_gen_damage(g, direct);
	return cnt;
}

/*
 * Addresses may become what a program returns or stores, and they differ. The
 * verifier sees to it that they don't unless the loader has CAP_PERFMON.
 */
static bool may_leak(struct setup *s, const struct bpf_insn *direct, int cnt)
{
	enum gen_caps caps = s->caps;
	int fd;

	if (caps < GEN_PRIV)
		return false;
	s->caps = GEN_BPF;
	fd = load(s, s->direct.maps.fds, direct, cnt, 0);
	s->caps = caps;
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

enum result { REJECTED, NOT_COMPARED, DIFFER, SAME };

/* Have a pair of programs verified, run them if they are accepted, and compare what they do. */
static enum result compare(struct setup *s, struct percpu_gen *g, unsigned long long seed)
{
	struct bpf_insn direct[GEN_MAX_INSNS], lookup[GEN_MAX_INSNS];
	int direct_prog, lookup_prog, cnt, map, i, err;
	enum result ret = REJECTED;
	__u32 direct_hash, lookup_hash;
	bool compared;

	cnt = generate(s, g, seed, direct, lookup);
	direct_prog = load(s, s->direct.maps.fds, direct, g->cnt, 0);
	lookup_prog = load(s, s->lookup.maps.fds, lookup, cnt, 0);

	if ((direct_prog < 0 && !says_why(s, &s->direct, direct, g->cnt)) ||
	    (lookup_prog < 0 && !says_why(s, &s->lookup, lookup, cnt))) {
		fprintf(stderr, "rejected without a message: %d, %d\n", direct_prog, lookup_prog);
		ret = DIFFER;
	} else if (direct_prog >= 0 && (g->damaged || g->wrong)) {
		fprintf(stderr, "accepted, but wrong\n");
		ret = DIFFER;
	} else if (direct_prog < 0 && lookup_prog >= 0 && !g->damaged) {
		/*
		 * Whoever loads it: the verifier knows the same of an address that is a
		 * constant away from the one that was looked up, and limits what may be
		 * added to either in the same way.
		 */
		fprintf(stderr, "rejected, the other one is accepted\n");
		ret = DIFFER;
	} else if (direct_prog >= 0 && lookup_prog < 0) {
		fprintf(stderr, "accepted, the other one is rejected\n");
		ret = DIFFER;
	}
	if (direct_prog < 0 || ret == DIFFER)
		goto out;
	for (i = 0; i < g->took_cnt; i++)
		*g->took[i] = true;
	ret = NOT_COMPARED;
	if (g->no_run)
		goto out;

	if (!s->frozen)
		fill(s, seed);
	err = run_variant(s, &s->direct, direct_prog, seed, &direct_hash);
	err = err ?: run_variant(s, &s->lookup, lookup_prog, seed, &lookup_hash);
	if (!ASSERT_OK(err, "update, run, lookup"))
		goto out;
	compared = !g->varies && !(g->leaks && may_leak(s, direct, g->cnt));
	if (compared)
		ret = direct_hash == lookup_hash ? SAME : DIFFER;
	for (map = 0; map < GEN_MAPS; map++) {
		size_t size = (size_t)s->value_size[map] * nr_cpus;

		if ((compared && memcmp(s->direct.copies[map], s->lookup.copies[map], size)) ||
		    (s->frozen && memcmp(s->direct.copies[map], s->before[map], size)))
			ret = DIFFER;
	}
out:
	if (direct_prog >= 0)
		close(direct_prog);
	if (lookup_prog >= 0)
		close(lookup_prog);
	return ret;
}

static void print_prog(struct setup *s, struct percpu_gen *g, unsigned long long seed)
{
	struct bpf_insn direct[GEN_MAX_INSNS], lookup[GEN_MAX_INSNS];
	int cnt;

	cnt = generate(s, g, seed, direct, lookup);
	close(load(s, s->direct.maps.fds, direct, g->cnt, 2));
	fprintf(stderr, "%s\n", log_buf);
	if (s->h) {
		close(load(s, s->lookup.maps.fds, lookup, cnt, 2));
		fprintf(stderr, "%s\n", log_buf);
	}
}

static void free_setup(struct setup *s)
{
	int map;

	for (map = 0; map < GEN_MAPS; map++) {
		close(s->direct.maps.fds[map]);
		close(s->lookup.maps.fds[map]);
		free(s->direct.copies[map]);
		free(s->lookup.copies[map]);
		free(s->before[map]);
	}
	close(s->progs_fd);
}

static bool init_setup(struct setup *s)
{
	__u32 flags = 0;
	size_t size;
	int map;

	memset(s->direct.maps.fds, -1, sizeof(s->direct.maps.fds));
	memset(s->lookup.maps.fds, -1, sizeof(s->lookup.maps.fds));
	/* a small value is likely to be in the first per-CPU chunk, the largest can't be */
	s->value_size[0] = GEN_WINDOW;
	s->value_size[1] = MAX_VALUE_SIZE;
	if (s->h && s->h->access != GEN_READ_WRITE)
		flags = s->h->access == GEN_READ ? BPF_F_RDONLY_PROG : BPF_F_WRONLY_PROG;
	s->progs_fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, NULL, sizeof(int), sizeof(int), 1,
				     NULL);
	if (!ASSERT_OK_FD(s->progs_fd, "progs"))
		return false;
	for (map = 0; map < GEN_MAPS; map++) {
		size = (size_t)s->value_size[map] * nr_cpus;
		s->direct.maps.fds[map] = create(s->value_size[map], flags);
		s->lookup.maps.fds[map] = create(s->value_size[map], flags);
		s->direct.copies[map] = malloc(size);
		s->lookup.copies[map] = malloc(size);
		s->before[map] = malloc(size);
		if (!ASSERT_OK_FD(s->direct.maps.fds[map], "map") ||
		    !ASSERT_OK_FD(s->lookup.maps.fds[map], "map") ||
		    !ASSERT_OK_PTR(s->direct.copies[map], "direct") ||
		    !ASSERT_OK_PTR(s->lookup.copies[map], "lookup") ||
		    !ASSERT_OK_PTR(s->before[map], "before"))
			return false;
		memset(s->before[map], 0x5a, size);
	}
	s->direct.maps.fds[GEN_MAPS] = s->progs_fd;
	s->lookup.maps.fds[GEN_MAPS] = s->progs_fd;
	return true;
}

/* Run as many as wanted or as there is time for, say how many the verifier rejected. */
static int run_progs(struct setup *s, const char *harden, int *nr)
{
	__u64 end = get_time_ns() + max_seconds * 1000000000ULL;
	int i, cnt[SAME + 1] = {}, rejected = -1;
	struct percpu_gen *g = NULL;
	enum result ret;
	char old[16] = "";
	cpu_set_t cpus;

	if (!ASSERT_OK(sched_getaffinity(0, sizeof(cpus), &cpus), "affinity"))
		return -1;
	g = malloc(sizeof(*g));
	if (!ASSERT_OK_PTR(g, "gen") || sysctl_set_or_fail(JIT_HARDEN, old, harden))
		goto out;

	for (i = 0; i < *nr && (!max_seconds || i < 50 || get_time_ns() < end); i++) {
		int warnings = kernel_warnings();

		ret = compare(s, g, first_seed + i);
		if (kernel_warnings() != warnings) {
			fprintf(stderr, "the kernel warned\n");
			ret = DIFFER;
		}
		cnt[ret]++;
		if (ret == DIFFER) {
			fprintf(stderr, "PERCPU_SEED=%llu\n", first_seed + i);
			if (getenv("PERCPU_SEED"))
				print_prog(s, g, first_seed + i);
		} else if (ret == REJECTED && getenv("PERCPU_FUSE_REJECTED")) {
			print_prog(s, g, first_seed + i);
		}
	}
	*nr = i;
	fprintf(stdout, "%d programs, first %llu: %d rejected, %d compared\n", i, first_seed,
		cnt[REJECTED], cnt[SAME]);
	ASSERT_EQ(cnt[DIFFER], 0, "differ");
	/* this is what they are for */
	ASSERT_GT(cnt[SAME], i / (s->h ? 20 : 2), "compared");
	rejected = cnt[REJECTED];
	all_progs += i;
	all_rejected += rejected;
	all_compared += cnt[SAME];
out:
	if (old[0])
		sysctl_set_or_fail(JIT_HARDEN, NULL, old);
	ASSERT_OK(sched_setaffinity(0, sizeof(cpus), &cpus), "affinity");
	free(g);
	return rejected;
}

static void test_random(const char *harden, enum gen_caps caps, __u32 flags)
{
	struct setup s = { .caps = caps, .flags = flags };
	int rejected, nr = nr_progs;

	if (init_setup(&s)) {
		rejected = run_progs(&s, harden, &nr);
		/* the verifier has to be content with most for the test to mean something */
		ASSERT_LE(rejected, nr / (caps == GEN_PRIV ? 10 : 2), "rejected");
	}
	free_setup(&s);
}

/* What a kfunc wants for a parameter, see gen_args() */
static char kfunc_arg(const struct btf *btf, const struct btf_param *param)
{
	const struct btf_type *t = skip_mods_and_typedefs(btf, param->type, NULL);
	const char *name = btf__name_by_offset(btf, param->name_off);

	if (!btf_is_ptr(t))
		return str_has_sfx(name, "__sz") || str_has_sfx(name, "__szk") ? 's' : 'n';
	if (str_has_sfx(name, "__str"))
		return 'f';
	if (str_has_sfx(name, "__map"))
		return 'i';
	t = skip_mods_and_typedefs(btf, t->type, NULL);
	if (!btf_is_struct(t))
		return 'a';
	if (!strcmp(btf__name_by_offset(btf, t->name_off), "bpf_dynptr"))
		return str_has_sfx(name, "__uninit") ? 'D' : 'd';
	name = btf__name_by_offset(btf, t->name_off);
	if (!strcmp(name, "__sk_buff") || !strcmp(name, "sk_buff"))
		return 'c';
	return !strcmp(name, "task_struct") ? 't' : 'A';
}

/* All kfuncs of the kernel that have pointers as arguments */
static int find_kfuncs(void)
{
	const struct btf_type *t, *proto;
	int i, j, max = 0;
	struct btf *btf;
	void *more;

	if (kfuncs)
		return 0;
	btf = btf__load_vmlinux_btf();
	if (!btf)
		return -ENOENT;
	for (i = 1; i < btf__type_cnt(btf); i++) {
		t = btf__type_by_id(btf, i);
		if (!btf_is_decl_tag(t) ||
		    strcmp(btf__name_by_offset(btf, t->name_off), "bpf_kfunc"))
			continue;
		if (kfunc_cnt == max) {
			max = max * 2 ?: 256;
			more = realloc(kfuncs, max * sizeof(*kfuncs));
			if (!more)
				break;
			kfuncs = more;
		}
		kfuncs[kfunc_cnt] = (struct gen_kfunc) { .id = t->type };
		proto = btf__type_by_id(btf, btf__type_by_id(btf, t->type)->type);
		for (j = 0; j < btf_vlen(proto) && j < GEN_ARGS; j++)
			kfuncs[kfunc_cnt].args[j] = kfunc_arg(btf, btf_params(proto) + j);
		kfunc_cnt += strspn(kfuncs[kfunc_cnt].args, "ns") < j;
	}
	btf__free(btf);
	return 0;
}

/* A map that wants to know of what type its values are */
static int create_task_storage(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	struct btf *btf = btf__new_empty();
	int fd = -1;

	if (!btf)
		return -ENOMEM;
	opts.btf_key_type_id = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	opts.btf_value_type_id = btf__add_int(btf, "long", 8, BTF_INT_SIGNED);
	if (!btf__load_into_kernel(btf)) {
		opts.btf_fd = btf__fd(btf);
		fd = bpf_map_create(BPF_MAP_TYPE_TASK_STORAGE, NULL, 4, 8, 0, &opts);
	}
	btf__free(btf);
	return fd;
}

/* The maps that hostile programs use beside their own */
static bool init_hostile(struct gen_hostile *h)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_RDONLY_PROG);
	static const char str[16] = "x%llx";
	int i;

	h->fds[GEN_FD_STR] = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, sizeof(str), 1, &opts);
	h->fds[GEN_FD_ARRAY] = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, 8, 4, NULL);
	h->fds[GEN_FD_HASH] = bpf_map_create(BPF_MAP_TYPE_HASH, NULL, 4, 8, 4, NULL);
	h->fds[GEN_FD_RINGBUF] = bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0, getpagesize(),
						NULL);
	h->fds[GEN_FD_PERCPU_ARRAY] = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, NULL, 4,
						     GEN_WINDOW, 2, NULL);
	h->fds[GEN_FD_PERCPU_HASH] = bpf_map_create(BPF_MAP_TYPE_PERCPU_HASH, NULL, 4, GEN_WINDOW,
						    1, NULL);
	h->fds[GEN_FD_QUEUE] = bpf_map_create(BPF_MAP_TYPE_QUEUE, NULL, 0, 8, 1, NULL);
	h->fds[GEN_FD_TASK] = create_task_storage();
	h->fds[GEN_FD_NONE] = open("/dev/null", O_RDONLY);
	for (i = 0; i < GEN_FDS; i++)
		if (!ASSERT_OK_FD(h->fds[i], "fd"))
			return false;
	return ASSERT_OK(bpf_map_update_elem(h->fds[GEN_FD_STR], &zero, str, 0), "update") &&
	       ASSERT_OK(bpf_map_freeze(h->fds[GEN_FD_STR]), "freeze");
}

/* Return how many programs there were. */
static int hostile_progs(const char *harden, enum gen_caps caps, enum gen_access access,
			 void (*op)(struct percpu_gen *g))
{
	struct gen_hostile h = {
		.op = op, .access = access, .nr_cpus = nr_cpus, .helpers_took = helpers_took,
	};
	struct setup s = { .caps = caps, .h = &h };
	int i, rejected, nr = nr_progs / 2;

	for (i = 0; i < GEN_FDS; i++)
		h.fds[i] = -1;
	if (!init_setup(&s) || !init_hostile(&h) || !ASSERT_OK(find_kfuncs(), "kfuncs"))
		goto out;
	h.kfuncs = kfuncs;
	h.kfunc_cnt = kfunc_cnt;
	h.base = s.direct.maps.base;
	for (i = 0; i < GEN_MAPS; i++)
		h.value_size[i] = s.value_size[i];
	if (access == GEN_READ) {
		fill(&s, first_seed);
		for (i = 0; i < GEN_MAPS; i++)
			if (!ASSERT_OK(bpf_map_update_elem(s.direct.maps.fds[i], &zero,
							   s.before[i], 0), "update") ||
			    !ASSERT_OK(bpf_map_update_elem(s.lookup.maps.fds[i], &zero,
							   s.before[i], 0), "update") ||
			    !ASSERT_OK(bpf_map_freeze(s.direct.maps.fds[i]), "freeze") ||
			    !ASSERT_OK(bpf_map_freeze(s.lookup.maps.fds[i]), "freeze"))
				goto out;
		s.frozen = true;
	}
	rejected = run_progs(&s, harden, &nr);
	/* the verifier has to find fault with some, and not with all */
	ASSERT_GT(rejected, nr / 10, "rejected");
	ASSERT_LT(rejected, nr * 9 / 10, "rejected");
out:
	for (i = 0; i < GEN_FDS; i++)
		close(h.fds[i]);
	free_setup(&s);
	return nr;
}

static void test_hostile(const char *harden, enum gen_caps caps, enum gen_access access)
{
	hostile_progs(harden, caps, access, gen_hostile);
}

static int helpers_that_took(void)
{
	int i, cnt = 0;

	for (i = 0; i < ARRAY_SIZE(helpers_took); i++)
		cnt += helpers_took[i];
	return cnt;
}

static int kfuncs_that_took(void)
{
	int i, cnt = 0;

	for (i = 0; i < kfunc_cnt; i++)
		cnt += kfuncs[i].took;
	return cnt;
}

/* Does the verifier let an address get to many of those who may be called? */
static void test_calls(void)
{
	if (hostile_progs("0", GEN_PRIV, GEN_READ_WRITE, gen_calls) < 1000)
		return;
	ASSERT_GT(helpers_that_took(), 15, "helpers");
	ASSERT_GT(kfuncs_that_took(), 15, "kfuncs");
}

/* libbpf wants each line of a function at an address of its own, with code or without. */
static void test_line_info(void)
{
	struct bpf_line_info lines[32] = {};
	__u64 jited_lines[32] = {}, ksyms[2] = {};
	__u32 lens[2] = {}, len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {
		.nr_line_info = ARRAY_SIZE(lines),
		.line_info = ptr_to_u64(lines),
		.line_info_rec_size = sizeof(*lines),
		.nr_jited_line_info = ARRAY_SIZE(jited_lines),
		.jited_line_info = ptr_to_u64(jited_lines),
		.jited_line_info_rec_size = sizeof(*jited_lines),
		.nr_jited_ksyms = ARRAY_SIZE(ksyms),
		.jited_ksyms = ptr_to_u64(ksyms),
		.nr_jited_func_lens = ARRAY_SIZE(lens),
		.jited_func_lens = ptr_to_u64(lens),
	};
	struct percpu_data_linfo *skel = percpu_data_linfo__open_and_load();
	struct bpf_prog_linfo *linfo = NULL;
	__u32 i __maybe_unused;

	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;
	if (!ASSERT_OK(bpf_prog_get_info_by_fd(bpf_program__fd(skel->progs.count), &info, &len),
		       "info"))
		goto out;
	ASSERT_EQ(info.nr_jited_ksyms, ARRAY_SIZE(ksyms), "functions");
	linfo = bpf_prog_linfo__new(&info);
	if (ASSERT_OK_PTR(linfo, "linfo"))
		ASSERT_OK_PTR(bpf_prog_linfo__lfind_addr_func(linfo, ksyms[1], 1, 0), "line");
#ifdef __x86_64__
	for (i = 1; i < info.nr_jited_line_info; i++)
		if (jited_lines[i] == jited_lines[i - 1] + 1)
			break;
	if (!is_jit_blinding())
		ASSERT_LT(i, info.nr_jited_line_info, "line without code");
#endif
out:
	bpf_prog_linfo__free(linfo);
	percpu_data_linfo__destroy(skel);
}

/* Sharing an address removes instructions, and the JIT must still find the tail call. */
static void test_tail_call(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	char packet[64] = {};
	int progs_fd, map_fd, main_fd = -1, callee_fd = -1;
	struct setup s = { .type = BPF_PROG_TYPE_SOCKET_FILTER, .caps = GEN_PRIV };

#ifdef __riscv
	/* its JIT takes no tail calls in programs with subprograms */
	test__skip();
	return;
#endif
	opts.data_in = packet;
	opts.data_size_in = sizeof(packet);
	map_fd = create(24, 0);
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

	main_fd = load(&s, NULL, insns, ARRAY_SIZE(insns), 0);
	callee_fd = load(&s, NULL, callee, ARRAY_SIZE(callee), 0);
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

/*
 * The program ends with a call that does not return and keeps R6 with an address
 * in it: what is behind that call has been removed, and nothing is appended if
 * there is an exception callback.
 */
static void test_throw(bool cb)
{
	LIBBPF_OPTS(bpf_prog_load_opts, load_opts, .log_buf = log_buf, .log_size = sizeof(log_buf));
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct bpf_func_info funcs[] = { { .insn_off = 0 }, { .insn_off = 2 }, { .insn_off = 4 } };
	char packet[64] = {};
	int map_fd, throw_id, proto, prog_fd = -1;
	struct btf *btf;

	opts.data_in = packet;
	opts.data_size_in = sizeof(packet);
	map_fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, NULL, sizeof(int), 8, 1, NULL);
	throw_id = libbpf_find_vmlinux_btf_id("bpf_throw", BPF_TRACE_FENTRY);
	btf = btf__new_empty();
	if (!ASSERT_GE(map_fd, 0, "map") || !ASSERT_GT(throw_id, 0, "bpf_throw") ||
	    !ASSERT_OK_PTR(btf, "btf"))
		goto out;

	struct bpf_insn insns[] = {
		BPF_CALL_REL(3),
		cb ? BPF_EXIT_INSN() : BPF_MOV64_IMM(BPF_REG_0, 0),
		/* the exception callback */
		BPF_MOV64_IMM(BPF_REG_0, 2),
		BPF_EXIT_INSN(),
		/* the subprogram */
		BPF_LD_MAP_VALUE(BPF_REG_6, map_fd, 0),
		BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_6, 0),
		BPF_MOV64_IMM(BPF_REG_1, 1),
		BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, throw_id),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};

	btf__add_int(btf, "long", 8, BTF_INT_SIGNED);	/* [1] */
	proto = btf__add_func_proto(btf, 1);
	btf__add_func_param(btf, "cookie", 1);
	funcs[0].type_id = btf__add_func(btf, "main", BTF_FUNC_STATIC, proto);
	funcs[1].type_id = btf__add_func(btf, "cb", BTF_FUNC_GLOBAL, proto);
	funcs[2].type_id = btf__add_func(btf, "sub", BTF_FUNC_STATIC, proto);
	btf__add_decl_tag(btf, "exception_callback:cb", funcs[0].type_id, -1);
	if (!ASSERT_OK(btf__load_into_kernel(btf), "load_btf"))
		goto out;
	if (cb) {
		load_opts.prog_btf_fd = btf__fd(btf);
		load_opts.func_info = funcs;
		load_opts.func_info_cnt = ARRAY_SIZE(funcs);
		load_opts.func_info_rec_size = sizeof(funcs[0]);
	}
	prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", insns, ARRAY_SIZE(insns),
				&load_opts);
	if (prog_fd < 0 && strstr(log_buf, "JIT does not support"))
		test__skip();
	else if (ASSERT_GE(prog_fd, 0, "load") &&
		 ASSERT_OK(bpf_prog_test_run_opts(prog_fd, &opts), "run"))
		ASSERT_EQ(opts.retval, cb ? 2 : 1, "retval");
out:
	btf__free(btf);
	close(prog_fd);
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
	struct setup s = { .type = BPF_PROG_TYPE_SOCKET_FILTER, .caps = GEN_PRIV };
	bool found = false;
	char old[16];
	int fd, map_fd;

	map_fd = create(value_size, 0);
	if (!ASSERT_GE(map_fd, 0, "map") || sysctl_set_or_fail(JIT_HARDEN, old, harden))
		goto out;

	struct bpf_insn insns[] = {
		BPF_LD_MAP_VALUE(BPF_REG_1, map_fd, 0),
		BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, 0),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, 1),
		BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_2, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};

	if (returned)
		insns[5] = BPF_MOV64_REG(BPF_REG_0, BPF_REG_2);
	fd = load(&s, NULL, insns, ARRAY_SIZE(insns), 0);
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
	close(map_fd);
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

#define unpriv(test)				\
	do {					\
		if (get_unpriv_disabled())	\
			test__skip();		\
		else				\
			test;			\
	} while (0)

void serial_test_percpu_data_fuse(void)
{
	const char *env;

	nr_cpus = bpf_num_possible_cpus();
	env = getenv("PERCPU_SEED");
	if (env)
		first_seed = strtoull(env, NULL, 0);
	env = getenv("PERCPU_FUSE_PROGS");
	if (env) {
		nr_progs = atoi(env);
		max_seconds = 0;
	} else if (stress_seconds()) {
		nr_progs = INT_MAX;
		max_seconds = stress_seconds();
	}

#ifdef __x86_64__
	if (test__start_subtest("code"))
		test_code();
#endif
	if (test__start_subtest("line_info"))
		test_line_info();
	if (test__start_subtest("tail_call"))
		test_tail_call();
	if (test__start_subtest("throw"))
		test_throw(true);
	if (test__start_subtest("throw_default"))
		test_throw(false);
	if (test__start_subtest("priv"))
		test_random("0", GEN_PRIV, 0);
	if (test__start_subtest("priv_blinded"))
		test_random("2", GEN_PRIV, 0);
	if (test__start_subtest("rnd_hi32"))
		test_random("0", GEN_PRIV, BPF_F_TEST_RND_HI32);
	if (test__start_subtest("cap_bpf"))
		test_random("0", GEN_BPF, 0);
	if (test__start_subtest("cap_bpf_blinded"))
		test_random("1", GEN_BPF, 0);
	if (test__start_subtest("unpriv"))
		unpriv(test_random("0", GEN_UNPRIV, 0));
	if (test__start_subtest("unpriv_blinded"))
		unpriv(test_random("1", GEN_UNPRIV, 0));

	if (test__start_subtest("hostile"))
		test_hostile("0", GEN_PRIV, GEN_READ_WRITE);
	if (test__start_subtest("hostile_blinded"))
		test_hostile("2", GEN_PRIV, GEN_READ_WRITE);
	if (test__start_subtest("hostile_frozen"))
		test_hostile("0", GEN_PRIV, GEN_READ);
	if (test__start_subtest("hostile_wronly"))
		test_hostile("0", GEN_PRIV, GEN_WRITE);
	if (test__start_subtest("hostile_calls"))
		test_calls();
	if (test__start_subtest("hostile_cap_bpf"))
		test_hostile("0", GEN_BPF, GEN_READ_WRITE);
	if (test__start_subtest("hostile_cap_bpf_blinded"))
		test_hostile("1", GEN_BPF, GEN_READ_WRITE);
	if (test__start_subtest("hostile_unpriv"))
		unpriv(test_hostile("0", GEN_UNPRIV, GEN_READ_WRITE));
	if (test__start_subtest("hostile_unpriv_blinded"))
		unpriv(test_hostile("1", GEN_UNPRIV, GEN_READ_WRITE));
	stress_says("generated programs: %d, first %llu, %d rejected, %d compared", all_progs,
		    first_seed, all_rejected, all_compared);
	stress_says("calls with addresses: %d helpers, %d of %d kfuncs", helpers_that_took(),
		    kfuncs_that_took(), kfunc_cnt);
}
