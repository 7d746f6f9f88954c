// SPDX-License-Identifier: GPL-2.0
/* Mapped per-CPU values: what of them is where, who may do what, and how long they live */

#include <linux/filter.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "percpu_data_helpers.h"
#include "testing_helpers.h"
#include "cgroup_helpers.h"
#include "percpu_data_iter.skel.h"
#include "percpu_data_mmap.skel.h"

/* The kernel's ENOTSUPP */
#define KERN_ENOTSUPP	524

#define RW		(PROT_READ | PROT_WRITE)

struct copies {
	int fd;
	__u32 value_size;
	size_t stride;		/* from one CPU's copy to the next */
	size_t len;		/* of all */
	__u8 *mem;
};

static size_t page;
static __u32 large;		/* more than a page, unless that is all a value may have */
static int nr_cpus;
static int zero;

static int create_map(enum bpf_map_type type, __u32 value_size, __u32 max_entries, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);

	return bpf_map_create(type, "percpu_mmap", sizeof(int), value_size, max_entries, &opts);
}

static int create_percpu(__u32 value_size, __u32 flags)
{
	return create_map(BPF_MAP_TYPE_PERCPU_ARRAY, value_size, 1, BPF_F_MMAPABLE | flags);
}

static void *map_pages(int fd, int prot, size_t first, size_t nr)
{
	return mmap(NULL, nr * page, prot, MAP_SHARED, fd, first * page);
}

static bool map_fd_copies(struct copies *c, int fd, int prot)
{
	c->fd = fd;
	c->value_size = value_size_of(fd);
	c->stride = roundup(c->value_size, page);
	c->len = nr_cpus * c->stride;
	c->mem = mmap(NULL, c->len, prot, MAP_SHARED, fd, 0);
	return ASSERT_NEQ(c->mem, MAP_FAILED, "mmap");
}

static bool map_copies(struct copies *c, __u32 value_size, __u32 flags)
{
	int fd = create_percpu(value_size, flags);

	if (!ASSERT_GE(fd, 0, "create"))
		return false;
	if (map_fd_copies(c, fd, RW))
		return true;
	close(fd);
	return false;
}

static void unmap_copies(struct copies *c)
{
	ASSERT_OK(munmap(c->mem, c->len), "munmap");
	close(c->fd);
}

static __u64 *word_of(const struct copies *c, int cpu)
{
	return (__u64 *)(c->mem + cpu * c->stride);
}

/* What byte i of a CPU's copy is in a round of the test */
static __u8 byte_of(int round, int cpu, int i)
{
	return 1 + (round * 31 + cpu * 7 + i + i / 251) % 250;
}

/* All bytes of the mapping: those of the values, and zeroes behind each */
static bool check_mem(const struct copies *c, int round)
{
	for (int cpu = 0; cpu < nr_cpus; cpu++)
		for (size_t i = 0; i < c->stride; i++) {
			__u8 want = i < c->value_size && round ? byte_of(round, cpu, i) : 0;
			__u8 is = c->mem[cpu * c->stride + i];

			if (is != want) {
				PRINT_FAIL("round %d, CPU %d, byte %zu: %d != %d\n",
					   round, cpu, i, is, want);
				return false;
			}
		}
	return true;
}

static void fill(__u8 *copy, __u32 value_size, int round, int cpu)
{
	for (int i = 0; i < value_size; i++)
		copy[i] = byte_of(round, cpu, i);
}

/*
 * Values of one size: system calls and the mapping show the same on all
 * possible CPUs, and buffers of system calls have the size they always had.
 */
