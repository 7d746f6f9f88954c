// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever fails while per-CPU data is created, loaded, initialised, mapped,
 * dumped and freed: it is an error and no more, nothing is left over, and it
 * works the next time.
 *
 * /proc/self/task/TID/fail-nth makes the n-th allocation of this thread fail, or
 * the n-th copy from and to user space. What is tried is done again and again
 * until it is over before the n-th.
 *
 * Serial, as it counts the whole system's maps and programs.
 */

#define _GNU_SOURCE
#include <signal.h>
#include <linux/filter.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "percpu_data_stress.h"
#include "sysctl_helpers.h"
#include "percpu_data_faults.lskel.h"
#include "percpu_data_faults.skel.h"

#define INIT	1000	/* see there */

/* The kernel's ENOTSUPP */
#define KERN_ENOTSUPP	524

static const char * const fault_settings[][2] = {
	{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
	{ "/sys/kernel/debug/failslab/verbose", "0" },
	{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N" },
	{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N" },
	{ "/sys/kernel/debug/fail_page_alloc/min-order", "0" },
	{ "/sys/kernel/debug/fail_page_alloc/verbose", "0" },
	{ "/sys/kernel/debug/fail_usercopy/verbose", "0" },
};

static int zero, nr_cpus, fail_nth_fd;

struct faults {
	struct percpu_data_faults *skel;	/* loaded before anything fails */
	struct percpu_data_faults *tried;
	struct percpu_data_faults_lskel *light;
	int map_fd, prog_fd;
	int at_least;		/* so many points fail */
	int kept[512];		/* maps and sockets that only take memory */
	int nr_kept;
	int exec_areas;		/* that are there when the JIT has none left */
	void *mem;
	char *values;
	char fill;		/* what the copies were last filled with */
};

static void set_fail_nth(int n)
{
	char buf[16];

	/* this copies from user space itself */
	snprintf(buf, sizeof(buf), "%d", n);
	if (pwrite(fail_nth_fd, buf, strlen(buf), 0) < 0)
		pwrite(fail_nth_fd, buf, strlen(buf), 0);
}

static int get_fail_nth(void)
{
	char buf[16] = {};

	/* and this to it: it fails in the place of what would have been the next */
	if (pread(fail_nth_fd, buf, sizeof(buf) - 1, 0) < 0)
		return 1;
	return atoi(buf);
}

static bool is_jited(int prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return ASSERT_OK(bpf_prog_get_info_by_fd(prog_fd, &info, &len), "info") &&
	       ASSERT_GT(info.jited_prog_len, 0, "jited");
}

/* Does a loaded object do what it has to, from the initial values on? */
static bool check_object(struct percpu_data_faults *skel)
{
	typeof(*skel->percpu_large) large;
	typeof(*skel->percpu_mapped) *mapped;
	typeof(*skel->percpu) vars;
	int cpu, err;

	if (!is_jited(bpf_program__fd(skel->progs.count)))
		return false;
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		int runs = runs_of(cpu) ? 1 : 0;

		if (runs && !ASSERT_OK(run_on_cpu(bpf_program__fd(skel->progs.count), cpu), "run"))
			return false;
		mapped = percpu_data_faults__percpu_mapped_ptr(skel, cpu);
		err = percpu_data_faults__read_percpu(skel, cpu, &vars);
		err = err ?: percpu_data_faults__read_percpu_large(skel, cpu, &large);
		if (!ASSERT_OK(err, "read") || !ASSERT_OK_PTR(mapped, "mapped") ||
		    !ASSERT_EQ(vars.vars.runs, INIT + runs, "vars") ||
		    !ASSERT_STREQ(vars.vars.name, "initialized", "name") ||
		    !ASSERT_EQ(mapped->mapped.runs, INIT + 1 + runs, "mapped") ||
		    !ASSERT_EQ(mapped->mapped.last, INIT + 2 + runs, "last") ||
		    !ASSERT_EQ(large.large[0], 0, "large") ||
		    !ASSERT_EQ(large.large[4095], INIT + 3 + runs, "large last"))
			return false;
	}
	return true;
}

static struct percpu_data_faults *open_object(void)
{
	struct percpu_data_faults *skel = percpu_data_faults__open();

	if (skel && bpf_map__set_map_flags(skel->maps.percpu_mapped, BPF_F_MMAPABLE)) {
		percpu_data_faults__destroy(skel);
		skel = NULL;
	}
	return skel;
}

/* What is tried. Each returns 0 or an error; what it made is freed afterwards, too. */

static int try_object(struct faults *f)
{
	int err;

	f->tried = open_object();
	if (!f->tried)
		return -errno;
	err = percpu_data_faults__load(f->tried);
	if (!err && !percpu_data_faults__percpu_mapped_ptr(f->tried, 0))
		err = -errno;
	if (err) {
		percpu_data_faults__destroy(f->tried);
		f->tried = NULL;
	}
	return err;
}

static bool check_tried(struct faults *f, int err)
{
	bool ok;

	if (err)
		return true;
	ok = check_object(f->tried);

	percpu_data_faults__destroy(f->tried);
	f->tried = NULL;
	return ok;
}

/* The same in the kernel, where a program creates and loads all */
static int try_light(struct faults *f)
{
	int err;

	f->light = percpu_data_faults_lskel__open();
	if (!f->light)
		return -ENOMEM;
	err = percpu_data_faults_lskel__load(f->light);
	if (err)
		percpu_data_faults_lskel__destroy(f->light);
	return err;
}

static bool check_light(struct faults *f, int err)
{
	struct percpu_data_faults_lskel__percpu vars;
	bool ok;

	if (err)
		return true;
	ok = is_jited(f->light->progs.count.prog_fd) &&
	     ASSERT_OK(run_on_cpu(f->light->progs.count.prog_fd, 0), "run");
	for (int cpu = 0; ok && cpu < nr_cpus; cpu++)
		ok = ASSERT_OK(percpu_data_faults_lskel__read_percpu(f->light, cpu, &vars),
			       "read") &&
		     ASSERT_EQ(vars.vars.runs, INIT + !cpu, "vars") &&
		     ASSERT_STREQ(vars.vars.name, "initialized", "name");
	percpu_data_faults_lskel__destroy(f->light);
	return ok;
}

static int create_mmapable(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

	return bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "faults", sizeof(int), MAX_VALUE_SIZE, 1,
			      &opts);
}

/*
 * Take what the per-CPU allocator has ready, until a map wants pages of its own:
 * that is where it may fail. What is created then is kept, not to be used again.
 */
static bool before_create(struct faults *f)
{
	const long want = nr_cpus * MAX_VALUE_SIZE / 1024;
	/* of each copy: the allocator has four ready again, once it has none */
	int pages = MAX_VALUE_SIZE / getpagesize() - 4;
	long kb, grown = 0;

	if (pages > 0 && !access("/sys/kernel/debug/fail_page_alloc", F_OK))
		f->at_least = nr_cpus * pages;
	if (f->nr_kept)
		return true;
	while (grown < want && f->nr_kept < ARRAY_SIZE(f->kept) / 2) {
		kb = number_in(AT_FDCWD, "/proc/meminfo", "Percpu:");
		f->kept[f->nr_kept] = create_mmapable();
		if (!ASSERT_OK_FD(f->kept[f->nr_kept], "fill"))
			return false;
		f->nr_kept++;
		grown = number_in(AT_FDCWD, "/proc/meminfo", "Percpu:") - kb;
	}
	return ASSERT_GE(grown, want, "per-CPU memory in kB");
}

static int try_create(struct faults *f)
{
	f->map_fd = create_mmapable();
	return f->map_fd < 0 ? f->map_fd : 0;
}

/* New copies are zeroes. */
static bool check_map(struct faults *f, int err)
{
	bool ok;

	if (err)
		return true;

	memset(f->values, 0xa5, nr_cpus * MAX_VALUE_SIZE);
	ok = ASSERT_OK(bpf_map_lookup_elem(f->map_fd, &zero, f->values), "lookup");
	for (size_t i = 0; ok && i < nr_cpus * MAX_VALUE_SIZE; i++)
		ok = !f->values[i] || ASSERT_EQ(f->values[i], 0, "new copy");
	if (f->nr_kept < ARRAY_SIZE(f->kept))
		f->kept[f->nr_kept++] = f->map_fd;
	else
		close(f->map_fd);
	return ok;
}

/* Areas of executable memory, by the function that got it; programs may share one. */
static int nr_exec_areas(void)
{
	FILE *f = fopen("/proc/vmallocinfo", "r");
	char line[512];
	int nr = 0;

	while (f && fgets(line, sizeof(line), f))
		nr += strstr(line, " execmem_") || strstr(line, " bpf_jit_") ||
		      strstr(line, "_pack");
	if (f)
		fclose(f);
	return nr;
}

/* What has been freed goes late. */
static bool wait_for_exec_areas(int nr)
{
	for (int i = 0; i < 1000 && nr_exec_areas() > nr; i++)
		usleep(10000);
	return ASSERT_EQ(nr_exec_areas(), nr, "executable memory");
}

/* A socket with a filter of some instructions, which is JITed */
static int filter_socket(int len)
{
	static struct sock_filter insns[BPF_MAXINSNS];
	struct sock_fprog prog = { len, insns };
	int fd, err;

	for (int i = 0; i < len - 1; i++)
		insns[i] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, i);
	insns[len - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/*
 * Fill the executable memory that JITs have ready, with ever smaller programs,
 * until the next one wants more: that is where it may fail.
 */
static bool before_load(struct faults *f)
{
	int len, fd;

	if (f->nr_kept)
		return wait_for_exec_areas(f->exec_areas);
	f->exec_areas = nr_exec_areas();
	for (len = BPF_MAXINSNS; len; len /= 2) {
		for (;;) {
			fd = filter_socket(len);
			if (!ASSERT_OK_FD(fd, "filter"))
				return false;
			if (nr_exec_areas() > f->exec_areas)
				break;
			if (!ASSERT_LT(f->nr_kept, ARRAY_SIZE(f->kept), "filters"))
				return false;
			f->kept[f->nr_kept++] = fd;
		}
		close(fd);
		if (!wait_for_exec_areas(f->exec_areas))
			return false;
	}
	return true;
}

/* A program of two functions, with both relocation forms, and a call to another CPU's copy */
static int try_load(struct faults *f)
{
	int fds[] = { bpf_map__fd(f->skel->maps.percpu), bpf_map__fd(f->skel->maps.percpu_large) };
	struct bpf_insn insns[] = {
		BPF_LD_IMM64_RAW(BPF_REG_1, BPF_PSEUDO_MAP_VALUE, fds[0]),
		BPF_MOV64_IMM(BPF_REG_2, 0),
		BPF_EMIT_CALL(BPF_FUNC_per_cpu_ptr),
		BPF_JMP_IMM(BPF_JNE, BPF_REG_0, 0, 1),
		BPF_EXIT_INSN(),
		BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_0, 0),
		BPF_CALL_REL(1),
		BPF_EXIT_INSN(),
		BPF_LD_IMM64_RAW(BPF_REG_1, BPF_PSEUDO_MAP_IDX_VALUE, 1),
		BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, 0),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, 1),
		BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_2, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .fd_array = fds);

	f->prog_fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "faults", "GPL", insns,
				   ARRAY_SIZE(insns), &opts);
	return f->prog_fd < 0 ? f->prog_fd : 0;
}

