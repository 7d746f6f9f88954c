// SPDX-License-Identifier: GPL-2.0
/* Copies of per-CPU data, read and written by CPU number, with system calls and mapped */

#include "percpu_data_helpers.h"
#include "percpu_data_copies.skel.h"
#include "percpu_data_copies.lskel.h"

#define NR_MAX		64
#define PIN_PATH	"/sys/fs/bpf/percpu_data_copies"

/* What count() and nobody else has made of a copy */
static void check_vars(const struct percpu_data_copies__percpu *vars, int cpu)
{
	int runs = runs_of(cpu);

	ASSERT_EQ(vars->hits, 1000 + runs, "hits");
	ASSERT_EQ(vars->last_cpu, runs ? cpu : -1, "last_cpu");
}

/* Read a section one by one and all at once, into memory of its struct and before a guard. */
#define check_sec(skel, type, sec, var, exp)							\
do {												\
	struct type##__##sec copies[NR_MAX + 1], copy;						\
	int cpu, nr = bpf_num_possible_cpus();							\
	const struct type *s_skel = (skel);							\
												\
	memset(copies, 0xa5, sizeof(copies));							\
	ASSERT_OK(type##__read_all_##sec(s_skel, copies, nr), "read_all_" #sec);		\
	for (cpu = 0; cpu < nr; cpu++) {							\
		memset(&copy, 0xa5, sizeof(copy));						\
		ASSERT_OK(type##__read_##sec(s_skel, cpu, &copy), "read_" #sec);		\
		ASSERT_EQ(copy.var, (exp) + runs_of(cpu), #sec);				\
		ASSERT_MEMEQ(&copy, &copies[cpu], sizeof(copy), "one and all of " #sec);	\
	}											\
	ASSERT_EQ(*(unsigned char *)&copies[nr], 0xa5, "behind " #sec);				\
} while (0)

#define check_all_secs(skel, type)								\
do {												\
	const struct type *a_skel = (skel);							\
												\
	check_sec(a_skel, type, percpu, hits, 1000);						\
	check_sec(a_skel, type, percpu_b1, one, 1);						\
	check_sec(a_skel, type, percpu_b4, four, 4);						\
	check_sec(a_skel, type, percpu_b12, twelve[2], 12);					\
	check_sec(a_skel, type, percpu_b17, seventeen[16], 17);					\
	check_sec(a_skel, type, percpu_b20, twenty[4], 20);					\
	check_sec(a_skel, type, percpu_large, large[32 * 1024 - 1], 32);			\
} while (0)

/* Write every CPU's copy, let the program go on with it, and read it back. */
#define check_write(skel, type, prog_fd)							\
do {												\
	int cpu, nr = bpf_num_possible_cpus();							\
	const struct type *w_skel = (skel);							\
	struct type##__percpu_b17 copy17;							\
	struct type##__percpu copy;								\
												\
	for (cpu = 0; cpu < nr; cpu++) {							\
		ASSERT_OK(type##__read_percpu(w_skel, cpu, &copy), "read");			\
		copy.hits = 5000 * cpu;								\
		ASSERT_OK(type##__write_percpu(w_skel, cpu, &copy), "write");			\
		copy17.seventeen[0] = 'a' + cpu;						\
		memset(&copy17.seventeen[1], 'A' + cpu, 16);					\
		ASSERT_OK(type##__write_percpu_b17(w_skel, cpu, &copy17), "write 17");		\
	}											\
	run_unevenly(prog_fd);									\
	for (cpu = 0; cpu < nr; cpu++) {							\
		ASSERT_OK(type##__read_percpu(w_skel, cpu, &copy), "read");			\
		ASSERT_EQ(copy.hits, 5000 * cpu + runs_of(cpu), "hits");			\
		ASSERT_OK(type##__read_percpu_b17(w_skel, cpu, &copy17), "read 17");		\
		ASSERT_EQ(copy17.seventeen[0], 'a' + cpu, "first");				\
		ASSERT_EQ(copy17.seventeen[15], 'A' + cpu, "last but one");			\
		ASSERT_EQ(copy17.seventeen[16], 'A' + cpu + runs_of(cpu), "last");		\
	}											\
} while (0)

static void check_skel(struct percpu_data_copies *skel)
{
	struct percpu_data_copies__percpu vars;
	int cpu;

	run_unevenly(bpf_program__fd(skel->progs.count));
	check_all_secs(skel, percpu_data_copies);
	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
		ASSERT_OK(percpu_data_copies__read_percpu(skel, cpu, &vars), "read");
		check_vars(&vars, cpu);
	}
	check_write(skel, percpu_data_copies, bpf_program__fd(skel->progs.count));
	ASSERT_EQ(skel->percpu->hits, 1000, "initial value");
}

static void test_skel(void)
{
	struct percpu_data_copies *skel;

	skel = percpu_data_copies__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;
	check_skel(skel);
	percpu_data_copies__destroy(skel);
}

static void test_lskel(void)
{
	struct percpu_data_copies_lskel__percpu copies[NR_MAX], copy = {};
	struct percpu_data_copies_lskel *skel;
	int nr = bpf_num_possible_cpus();

	skel = percpu_data_copies_lskel__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;

	ASSERT_EQ(percpu_data_copies_lskel__read_percpu(skel, 0, &copy), -ENOENT, "before load");
	ASSERT_EQ(percpu_data_copies_lskel__write_percpu(skel, 0, &copy), -ENOENT, "before load");
	ASSERT_EQ(percpu_data_copies_lskel__read_all_percpu(skel, copies, nr), -ENOENT,
		  "before load");

	if (!ASSERT_OK(percpu_data_copies_lskel__load(skel), "load"))
		goto out;
	run_unevenly(skel->progs.count.prog_fd);
	check_all_secs(skel, percpu_data_copies_lskel);
	check_write(skel, percpu_data_copies_lskel, skel->progs.count.prog_fd);

	ASSERT_EQ(percpu_data_copies_lskel__read_percpu(skel, -1, &copy), -ERANGE, "CPU -1");
	ASSERT_EQ(percpu_data_copies_lskel__read_percpu(skel, nr, &copy), -ERANGE, "CPU nr");
	ASSERT_EQ(percpu_data_copies_lskel__write_percpu(skel, INT_MAX, &copy), -ERANGE,
		  "CPU INT_MAX");

	memset(copies, 0xa5, sizeof(copies));
	ASSERT_EQ(percpu_data_copies_lskel__read_all_percpu(skel, copies, nr - 1), -EINVAL,
		  "nr too small");
	ASSERT_EQ(*(unsigned char *)&copies[nr - 1], 0xa5, "overrun");
	ASSERT_OK(percpu_data_copies_lskel__read_all_percpu(skel, copies, NR_MAX - 1), "large nr");
	ASSERT_EQ(*(unsigned char *)&copies[nr], 0, "no CPU's copy");
	ASSERT_EQ(*(unsigned char *)&copies[NR_MAX - 1], 0xa5, "overrun");
out:
	percpu_data_copies_lskel__destroy(skel);
}

#define ASSERT_LOGGED(expr, exp, msg)								\
do {												\
	char *log;										\
												\
	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))				\
		break;										\
	ASSERT_EQ(expr, exp, #expr);								\
	log = stop_libbpf_log_capture();							\
	ASSERT_HAS_SUBSTR(log, msg, #expr);							\
	free(log);										\
} while (0)

static int percpu_ptr_err(const struct bpf_map *map, int cpu)
{
	errno = 0;
	return bpf_map__percpu_ptr(map, cpu) ? 0 : -errno;
}

/* Each error has a code, and a message that names the map and the cause. */
static void test_errors(void)
{
	struct { char value[64]; } copies[NR_MAX], copy;
	int fd = -1, nr = bpf_num_possible_cpus();
	struct percpu_data_copies *skel;
	const struct bpf_map *map;
	struct bpf_map *inner;

	skel = percpu_data_copies__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;

	map = skel->maps.percpu;
	ASSERT_LOGGED(bpf_map__read_percpu(map, 0, &copy, sizeof(copy)), -ENOENT,
		      "map '.percpu': can't access a CPU's copy before the object is loaded");
	ASSERT_LOGGED(bpf_map__write_percpu(map, 0, &copy, sizeof(copy)), -ENOENT,
		      "before the object is loaded");
	ASSERT_LOGGED(bpf_map__read_all_percpu(map, copies, sizeof(copy), nr), -ENOENT,
		      "before the object is loaded");
	ASSERT_LOGGED(percpu_ptr_err(map, 0), -ENOENT, "before the object is loaded");

	inner = bpf_map__inner_map(skel->maps.outer);
	map = inner;
	ASSERT_LOGGED(bpf_map__read_percpu(map, 0, &copy, sizeof(copy)), -ENOENT,
		      "before the object is loaded");
	fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "inner", sizeof(int), sizeof(long), 1, NULL);
	if (!ASSERT_OK_FD(fd, "create") || !ASSERT_OK(bpf_map__reuse_fd(inner, fd), "reuse_fd"))
		goto out;
	ASSERT_LOGGED(percpu_ptr_err(map, 0), -ENOENT,
		      "copies are mapped when the object is loaded");

	bpf_map__set_autocreate(skel->maps.single, false);
	if (!ASSERT_OK(percpu_data_copies__load(skel), "load"))
		goto out;

	map = skel->maps.percpu;
	ASSERT_LOGGED(bpf_map__read_percpu(map, -1, &copy, sizeof(copy)), -ERANGE,
		      "map '.percpu': there is no copy of CPU -1, as it is not possible");
	ASSERT_LOGGED(bpf_map__read_percpu(map, nr, &copy, sizeof(copy)), -ERANGE,
		      "not possible");
	ASSERT_LOGGED(bpf_map__write_percpu(map, INT_MAX, &copy, sizeof(copy)), -ERANGE,
		      "CPU 2147483647");
	ASSERT_LOGGED(percpu_ptr_err(map, nr), -ERANGE, "not possible");

	ASSERT_LOGGED(bpf_map__read_percpu(map, 0, &copy, 31), -EINVAL,
		      "map '.percpu': 31 bytes are too small for a CPU's copy, which has 32");
	ASSERT_LOGGED(bpf_map__write_percpu(map, 0, &copy, 31), -EINVAL, "31 bytes are too small");
	ASSERT_LOGGED(bpf_map__read_all_percpu(map, copies, 31, nr), -EINVAL,
		      "31 bytes are too small");
	ASSERT_LOGGED(bpf_map__read_all_percpu(map, copies, sizeof(copy), nr - 1), -EINVAL,
		      "too small for the copies of");
	ASSERT_LOGGED(bpf_map__read_all_percpu(map, copies, sizeof(copy), -1), -EINVAL,
		      "room for -1 values");

	ASSERT_LOGGED(percpu_ptr_err(map, 0), -ENODATA,
		      "map '.percpu': there is no pointer to a CPU's copy: set map flag BPF_F_MMAPABLE before load to have one");

	map = skel->maps.pair;
	ASSERT_LOGGED(bpf_map__read_percpu(map, 0, &copy, sizeof(copy)), -EINVAL,
		      "map 'pair': need a percpu_array with 1 entry to access a CPU's copy, not percpu_array with 2");
	map = skel->maps.data;
	ASSERT_LOGGED(bpf_map__write_percpu(map, 0, &copy, sizeof(copy)), -EINVAL,
		      "not array with 1");
	ASSERT_LOGGED(bpf_map__read_all_percpu(map, copies, sizeof(copy), nr), -EINVAL,
		      "not array with 1");
	ASSERT_LOGGED(percpu_ptr_err(map, 0), -EINVAL, "not array with 1");
	map = skel->maps.single;
	ASSERT_LOGGED(bpf_map__read_percpu(map, 0, &copy, sizeof(copy)), -ENOENT,
		      "map 'single': can't access a CPU's copy of a map that wasn't created");
out:
	percpu_data_copies__destroy(skel);
	close(fd);
}

/* Any percpu array with one element will do, and memory larger than the value. */
static void test_map(void)
{
	struct { long value; char rest[3]; } copies[NR_MAX], copy;
	int cpu, nr = bpf_num_possible_cpus();
	struct percpu_data_copies *skel;
	const struct bpf_map *map;
	long val;

	skel = percpu_data_copies__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;
	map = skel->maps.single;

	for (cpu = 0; cpu < nr; cpu++) {
		val = 10 * cpu + 1;
		ASSERT_OK(bpf_map__write_percpu(map, cpu, &val, sizeof(val)), "write");
	}
	memset(copies, 0xa5, sizeof(copies));
	ASSERT_OK(bpf_map__read_all_percpu(map, copies, sizeof(copy), NR_MAX), "all");
	for (cpu = 0; cpu < nr; cpu++) {
		memset(&copy, 0xa5, sizeof(copy));
		ASSERT_OK(bpf_map__read_percpu(map, cpu, &copy, sizeof(copy)), "read");
		ASSERT_EQ(copy.value, 10 * cpu + 1, "value");
		ASSERT_EQ(copy.rest[0] | copy.rest[1] | copy.rest[2], 0, "rest");
		ASSERT_MEMEQ(&copy, &copies[cpu], sizeof(copy), "one and all");
	}
	ASSERT_EQ(*(unsigned char *)&copies[nr], 0xa5, "behind all");

	percpu_data_copies__destroy(skel);
}

static void set_mmapable(struct percpu_data_copies *skel)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, skel->obj)
		if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY &&
		    bpf_map__max_entries(map) == 1)
			ASSERT_OK(bpf_map__set_map_flags(map, BPF_F_MMAPABLE), "set_map_flags");
}

/* Without this file descriptor, there is no way to the map but what is mapped of it. */
static bool take_fd_away(const struct bpf_map *map)
{
	int fd = open("/dev/null", O_RDONLY);

	if (!ASSERT_OK_FD(fd, "/dev/null"))
		return false;
	ASSERT_EQ(dup2(fd, bpf_map__fd(map)), bpf_map__fd(map), "dup2");
	close(fd);
	return true;
}

static void test_mapped(void)
{
	struct percpu_data_copies__percpu *vars;
	struct percpu_data_copies *skel;
	struct bpf_map *map;
	int cpu, prog_fd;

	skel = percpu_data_copies__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	set_mmapable(skel);
	if (!ASSERT_OK(percpu_data_copies__load(skel), "load"))
		goto out;
	prog_fd = bpf_program__fd(skel->progs.count);

	/* the pointer leads to what programs use, and the initial image is still there */
	run_unevenly(prog_fd);
	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
		vars = percpu_data_copies__percpu_ptr(skel, cpu);
		if (!ASSERT_OK_PTR(vars, "percpu_ptr"))
			goto out;
		check_vars(vars, cpu);
		ASSERT_EQ(percpu_data_copies__percpu_large_ptr(skel, cpu)->large[32 * 1024 - 1],
			  32 + runs_of(cpu), "large");
		vars->hits -= runs_of(cpu);
		ASSERT_EQ((long)vars % getpagesize(), 0, "page");
	}
	ASSERT_EQ(skel->percpu->hits, 1000, "initial value");
	ASSERT_TRUE(write_faults(skel->percpu), "write to initial value");
	run_unevenly(prog_fd);
	check_sec(skel, percpu_data_copies, percpu, hits, 1000);

	/* also by another file descriptor of the same map */
	map = skel->maps.percpu;
	ASSERT_OK(bpf_map__reuse_fd(map, bpf_map__fd(map)), "reuse_fd");
	ASSERT_OK_PTR(percpu_data_copies__percpu_ptr(skel, 0), "percpu_ptr");

	/* with no system call */
	bpf_object__for_each_map(map, skel->obj)
		if (bpf_map__map_flags(map) & BPF_F_MMAPABLE && !take_fd_away(map))
			goto out;
	check_sec(skel, percpu_data_copies, percpu, hits, 1000);
	check_write(skel, percpu_data_copies, prog_fd);
out:
	percpu_data_copies__destroy(skel);
}

/* The same as without mapping, in every size */
static void test_mapped_skel(void)
{
	struct percpu_data_copies *skel;

	skel = percpu_data_copies__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	set_mmapable(skel);
	if (ASSERT_OK(percpu_data_copies__load(skel), "load"))
		check_skel(skel);
	percpu_data_copies__destroy(skel);
}

/* Share a map between objects that do and don't ask for it to be mapped. */
static void check_shared(bool first, bool second, bool pin)
{
	struct percpu_data_copies *one = NULL, *two = NULL;
	struct percpu_data_copies__percpu copy;
	int cpu = bpf_num_possible_cpus() - 1;
	void *ptr;

	one = percpu_data_copies__open();
	two = percpu_data_copies__open();
	if (!ASSERT_OK_PTR(one, "open") || !ASSERT_OK_PTR(two, "open"))
		goto out;
	if (first)
		set_mmapable(one);
	if (second)
		set_mmapable(two);
	if (pin) {
		ASSERT_OK(bpf_map__set_pin_path(one->maps.percpu, PIN_PATH), "pin");
		ASSERT_OK(bpf_map__set_pin_path(two->maps.percpu, PIN_PATH), "pin");
	}

	if (!ASSERT_OK(percpu_data_copies__load(one), "load"))
		goto out;
	if (!pin) {
		ASSERT_OK(bpf_map__reuse_fd(two->maps.percpu, bpf_map__fd(one->maps.percpu)),
			  "reuse_fd");
		ASSERT_LOGGED(percpu_ptr_err(two->maps.percpu, 0), -ENOENT,
			      "copies are mapped when the object is loaded");
	}
	if (!ASSERT_OK(percpu_data_copies__load(two), "load"))
		goto out;

	/* the map is what the first one made of it */
	ASSERT_EQ(bpf_map__map_flags(two->maps.percpu), first ? BPF_F_MMAPABLE : 0, "flags");
	ptr = percpu_data_copies__percpu_ptr(two, cpu);
	ASSERT_EQ(!!ptr, first, "percpu_ptr");
	run_unevenly(bpf_program__fd(one->progs.count));
	ASSERT_OK(percpu_data_copies__read_percpu(two, cpu, &copy), "read");
	check_vars(&copy, cpu);
	if (ptr)
		check_vars(ptr, cpu);
out:
	unlink(PIN_PATH);
	percpu_data_copies__destroy(two);
	percpu_data_copies__destroy(one);
}

static void test_mapped_shared(void)
{
	int i;

	for (i = 0; i < 8; i++)
		check_shared(i & 1, i & 2, i & 4);
}

/* What can't be written can still be read. */
static void test_mapped_rdonly(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	struct percpu_data_copies *skel = NULL;
	struct { long value; } copy = {};
	int fd = -1, zero = 0;
	long val = 7;
	void *ptr;

	fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "frozen", sizeof(zero), sizeof(val), 1,
			    &opts);
	if (!ASSERT_OK_FD(fd, "create"))
		return;
	ASSERT_OK(bpf_map_update_elem(fd, &zero, &val, BPF_F_ALL_CPUS), "update");
	ASSERT_OK(bpf_map_freeze(fd), "freeze");

	skel = percpu_data_copies__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		goto out;
	/* what is reused need not be created */
	ASSERT_OK(bpf_map__set_autocreate(skel->maps.single, false), "set_autocreate");
	ASSERT_OK(bpf_map__reuse_fd(skel->maps.single, fd), "reuse_fd");
	ASSERT_OK(bpf_map__set_map_flags(skel->maps.percpu, BPF_F_MMAPABLE | BPF_F_RDONLY_PROG),
		  "set_map_flags");
	bpf_program__set_autoload(skel->progs.count, false);
	if (!ASSERT_OK(percpu_data_copies__load(skel), "load"))
		goto out;

	ptr = bpf_map__percpu_ptr(skel->maps.single, 0);
	if (ASSERT_OK_PTR(ptr, "frozen"))
		ASSERT_TRUE(write_faults(ptr), "write to frozen");
	ASSERT_EQ(bpf_map__write_percpu(skel->maps.single, 0, &copy, sizeof(copy)), -EPERM,
		  "write frozen");
	ASSERT_OK(bpf_map__read_percpu(skel->maps.single, 0, &copy, sizeof(copy)), "read frozen");
	ASSERT_EQ(copy.value, 7, "frozen value");

	ptr = percpu_data_copies__percpu_ptr(skel, 0);
	if (ASSERT_OK_PTR(ptr, "rdonly_prog"))
		ASSERT_TRUE(write_faults(ptr), "write to rdonly_prog");
out:
	percpu_data_copies__destroy(skel);
	close(fd);
}

/* A kernel that can't map copies: everything works but pointers. */
static void test_mapped_missing(void)
{
	struct percpu_data_copies *skel;
	struct kern_feature_cache *cache;

	skel = percpu_data_copies__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	cache = calloc(1, sizeof(*cache));
	if (!ASSERT_OK_PTR(cache, "cache"))
		goto out;
	cache->res[FEAT_PERCPU_MMAP] = FEAT_MISSING;
	bpf_object_set_feat_cache(skel->obj, cache);
	set_mmapable(skel);
	if (!ASSERT_OK(percpu_data_copies__load(skel), "load"))
		goto out;

	ASSERT_EQ(bpf_map__map_flags(skel->maps.percpu), 0, "flags");
	ASSERT_LOGGED(percpu_ptr_err(skel->maps.percpu, 0), -EOPNOTSUPP,
		      "the kernel does not support BPF_F_MMAPABLE for percpu_array");
	check_skel(skel);
out:
	percpu_data_copies__destroy(skel);
}

void test_percpu_data_copies(void)
{
	if (bpf_num_possible_cpus() > NR_MAX) {
		printf("%s:SKIP:more than %d CPUs\n", __func__, NR_MAX);
		test__skip();
		return;
	}

	if (test__start_subtest("skel"))
		test_skel();
	if (test__start_subtest("lskel"))
		test_lskel();
	if (test__start_subtest("errors"))
		test_errors();
	if (test__start_subtest("map"))
		test_map();
	if (test__start_subtest("mapped"))
		test_mapped();
	if (test__start_subtest("mapped_skel"))
		test_mapped_skel();
	if (test__start_subtest("mapped_shared"))
		test_mapped_shared();
	if (test__start_subtest("mapped_rdonly"))
		test_mapped_rdonly();
	if (test__start_subtest("mapped_missing"))
		test_mapped_missing();
}