static void check_size(__u32 value_size)
{
	size_t step = roundup(value_size, 8), size = nr_cpus * step, guard = 64;
	__u64 one_cpu;
	struct copies c;
	__u8 *buf;
	int cpu;

	if (!map_copies(&c, value_size, 0))
		return;
	buf = calloc(1, size + guard);
	if (!ASSERT_OK_PTR(buf, "calloc"))
		goto out;

	/* new */
	if (!check_mem(&c, 0))
		goto out;

	/* an update of all copies, and one without flags */
	for (cpu = 0; cpu < nr_cpus; cpu++)
		fill(buf + cpu * step, value_size, 1, cpu);
	memset(buf + size, 0xa5, guard);
	ASSERT_OK(bpf_map_update_elem(c.fd, &zero, buf, 0), "update");
	if (!check_mem(&c, 1))
		goto out;

	/* of one, and its neighbours stay */
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		one_cpu = (__u64)cpu << 32 | BPF_F_CPU;
		fill(buf, value_size, 2, cpu);
		ASSERT_OK(bpf_map_update_elem(c.fd, &zero, buf, one_cpu), "update one");
		ASSERT_MEMEQ(c.mem + cpu * c.stride, buf, value_size, "one");
	}
	if (!check_mem(&c, 2))
		goto out;

	/* of all with the same */
	fill(buf, value_size, 3, 0);
	ASSERT_OK(bpf_map_update_elem(c.fd, &zero, buf, BPF_F_ALL_CPUS), "update all");
	for (cpu = 0; cpu < nr_cpus; cpu++)
		ASSERT_MEMEQ(c.mem + cpu * c.stride, buf, value_size, "all");

	/* and the other way */
	for (cpu = 0; cpu < nr_cpus; cpu++)
		fill(c.mem + cpu * c.stride, value_size, 4, cpu);
	if (!check_mem(&c, 4))
		goto out;
	memset(buf, 0xa5, size);
	ASSERT_OK(bpf_map_lookup_elem(c.fd, &zero, buf), "lookup");
	for (cpu = 0; cpu < nr_cpus; cpu++)
		ASSERT_MEMEQ(buf + cpu * step, c.mem + cpu * c.stride, step, "looked up");
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		one_cpu = (__u64)cpu << 32 | BPF_F_CPU;
		memset(buf, 0xa5, value_size);
		ASSERT_OK(bpf_map_lookup_elem_flags(c.fd, &zero, buf, one_cpu), "lookup one");
		ASSERT_MEMEQ(buf, c.mem + cpu * c.stride, value_size, "looked up one");
	}
	for (int i = 0; i < guard; i++)
		if (!ASSERT_EQ(buf[size + i], 0xa5, "guard"))
			break;
out:
	free(buf);
	unmap_copies(&c);
}

static void test_value_sizes(void)
{
	__u32 sizes[] = { 1, 4, 12, page - 1, page, large, MAX_VALUE_SIZE };

	for (int i = 0; i < ARRAY_SIZE(sizes); i++)
		check_size(sizes[i]);
	ASSERT_EQ(create_percpu(MAX_VALUE_SIZE + 1, 0), -E2BIG, "too large");
}

/* Direct values: add to a word and return what it was. */
static void check_direct(__u32 value_size, __u32 off)
{
	struct copies c;
	int prog_fd, cpu;

	if (!map_copies(&c, value_size, 0))
		return;

	struct bpf_insn insns[] = {
		BPF_LD_IMM64_RAW_FULL(BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0, 0, c.fd, off),
		BPF_LDX_MEM(BPF_W, BPF_REG_0, BPF_REG_1, 0),
		BPF_MOV64_REG(BPF_REG_2, BPF_REG_0),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, 5),
		BPF_STX_MEM(BPF_W, BPF_REG_1, BPF_REG_2, 0),
		BPF_EXIT_INSN(),
	};

	prog_fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns,
				ARRAY_SIZE(insns), NULL);
	if (!ASSERT_GE(prog_fd, 0, "load"))
		goto out;
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu);
		__u32 *word = (__u32 *)(c.mem + cpu * c.stride + off);

		ASSERT_EQ(*word, 0, "before");
		*word = 100 + cpu;
		if (!runs_of(cpu))
			continue;
		ASSERT_OK(bpf_prog_test_run_opts(prog_fd, &opts), "run");
		ASSERT_EQ(opts.retval, 100 + cpu, "retval");
		ASSERT_EQ(*word, 105 + cpu, "after");
	}
	/* nothing was written beside them */
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		ASSERT_EQ(*(__u32 *)(c.mem + cpu * c.stride + off),
			  100 + cpu + (runs_of(cpu) ? 5 : 0), "at the end");
		memset(c.mem + cpu * c.stride + off, 0, 4);
	}
	check_mem(&c, 0);
	close(prog_fd);
out:
	unmap_copies(&c);
}

static void test_direct(void)
{
	check_direct(4, 0);
	if (large > page)
		check_direct(page + 4, page);
	check_direct(MAX_VALUE_SIZE, MAX_VALUE_SIZE - 4);
}