static bool check_prog(struct faults *f, int err)
{
	bool ok;

	if (err)
		return true;
	ok = is_jited(f->prog_fd) && ASSERT_OK(run_on_cpu(f->prog_fd, 0), "run") &&
	     ASSERT_GT(nr_exec_areas(), f->exec_areas, "executable memory of its own");

	close(f->prog_fd);
	return ok;
}

static int large_fd(struct faults *f)
{
	return bpf_map__fd(f->skel->maps.percpu_large);
}

static void new_fill(struct faults *f)
{
	f->fill = f->fill % 100 + 1;
	memset(f->values, f->fill, nr_cpus * MAX_VALUE_SIZE);
}

/* The error, or another if no error is not the truth: so many values are as they were filled. */
static int filled(struct faults *f, int err, int nr)
{
	for (size_t i = 0; !err && i < nr * (size_t)MAX_VALUE_SIZE; i++)
		if (f->values[i] != f->fill)
			err = -EILSEQ;
	memset(f->values, 0, nr_cpus * MAX_VALUE_SIZE);
	return err;
}

static bool check_filled(struct faults *f, int err)
{
	return err || ASSERT_OK(filled(f, bpf_map_lookup_elem(large_fd(f), &zero, f->values),
				       nr_cpus), "written");
}

static int try_init(struct faults *f)
{
	new_fill(f);
	return bpf_map_update_elem(large_fd(f), &zero, f->values, 0);
}

static int try_init_all(struct faults *f)
{
	new_fill(f);
	return bpf_map_update_elem(large_fd(f), &zero, f->values, BPF_F_ALL_CPUS);
}

static int try_init_batch(struct faults *f)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 count = 1;

	new_fill(f);
	return bpf_map_update_batch(large_fd(f), &zero, f->values, &count, &opts);
}

static __u64 last_cpu(void)
{
	return BPF_F_CPU | (nr_cpus - 1ULL) << 32;
}

static int try_init_one(struct faults *f)
{
	new_fill(f);
	return bpf_map_update_elem(large_fd(f), &zero, f->values, last_cpu());
}

static bool check_filled_one(struct faults *f, int err)
{
	return err || ASSERT_OK(filled(f, bpf_map_lookup_elem_flags(large_fd(f), &zero, f->values,
								     last_cpu()), 1), "written");
}

static int try_map(struct faults *f)
{
	f->mem = mmap(NULL, nr_cpus * MAX_VALUE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->map_fd,
		      0);
	return f->mem == MAP_FAILED ? -errno : 0;
}

/* What is not mapped can be frozen, what is can't. */
static bool check_mapped(struct faults *f, int err)
{
	bool ok;

	ok = ASSERT_EQ(bpf_map_freeze(f->map_fd), err ? 0 : -EBUSY, "freeze");
	close(f->map_fd);
	if (err)
		return ok;
	memset(f->mem, 1, nr_cpus * MAX_VALUE_SIZE);
	return ASSERT_OK(munmap(f->mem, nr_cpus * MAX_VALUE_SIZE), "munmap") && ok;
}