static void test_programs(struct percpu_data_mmap *skel)
{
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	const struct bpf_map *map = skel->maps.copies;
	union bpf_iter_link_info linfo = {};
	struct percpu_data_iter *iter;
	struct bpf_link *link = NULL;
	__u32 last = bpf_map__value_size(map) - 8;
	int cpu, runs, fd = -1;
	__u64 hits = 0;
	struct copies c;
	char buf[16];

	if (!map_fd_copies(&c, dup(bpf_map__fd(map)), RW))
		return;

	run_unevenly(bpf_program__fd(skel->progs.count));
	run_unevenly(bpf_program__fd(skel->progs.count_for_each));
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		runs = 2 * runs_of(cpu);
		ASSERT_EQ(*word_of(&c, cpu), runs, "hits");
		ASSERT_EQ(*(__u64 *)(c.mem + cpu * c.stride + last), 2 * runs, "last");
		*word_of(&c, cpu) = 1000 + cpu;
		hits += 1000 + cpu;
	}

	ASSERT_OK(run_on_cpu(bpf_program__fd(skel->progs.sum_and_double), 0), "run");
	ASSERT_EQ(skel->bss->sum, hits, "sum");
	for (cpu = 0; cpu < nr_cpus; cpu++)
		ASSERT_EQ(*(__u64 *)(c.mem + cpu * c.stride + last), 2 * (1000 + cpu), "doubled");

	iter = percpu_data_iter__open();
	if (!ASSERT_OK_PTR(iter, "open"))
		goto out;
	iter->rodata->nr_cpus = nr_cpus;
	iter->rodata->copy_size = roundup(c.value_size, 8);
	iter->rodata->hits_off = 0;
	linfo.map.map_fd = c.fd;
	opts.link_info = &linfo;
	opts.link_info_len = sizeof(linfo);
	if (!ASSERT_OK(percpu_data_iter__load(iter), "load"))
		goto out;
	link = bpf_program__attach_iter(iter->progs.sum_hits, &opts);
	if (!ASSERT_OK_PTR(link, "attach"))
		goto out;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (!ASSERT_OK_FD(fd, "iter_create"))
		goto out;
	ASSERT_EQ(read(fd, buf, sizeof(buf)), 0, "read");
	ASSERT_EQ(iter->bss->elems, 1, "elems");
	ASSERT_EQ(iter->bss->hits_sum, hits, "hits_sum");
out:
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	percpu_data_iter__destroy(iter);
	unmap_copies(&c);
}

/* Any range of pages can be mapped, nothing else. */
static void test_ranges(void)
{
	size_t nr, first, n, i;
	struct copies c;
	__u64 *range;

	if (!map_copies(&c, large, 0))
		return;
	nr = c.len / page;
	ASSERT_EQ(nr, (large > page ? 2 : 1) * nr_cpus, "pages");
	for (i = 0; i < nr; i++)
		*(__u64 *)(c.mem + i * page) = 100 + i;

	for (first = 0; first < nr; first++)
		for (n = 1; first + n <= nr; n++) {
			range = map_pages(c.fd, PROT_READ, first, n);
			if (!ASSERT_NEQ(range, MAP_FAILED, "range"))
				goto out;
			for (i = 0; i < n; i++)
				if (!ASSERT_EQ(range[i * page / sizeof(*range)], 100 + first + i,
					       "page"))
					break;
			ASSERT_OK(munmap(range, n * page), "munmap");
		}

	/* the length is rounded up to pages */
	range = mmap(NULL, c.len - page + 1, PROT_READ, MAP_SHARED, c.fd, 0);
	if (ASSERT_NEQ(range, MAP_FAILED, "odd length")) {
		ASSERT_EQ(range[(nr - 1) * page / sizeof(*range)], 100 + nr - 1, "last page");
		munmap(range, c.len);
	}

	for (first = 0; first <= nr; first++) {
		ASSERT_EQ(map_pages(c.fd, PROT_READ, first, nr - first + 1), MAP_FAILED,
			  "past the end");
		ASSERT_EQ(errno, EINVAL, "past the end");
	}
	ASSERT_EQ(map_pages(c.fd, PROT_READ, 1UL << 30, 1), MAP_FAILED, "far");
	ASSERT_EQ(map_pages(c.fd, PROT_READ, -1UL / page, 1), MAP_FAILED, "farthest");
	ASSERT_EQ(raw_mmap(page, PROT_READ, MAP_SHARED, c.fd, page / 2), MAP_FAILED,
		  "odd offset");
	ASSERT_EQ(errno, EINVAL, "odd offset");
out:
	unmap_copies(&c);
}

/* Map a new map in some way: 0, or an error. */
static int try_mmap(enum bpf_map_type type, __u32 map_flags, bool freeze, int prot, int flags)
{
	int fd = create_map(type, 8, 1, BPF_F_MMAPABLE | map_flags), err = 0;
	void *mem;

	if (!ASSERT_GE(fd, 0, "create"))
		return fd;
	if (freeze)
		ASSERT_OK(bpf_map_freeze(fd), "freeze");
	mem = mmap(NULL, page, prot, flags, fd, 0);
	if (mem == MAP_FAILED)
		err = -errno;
	else
		munmap(mem, page);
	close(fd);
	return err;
}

/* The same as with arrays */
static void test_protection(void)
{
	static const struct {
		const char *name;
		__u32 map_flags;
		bool freeze;
		int prot;
		int flags;
		bool ok;
	} tries[] = {
		{ "shared", 0, false, RW, MAP_SHARED, true },
		{ "shared, none", 0, false, PROT_NONE, MAP_SHARED, true },
		{ "shared, read", 0, false, PROT_READ, MAP_SHARED, true },
		{ "private", 0, false, RW, MAP_PRIVATE, false },
		{ "private, read", 0, false, PROT_READ, MAP_PRIVATE, false },
		{ "executable", 0, false, PROT_READ | PROT_EXEC, MAP_SHARED, false },
		{ "RDONLY_PROG", BPF_F_RDONLY_PROG, false, RW, MAP_SHARED, false },
		{ "RDONLY_PROG, read", BPF_F_RDONLY_PROG, false, PROT_READ, MAP_SHARED, true },
		{ "WRONLY_PROG", BPF_F_WRONLY_PROG, false, RW, MAP_SHARED, true },
		{ "RDONLY", BPF_F_RDONLY, false, RW, MAP_SHARED, false },
		{ "RDONLY, read", BPF_F_RDONLY, false, PROT_READ, MAP_SHARED, false },
		{ "WRONLY", BPF_F_WRONLY, false, RW, MAP_SHARED, false },
		{ "WRONLY, write", BPF_F_WRONLY, false, PROT_WRITE, MAP_SHARED, false },
		{ "frozen", 0, true, RW, MAP_SHARED, false },
		{ "frozen, read", 0, true, PROT_READ, MAP_SHARED, true },
		{ "frozen, RDONLY_PROG", BPF_F_RDONLY_PROG, true, PROT_READ, MAP_SHARED, true },
	};
	struct copies c;
	int err, i;

	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		err = try_mmap(BPF_MAP_TYPE_PERCPU_ARRAY, tries[i].map_flags, tries[i].freeze,
			       tries[i].prot, tries[i].flags);
		ASSERT_EQ(!err, tries[i].ok, tries[i].name);
		ASSERT_EQ(err, try_mmap(BPF_MAP_TYPE_ARRAY, tries[i].map_flags, tries[i].freeze,
					tries[i].prot, tries[i].flags), tries[i].name);
	}

	if (!map_copies(&c, 8, 0))
		return;
	ASSERT_EQ(mprotect(c.mem, c.len, PROT_READ | PROT_EXEC), -1, "mprotect exec");
	ASSERT_EQ(errno, EACCES, "mprotect exec");
	*word_of(&c, nr_cpus - 1) = 7;
	ASSERT_OK(mprotect(c.mem, c.len, PROT_READ), "mprotect read");
	ASSERT_TRUE(write_faults(word_of(&c, nr_cpus - 1)), "write");
	ASSERT_OK(mprotect(c.mem, c.len, RW), "mprotect write");
	ASSERT_EQ(*word_of(&c, nr_cpus - 1), 7, "word");
	*word_of(&c, nr_cpus - 1) = 8;
	munmap(c.mem, c.len);

	if (map_fd_copies(&c, c.fd, PROT_READ)) {
		ASSERT_EQ(*word_of(&c, nr_cpus - 1), 8, "word");
		ASSERT_TRUE(write_faults(word_of(&c, nr_cpus - 1)), "write");
		ASSERT_EQ(mprotect(c.mem, c.len, RW), -1, "mprotect write");
		ASSERT_EQ(errno, EACCES, "mprotect write");
		unmap_copies(&c);
	}
}

static bool is_frozen(int fd)
{
	int err = bpf_map_freeze(fd);

	if (err)
		ASSERT_EQ(err, -EBUSY, "freeze");
	return !err;
}

/* A child that holds a copy of our mappings until it is told to end */
static pid_t start_child(int *pipe_fd)
{
	int fds[2];
	pid_t pid;
	char c;

	if (!ASSERT_OK(pipe(fds), "pipe"))
		return -1;
	pid = fork();
	if (!pid) {
		close(fds[1]);
		_exit(read(fds[0], &c, 1));
	}
	close(fds[0]);
	*pipe_fd = fds[1];
	return pid;
}

static void end_child(pid_t pid, int pipe_fd)
{
	close(pipe_fd);
	waitpid(pid, NULL, 0);
}