static bool before_dump(struct faults *f)
{
	return ASSERT_OK(try_init(f), "init");
}

/* What bpftool reads */
static int try_dump(struct faults *f)
{
	static char xlated[4096], jited[4096], buf[4096];
	const struct percpu_data_faults *skel = f->skel;
	struct bpf_prog_info info = {
		.xlated_prog_insns = (unsigned long)xlated,
		.xlated_prog_len = sizeof(xlated),
		.jited_prog_insns = (unsigned long)jited,
		.jited_prog_len = sizeof(jited),
	};
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	struct bpf_map_info map_info = {};
	int fd = large_fd(f), err;
	__u32 info_len = sizeof(info), map_len = sizeof(map_info), count = 1, batch, key;

	err = bpf_prog_get_info_by_fd(bpf_program__fd(skel->progs.count), &info, &info_len);
	err = err ?: bpf_map_get_info_by_fd(fd, &map_info, &map_len);
	err = err ?: filled(f, bpf_map_lookup_elem(fd, &zero, f->values), nr_cpus);
	err = err ?: filled(f, bpf_map_lookup_elem_flags(fd, &zero, f->values, last_cpu()), 1);
	err = err ?: bpf_map_get_next_key(fd, NULL, &key);
	if (err)
		return err;
	/* it may say that this was all */
	err = bpf_map_lookup_batch(fd, NULL, &batch, &key, f->values, &count, &opts);
	err = filled(f, err == -ENOENT ? 0 : err, nr_cpus);
	if (err)
		return err;
	snprintf(buf, sizeof(buf), "/proc/self/fdinfo/%d", fd);
	fd = open(buf, O_RDONLY);
	if (fd < 0)
		return -errno;
	err = read(fd, buf, sizeof(buf)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static int try_free(struct faults *f)
{
	percpu_data_faults__destroy(f->tried);
	f->tried = NULL;
	return 0;
}

static bool before_free(struct faults *f)
{
	f->at_least = 0;
	return ASSERT_OK(try_object(f), "object");
}

static bool before_map(struct faults *f)
{
	return ASSERT_OK(try_create(f), "create");
}

static const struct {
	const char *name;
	bool (*before)(struct faults *f);
	int (*act)(struct faults *f);
	bool (*after)(struct faults *f, int err);
	bool loads;
	int step;	/* from one point that fails to the next, but with PERCPU_STRESS_SECONDS */
} tries[] = {
	{ "create", before_create, try_create, check_map },
	{ "load", before_load, try_load, check_prog, true },
	{ "init", NULL, try_init, check_filled },
	{ "init_all_cpus", NULL, try_init_all, check_filled },
	{ "init_one_cpu", NULL, try_init_one, check_filled_one },
	{ "init_batch", NULL, try_init_batch, check_filled },
	{ "map", before_map, try_map, check_mapped },
	{ "dump", before_dump, try_dump, NULL },
	{ "free", before_free, try_free, NULL },
	{ "object", NULL, try_object, check_tried, true, 11 },
	{ "light", NULL, try_light, check_light, true, 11 },
};

/*
 * What the kernel says when it has no memory, or that of the user is not there.
 * A JIT that got none makes it -EINVAL, as no interpreter takes its place.
 */
static bool is_clean(int err, bool loads)
{
	return err == -ENOMEM || err == -EFAULT || err == -ENOSPC || err == -EAGAIN ||
	       (loads && (err == -EINVAL || err == -KERN_ENOTSUPP));
}

/* Let one of them fail at its n-th point, for each n. */
static void fail_each(struct faults *f, int i)
{
	int step = stress_seconds() || !tries[i].step ? 1 : tries[i].step;
	int n, err, left, failed = 0, worked = 0;
	bool ok;

	f->at_least = 1;
	/* this has to work */
	ok = (!tries[i].before || tries[i].before(f)) &&
	     ASSERT_OK(tries[i].act(f), tries[i].name) &&
	     (!tries[i].after || tries[i].after(f, 0));
	for (n = 1 + stress_seed() % step; ok; n += step) {
		ok = !tries[i].before || tries[i].before(f);
		if (!ok)
			break;
		set_fail_nth(n);
		err = tries[i].act(f);
		left = get_fail_nth();
		set_fail_nth(0);
		if (err) {
			failed++;
			ok = ASSERT_EQ(left, 0, "failed by itself") &&
			     ASSERT_TRUE(is_clean(err, tries[i].loads), "clean error");
		} else {
			worked++;
		}
		if (tries[i].after)
			ok = tries[i].after(f, err) && ok;
		if (!ok)
			fprintf(stdout, "%s, point %d: error %d\n", tries[i].name, n, err);
		if (left)
			break;
	}
	ASSERT_TRUE(ok, tries[i].name);
	ASSERT_GE(failed, f->at_least, "failed");
	while (f->nr_kept)
		close(f->kept[--f->nr_kept]);
	stress_says("faults in %s: %d points, %d errors, %d worked all the same", tries[i].name,
		    failed + worked - 1, failed, worked - 1);
}

static void test_faults(void)
{
	char old[ARRAY_SIZE(fault_settings)][16] = {}, file[64];
	struct stress_usage usage;
	struct faults f = {};
	int i;

	snprintf(file, sizeof(file), "/proc/self/task/%ld/fail-nth", sys_gettid());
	fail_nth_fd = open(file, O_RDWR);
	if (fail_nth_fd < 0) {
		test__skip();
		return;
	}
	for (i = 0; i < ARRAY_SIZE(fault_settings); i++)
		if (!access(fault_settings[i][0], W_OK) &&
		    sysctl_set_or_fail(fault_settings[i][0], old[i], fault_settings[i][1]))
			goto out;

	/* libbpf finds out here, once, what the kernel can do */
	f.skel = open_object();
	f.values = malloc(nr_cpus * MAX_VALUE_SIZE);
	if (!ASSERT_OK_PTR(f.skel, "open") || !ASSERT_OK_PTR(f.values, "malloc") ||
	    !ASSERT_OK(percpu_data_faults__load(f.skel), "load") || !check_object(f.skel))
		goto out;

	check_kmemleak(true);
	get_usage(&usage);
	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		if (!test__start_subtest(tries[i].name))
			continue;
		fail_each(&f, i);
		check_usage(&usage, tries[i].name);
	}
	check_kmemleak(false);
out:
	for (i = 0; i < ARRAY_SIZE(fault_settings); i++)
		if (old[i][0])
			sysctl_set_or_fail(fault_settings[i][0], NULL, old[i]);
	percpu_data_faults__destroy(f.skel);
	free(f.values);
	close(fail_nth_fd);
}

/* Long enough a program that a signal finds it in each phase of loading */
#define NR_LOADS	100
#define NR_TURNS	1000	/* of a loop that the verifier follows */

static struct bpf_insn long_insns[2 * NR_LOADS * 2 + 5];

static int long_load(int map_fd)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
		.insns = (unsigned long)long_insns,
		.insn_cnt = ARRAY_SIZE(long_insns),
		.license = (unsigned long)"GPL",
	};
	int i, n = 0, fd;

	for (i = 0; i < NR_LOADS; i++) {
		struct bpf_insn insns[] = {
			BPF_LD_IMM64_RAW_FULL(BPF_REG_1 + i % 5, BPF_PSEUDO_MAP_VALUE, 0, 0, map_fd,
					      8 * (i % 64)),
			BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_1 + i % 5, -8 * (1 + i % 32)),
			BPF_MOV64_REG(BPF_REG_0, BPF_REG_1 + i % 5),
		};

		memcpy(long_insns + n, insns, sizeof(insns));
		n += ARRAY_SIZE(insns);
	}
	long_insns[n++] = BPF_MOV64_IMM(BPF_REG_0, 0);
	long_insns[n++] = BPF_ALU64_IMM(BPF_ADD, BPF_REG_0, 1);
	long_insns[n++] = BPF_JMP_IMM(BPF_JLT, BPF_REG_0, NR_TURNS, -2);
	long_insns[n++] = BPF_MOV64_IMM(BPF_REG_0, 0);
	long_insns[n++] = BPF_EXIT_INSN();

	/* not by libbpf, which tries again after a signal */
	fd = syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : fd;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	alarms++;
}