/* A map cannot be frozen as long as something of it can be written by a mapping. */
static void test_freeze(void)
{
	struct copies c, ro;
	int pipe_fd;
	pid_t pid;
	__u64 val;

	/* parts of it are taken away, and others stay */
	if (nr_cpus < 3) {
		test__skip();
		return;
	}
	if (!map_copies(&c, large, 0))
		return;
	*word_of(&c, nr_cpus - 1) = 5;
	ASSERT_FALSE(is_frozen(c.fd), "mapped");

	ASSERT_OK(munmap(c.mem + page, page), "munmap middle");
	ASSERT_FALSE(is_frozen(c.fd), "split");
	ASSERT_OK(mprotect(c.mem, page, PROT_READ), "mprotect first");
	ASSERT_OK(mprotect(c.mem + 2 * page, c.len - 2 * page, PROT_READ), "mprotect rest");
	ASSERT_FALSE(is_frozen(c.fd), "read-only for now");
	ASSERT_OK(munmap(c.mem, c.len - page), "munmap all but the last");
	ASSERT_FALSE(is_frozen(c.fd), "last page mapped");

	pid = start_child(&pipe_fd);
	ASSERT_OK(munmap(c.mem, c.len), "munmap");
	if (ASSERT_GT(pid, 0, "fork")) {
		ASSERT_FALSE(is_frozen(c.fd), "mapped in child");
		end_child(pid, pipe_fd);
	}

	if (!map_fd_copies(&ro, c.fd, PROT_READ))
		goto out;
	ASSERT_TRUE(is_frozen(c.fd), "mapped to read");
	ASSERT_EQ(*word_of(&ro, nr_cpus - 1), 5, "word");
	ASSERT_EQ(mprotect(ro.mem, ro.len, RW), -1, "mprotect write");
	ASSERT_EQ(map_pages(c.fd, RW, 0, 1), MAP_FAILED, "map to write");
	ASSERT_EQ(errno, EPERM, "map to write");
	ASSERT_EQ(bpf_map_update_elem(c.fd, &zero, &val, BPF_F_ALL_CPUS), -EPERM, "update");
	munmap(ro.mem, ro.len);
out:
	close(c.fd);
}

/* What else can be done to a mapping */
static void test_vma(void)
{
	int pipe_fd, status, cpu;
	struct copies c;
	__u8 *mem, *old;
	pid_t pid;

	/* parts of it are taken away, and others stay */
	if (nr_cpus < 3) {
		test__skip();
		return;
	}
	if (!map_copies(&c, large, 0))
		return;
	for (cpu = 0; cpu < nr_cpus; cpu++)
		fill(c.mem + cpu * c.stride, c.value_size, 1, cpu);

	/* grow, duplicate, move, move in part */
	ASSERT_EQ(mremap(c.mem, c.len, c.len + page, MREMAP_MAYMOVE), MAP_FAILED, "grow");
	ASSERT_EQ(errno, EFAULT, "grow");
	ASSERT_EQ(mremap(c.mem, page, 2 * page, MREMAP_MAYMOVE), MAP_FAILED, "grow a part");
	ASSERT_EQ(mremap(c.mem, 0, c.len, MREMAP_MAYMOVE), MAP_FAILED, "duplicate");
	mem = mmap(NULL, c.len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!ASSERT_NEQ(mem, MAP_FAILED, "mmap"))
		goto out;
	old = c.mem;
	c.mem = mremap(old, c.len, c.len, MREMAP_MAYMOVE | MREMAP_FIXED, mem);
	if (!ASSERT_EQ(c.mem, mem, "move")) {
		c.mem = old;
		goto out;
	}
	check_mem(&c, 1);
	ASSERT_TRUE(write_faults(old), "old place");

	/* dropping a page gives nothing else in its place */
	mem = map_pages(c.fd, RW, 0, 1);
	if (!ASSERT_NEQ(mem, MAP_FAILED, "map a page"))
		goto out;
	madvise(mem, page, MADV_DONTNEED);
	ASSERT_TRUE(write_faults(mem), "dropped");
	ASSERT_OK(munmap(mem, page), "munmap");
	check_mem(&c, 1);

	/* a child has the same pages, after we have none as well */
	pid = fork();
	if (!pid) {
		for (cpu = 0; cpu < nr_cpus; cpu++)
			fill(c.mem + cpu * c.stride, c.value_size, 2, cpu);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid, "waitpid");
	ASSERT_EQ(status, 0, "status");
	check_mem(&c, 2);

	/* without the second copy */
	ASSERT_OK(munmap(c.mem + c.stride, c.stride), "munmap");
	ASSERT_TRUE(write_faults(c.mem + c.stride), "first unmapped");
	ASSERT_TRUE(write_faults(c.mem + 2 * c.stride - 1), "last unmapped");
	ASSERT_FALSE(write_faults(c.mem + c.stride - 1), "before");
	ASSERT_FALSE(write_faults(c.mem + 2 * c.stride), "behind");
	fill(c.mem, c.value_size, 2, 0);
	fill(c.mem + 2 * c.stride, c.value_size, 2, 2);

	/* and back, with the third, fourth and so on still mapped */
	mem = mmap(c.mem + c.stride, c.stride, RW, MAP_SHARED | MAP_FIXED, c.fd, c.stride);
	ASSERT_EQ(mem, c.mem + c.stride, "map again");
	check_mem(&c, 2);

	/* shrink */
	ASSERT_EQ(mremap(c.mem, c.len, c.stride, 0), c.mem, "shrink");
	ASSERT_TRUE(write_faults(c.mem + c.stride), "behind");
	ASSERT_EQ(c.mem[c.value_size - 1], byte_of(2, 0, c.value_size - 1), "last byte");

	/* what a child still has mapped cannot be seen by others */
	pid = start_child(&pipe_fd);
	ASSERT_OK(munmap(c.mem, c.stride), "munmap");
	if (ASSERT_GT(pid, 0, "fork"))
		end_child(pid, pipe_fd);
	close(c.fd);
	return;
out:
	unmap_copies(&c);
}

/*
 * Whoever takes a reference on a page may write to it after the map is gone.
 * System calls that copy do not need one.
 */
static void check_pinning(void *mem, bool can_pin)
{
	struct iovec iov = { mem, 8 };
	char buf[8] = "1234567";
	ssize_t want = can_pin ? sizeof(buf) : -1;
	int fds[2], fd;

	fd = open("/proc/self/mem", O_RDWR);
	if (ASSERT_OK_FD(fd, "mem")) {
		ASSERT_EQ(pwrite(fd, buf, sizeof(buf), (unsigned long)mem), want, "write mem");
		ASSERT_EQ(pread(fd, buf, sizeof(buf), (unsigned long)mem), want, "read mem");
		close(fd);
	}

	if (!ASSERT_OK(pipe(fds), "pipe"))
		return;
	ASSERT_EQ(vmsplice(fds[1], &iov, 1, 0), want, "vmsplice");
	if (!can_pin)
		ASSERT_EQ(errno, EFAULT, "vmsplice");
	else
		ASSERT_EQ(read(fds[0], buf, sizeof(buf)), sizeof(buf), "read");

	memcpy(mem, "abcdefg", 8);
	ASSERT_EQ(write(fds[1], mem, 8), 8, "write out of it");
	ASSERT_EQ(read(fds[0], buf, 8), 8, "read");
	ASSERT_STREQ(buf, "abcdefg", "what was written");
	ASSERT_EQ(write(fds[1], "gfedcba", 8), 8, "write");
	ASSERT_EQ(read(fds[0], mem, 8), 8, "read into it");
	ASSERT_STREQ(mem, "gfedcba", "what was read");
	close(fds[0]);
	close(fds[1]);
}

static void test_pinning(void)
{
	char plain[8];
	struct copies c;

	check_pinning(plain, true);
	if (!map_copies(&c, 8, 0))
		return;
	for (int cpu = 0; cpu < nr_cpus; cpu++)
		check_pinning(word_of(&c, cpu), false);
	unmap_copies(&c);
}

/* Write to and read from another process, which is ourselves here: 0, or an error */
static int access_process(void *mem)
{
	char buf[8] = "1234567";
	struct iovec local = { buf, sizeof(buf) }, remote = { mem, sizeof(buf) };

	if (process_vm_writev(getpid(), &local, 1, &remote, 1, 0) != sizeof(buf) ||
	    process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != sizeof(buf))
		return -errno;
	return 0;
}

static void test_process_vm(void)
{
	char plain[8];
	struct copies c;

	/* the kernel may come without */
	if (access_process(plain)) {
		test__skip();
		return;
	}
	if (!map_copies(&c, 8, 0))
		return;
	for (int cpu = 0; cpu < nr_cpus; cpu++)
		ASSERT_EQ(access_process(word_of(&c, cpu)), -EFAULT, "mapped");
	unmap_copies(&c);
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	ASSERT_OK(bpf_map_get_info_by_fd(fd, &info, &len), "map_info");
	return info.id;
}