/* Create, map and load, and be killed. */
static void be_killed(void)
{
	size_t len = nr_cpus * MAX_VALUE_SIZE;
	void *value = calloc(1, MAX_VALUE_SIZE);

	if (!value)
		_exit(1);
	for (;;) {
		int map_fd = create_mmapable(), fd;
		void *mem;

		if (map_fd < 0)
			_exit(1);
		mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
		if (mem == MAP_FAILED ||
		    bpf_map_update_elem(map_fd, &zero, value, BPF_F_ALL_CPUS))
			_exit(1);
		fd = long_load(map_fd);
		if (fd < 0)
			_exit(1);
		close(fd);
		munmap(mem, len);
		close(map_fd);
	}
}

static void test_signals(void)
{
	struct sigaction action = { .sa_handler = on_alarm }, old_action;
	int i, nr = 0, fd, map_fd, interrupted = 0, status;
	struct stress_usage usage;
	__u64 start, took, end;
	pid_t pid;

	check_kmemleak(true);
	get_usage(&usage);
	map_fd = create_mmapable();
	if (!ASSERT_OK_FD(map_fd, "map"))
		return;
	sigaction(SIGALRM, &action, &old_action);
	start = get_time_ns();
	fd = long_load(map_fd);
	took = get_time_ns() - start;
	if (!ASSERT_OK_FD(fd, "long load"))
		goto out;
	close(fd);

	/* at 8 moments or more, and as long as there is time or none was met: each is another */
	end = stress_end(0);
	for (i = 0; i < 8 || (i < 200 && !interrupted) || get_time_ns() < end; i++) {
		long us = 1 + took / 1000 * ((i + 1) * 617 % 1000) / 1000;
		struct itimerval timer = {
			.it_value = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 },
		};

		setitimer(ITIMER_REAL, &timer, NULL);
		fd = long_load(map_fd);
		memset(&timer, 0, sizeof(timer));
		setitimer(ITIMER_REAL, &timer, NULL);
		if (fd < 0)
			interrupted++;
		if (fd < 0 && !ASSERT_EQ(fd, -EAGAIN, "interrupted"))
			break;
		if (fd >= 0 && !is_jited(fd))
			break;
		close(fd);

		pid = fork();
		if (!pid)
			be_killed();
		if (!ASSERT_GT(pid, 0, "fork"))
			break;
		usleep(us);
		kill(pid, SIGKILL);
		nr++;
		if (!ASSERT_EQ(waitpid(pid, &status, 0), pid, "waitpid") ||
		    !ASSERT_EQ(status, SIGKILL, "killed"))
			break;
	}
	ASSERT_GT(alarms, 0, "alarms");
	ASSERT_GT(interrupted, 0, "interrupted");
	fd = long_load(map_fd);
	ASSERT_OK_FD(fd, "next load");
	if (fd >= 0)
		is_jited(fd);
	close(fd);
	stress_says("signals in a long load: %d, %d interrupted it, %d killed", i, interrupted, nr);
out:
	close(map_fd);
	sigaction(SIGALRM, &old_action, NULL);
	check_usage(&usage, "signals");
	check_kmemleak(false);
}

void serial_test_percpu_data_faults(void)
{
	nr_cpus = bpf_num_possible_cpus();
	test_faults();
	if (test__start_subtest("signals"))
		test_signals();
}