static bool map_lives(__u32 id)
{
	int fd = bpf_map_get_fd_by_id(id);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A mapping is all that is left of a map; then a part of it, then one in a child. */
static void test_lifetime(void)
{
	int cpu, pipe_fd;
	struct copies c;
	__u32 id;
	pid_t pid;

	if (!map_copies(&c, large, 0))
		return;
	for (cpu = 0; cpu < nr_cpus; cpu++)
		fill(c.mem + cpu * c.stride, c.value_size, 1, cpu);
	id = map_id(c.fd);
	close(c.fd);
	ASSERT_OK(kern_sync_rcu(), "sync_rcu");
	ASSERT_TRUE(map_lives(id), "lives in a mapping");
	check_mem(&c, 1);
	for (cpu = 0; cpu < nr_cpus; cpu++)
		fill(c.mem + cpu * c.stride, c.value_size, 2, cpu);
	check_mem(&c, 2);

	ASSERT_OK(munmap(c.mem, c.len - page), "munmap");
	ASSERT_TRUE(map_lives(id), "lives in a page");
	ASSERT_FALSE(write_faults(c.mem + c.len - 1), "write");

	pid = start_child(&pipe_fd);
	ASSERT_OK(munmap(c.mem + c.len - page, page), "munmap");
	if (ASSERT_GT(pid, 0, "fork")) {
		ASSERT_TRUE(map_lives(id), "lives in a child");
		end_child(pid, pipe_fd);
	}
	ASSERT_FALSE(map_lives(id), "lives");
}

/* Count in a map on all CPUs, and compare with what is mapped. */
static __s64 check_where(int map_fd, void *ctx)
{
	struct percpu_data_mmap *skel = ctx;
	int cpu, prog_fd = bpf_program__fd(skel->progs.where);
	struct copies c;
	__s64 dist = 0;

	if (!ASSERT_OK(bpf_map_update_elem(bpf_map__fd(skel->maps.outer), &zero, &map_fd, 0),
		       "update outer") ||
	    !map_fd_copies(&c, map_fd, RW))
		return 0;
	for (cpu = 0; cpu < nr_cpus; cpu++)
		*word_of(&c, cpu) = 1000 * cpu;
	run_unevenly(prog_fd);
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		ASSERT_EQ(*word_of(&c, cpu), 1000 * cpu + runs_of(cpu), "hits");
		if (runs_of(cpu))
			dist = word_of(&c, cpu)[1];
	}
	ASSERT_OK(munmap(c.mem, c.len), "munmap");
	return dist;
}

static void test_first_chunk(struct percpu_data_mmap *skel)
{
	check_chunk(true, bpf_map__value_size(skel->maps.inner), BPF_F_MMAPABLE,
		    check_where, skel);
}

static void test_other_chunk(struct percpu_data_mmap *skel)
{
	check_chunk(false, bpf_map__value_size(skel->maps.inner), BPF_F_MMAPABLE,
		    check_where, skel);
}

/* The flag makes a difference for an inner map, as it does with arrays. */
static void test_inner(struct percpu_data_mmap *skel)
{
	int outer_fd = bpf_map__fd(skel->maps.outer), fd;
	__u32 size = bpf_map__value_size(skel->maps.inner);

	fd = create_map(BPF_MAP_TYPE_PERCPU_ARRAY, size, 1, 0);
	if (ASSERT_GE(fd, 0, "create"))
		ASSERT_EQ(bpf_map_update_elem(outer_fd, &zero, &fd, 0), -EINVAL, "update");
	close(fd);
}

static void test_special_fields(struct percpu_data_mmap *skel)
{
	ASSERT_EQ(map_pages(bpf_map__fd(skel->maps.special_fields), PROT_READ, 0, 1), MAP_FAILED,
		  "mmap");
	ASSERT_EQ(errno, KERN_ENOTSUPP, "mmap");
}

static void test_rejected(void)
{
	int fd;

	ASSERT_EQ(create_map(BPF_MAP_TYPE_PERCPU_ARRAY, 8, 2, BPF_F_MMAPABLE), -EINVAL,
		  "two elements");
	ASSERT_EQ(create_map(BPF_MAP_TYPE_PERCPU_ARRAY, 8, 0, BPF_F_MMAPABLE), -EINVAL,
		  "no element");
	ASSERT_EQ(create_map(BPF_MAP_TYPE_PERCPU_HASH, 8, 1, BPF_F_MMAPABLE), -EINVAL, "hash");
	ASSERT_EQ(create_map(BPF_MAP_TYPE_PROG_ARRAY, 4, 1, BPF_F_MMAPABLE), -EINVAL,
		  "prog array");

	fd = create_map(BPF_MAP_TYPE_PERCPU_ARRAY, 8, 1, 0);
	if (!ASSERT_GE(fd, 0, "create"))
		return;
	ASSERT_EQ(map_pages(fd, PROT_READ, 0, 1), MAP_FAILED, "map without the flag");
	ASSERT_EQ(errno, EINVAL, "map without the flag");
	/* and that did not count as a mapping */
	ASSERT_EQ(map_pages(fd, RW, 0, 1), MAP_FAILED, "map without the flag");
	ASSERT_TRUE(is_frozen(fd), "freeze");
	close(fd);
}

static long usage_of(int fd)
{
	char file[64];

	snprintf(file, sizeof(file), "/proc/self/fdinfo/%d", fd);
	return number_in(AT_FDCWD, file, "memlock:");
}

static void test_usage(void)
{
	__u32 sizes[] = { 1, 12, page, large, MAX_VALUE_SIZE };

	for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
		int plain = create_map(BPF_MAP_TYPE_PERCPU_ARRAY, sizes[i], 1, 0);
		int mmapable = create_percpu(sizes[i], 0);

		if (ASSERT_GE(plain, 0, "create") && ASSERT_GE(mmapable, 0, "create"))
			ASSERT_EQ(usage_of(mmapable) - usage_of(plain),
				  nr_cpus * (roundup(sizes[i], page) - roundup(sizes[i], 8)),
				  "memlock");
		close(plain);
		close(mmapable);
	}
}

/* The pages belong to the cgroup of who created the map. */
static void test_memcg(void)
{
	int cgroup_fd, fds[256], n;
	long charged;

	cgroup_fd = cgroup_setup_and_join("/percpu_data_mmap");
	if (!ASSERT_OK_FD(cgroup_fd, "cgroup"))
		return;
	if (faccessat(cgroup_fd, "memory.stat", R_OK, 0)) {
		test__skip();
		goto out;
	}
	for (n = 0; n < ARRAY_SIZE(fds); n++) {
		fds[n] = create_percpu(1, 0);
		if (!ASSERT_GE(fds[n], 0, "create"))
			break;
	}
	/* the file may lack the last changes, up to 64 pages per CPU */
	charged = number_in(cgroup_fd, "memory.stat", "percpu ");
	ASSERT_GE(charged, n * nr_cpus * page / 2, "charged");
	while (n)
		close(fds[--n]);
out:
	close(cgroup_fd);
	cleanup_cgroup_environment();
}

static void setup(void)
{
	page = getpagesize();
	large = page < MAX_VALUE_SIZE ? page + 1 : page;
	nr_cpus = bpf_num_possible_cpus();
}

static void with_skel(void (*test)(struct percpu_data_mmap *skel))
{
	struct percpu_data_mmap *skel = percpu_data_mmap__open();

	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	skel->rodata->nr_cpus = nr_cpus;
	if (ASSERT_OK(percpu_data_mmap__load(skel), "load"))
		test(skel);
	percpu_data_mmap__destroy(skel);
}

void test_percpu_data_mmap(void)
{
	setup();
	if (test__start_subtest("value_sizes"))
		test_value_sizes();
	if (test__start_subtest("direct"))
		test_direct();
	if (test__start_subtest("programs"))
		with_skel(test_programs);
	if (test__start_subtest("ranges"))
		test_ranges();
	if (test__start_subtest("protection"))
		test_protection();
	if (test__start_subtest("freeze"))
		test_freeze();
	if (test__start_subtest("vma"))
		test_vma();
	if (test__start_subtest("pinning"))
		test_pinning();
	if (test__start_subtest("process_vm"))
		test_process_vm();
	if (test__start_subtest("lifetime"))
		test_lifetime();
	if (test__start_subtest("first_chunk"))
		with_skel(test_first_chunk);
	if (test__start_subtest("other_chunk"))
		with_skel(test_other_chunk);
	if (test__start_subtest("inner"))
		with_skel(test_inner);
	if (test__start_subtest("special_fields"))
		with_skel(test_special_fields);
	if (test__start_subtest("rejected"))
		test_rejected();
	if (test__start_subtest("usage"))
		test_usage();
	if (test__start_subtest("memcg"))
		test_memcg();
}

/* What the per-CPU allocator has taken, all CPUs together */
static long percpu_bytes(void)
{
	return 1024 * number_in(AT_FDCWD, "/proc/meminfo", "Percpu:");
}

static void map_and_unmap(int nr, void **mems, long *peak)
{
	struct copies c;
	int i;

	for (i = 0; i < nr && map_copies(&c, 8, 0); i++) {
		close(c.fd);
		*word_of(&c, nr_cpus - 1) = i;
		mems[i] = c.mem;
	}
	ASSERT_EQ(i, nr, "mapped");
	*peak = percpu_bytes();
	while (i--)
		munmap(mems[i], c.len);
}

/* Maps that are mapped at the same time, then unmapped, are gone, and so is their memory. */
void serial_test_percpu_data_mmap_leak(void)
{
	static void *mems[8000];
	long before, peak, bytes;
	int i, nr;

	setup();
	/* more maps for fewer CPUs, as what the allocator keeps is to be little beside them */
	nr = ARRAY_SIZE(mems) / min(nr_cpus, 8);
	bytes = (long)nr * nr_cpus * page;
	before = percpu_bytes();
	map_and_unmap(nr, mems, &peak);
	ASSERT_GE(peak - before, bytes / 2, "taken");

	/* maps are freed late, and the allocator keeps some of what it gets */
	for (i = 0; i < 100 && percpu_bytes() - before > bytes / 8; i++)
		usleep(100000);
	ASSERT_LE(percpu_bytes() - before, bytes / 8, "not given back");
}
