// SPDX-License-Identifier: GPL-2.0
/*
 * A process without privileges was handed maps, and does whatever one can do to
 * mapped copies: nothing but the copies can ever be read, nothing of what is
 * frozen or read-only can be written, and everything ends up freed.
 *
 * PERCPU_STRESS_SECONDS=n in the environment sets how long,
 * PERCPU_SEED=n where the random tries begin.
 */

#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <linux/stddef.h>
#include "percpu_data_stress.h"
#include <io_uring/mini_liburing.h>

#define RW		(PROT_READ | PROT_WRITE)
#define NOBODY		65534
#define MAGIC		0x5eed0000UL	/* in each word, with the number of the page */
#define ANY_PAGE	-1

#ifndef MADV_GUARD_REMOVE
#define MADV_GUARD_REMOVE 103
#endif

/* The maps, each with an ordinary array of as many pages beside it */
enum { PLAIN, RDONLY_PROG, WRONLY_PROG, FROZEN, NR_STATES };

static const struct {
	__u32 flags;
	bool freeze;
	bool writable;
} states[NR_STATES] = {
	[PLAIN] = { 0, false, true },
	[RDONLY_PROG] = { BPF_F_RDONLY_PROG, false, false },
	[WRONLY_PROG] = { BPF_F_WRONLY_PROG, false, true },
	[FROZEN] = { BPF_F_RDONLY_PROG, true, false },
};

static int nr_cpus, zero, percpu_fds[NR_STATES], array_fds[NR_STATES];
static size_t page, copy_len, len, nr_pages;
static unsigned int seed;

/* What the unprivileged process says */
static struct {
	long tried, mapped, failed;
	char msg[2048];
} *shared;

static bool expect_line(bool cond, int line, long a, long b)
{
	size_t n = strlen(shared->msg);

	if (cond)
		return true;
	shared->failed++;
	snprintf(shared->msg + n, sizeof(shared->msg) - n, "line %d: %#lx, %#lx, errno %d\n", line,
		 a, b, errno);
	return false;
}

#define expect(cond, a, b) expect_line(cond, __LINE__, (long)(a), (long)(b))
#define expect_eq(is, want) ({					\
	long __is = (long)(is), __want = (long)(want);		\
								\
	expect(__is == __want, __is, __want);			\
})

/* Not every kernel has everything, or lets nobody use it. One that is put under stress does. */
#define is_there(ok) ((ok) || (expect(!stress_seconds(), 0, 0) && false))

static unsigned int any(unsigned int n)
{
	return rand_r(&seed) % n;
}

/* Read a word or write one, and say whether it faults; a pipe is between. */
static int probe_fds[2];

static bool read_word(void *addr, unsigned long *word)
{
	if (write(probe_fds[1], addr, sizeof(*word)) != sizeof(*word))
		return false;
	return read(probe_fds[0], word, sizeof(*word)) == sizeof(*word);
}

static bool write_word(void *addr, unsigned long word)
{
	if (write(probe_fds[1], &word, sizeof(word)) != sizeof(word))
		return false;
	if (read(probe_fds[0], addr, sizeof(word)) == sizeof(word))
		return true;
	return !read(probe_fds[0], &word, sizeof(word));	/* always false, and drains it */
}

/*
 * A page is that of this number, all of it. ANY_PAGE: it may have been moved,
 * replaced by zeroes of our own, or protected. Only what may be written can be.
 */
static void check_page(void *addr, bool writable, int nr)
{
	void *where = addr + any(page / sizeof(long)) * sizeof(long);
	unsigned long first, other;

	if (!read_word(addr, &first) || !read_word(where, &other)) {
		expect(nr == ANY_PAGE, nr, 0);
		return;
	}
	expect_eq(other, first);
	if (nr != ANY_PAGE)
		expect_eq(first, MAGIC + nr);
	else if (!expect(!first || (first >= MAGIC && first < MAGIC + nr_pages), first, nr_pages))
		return;
	if (first && write_word(where, first))
		expect(writable, first, 0);
}

/* The same for some pages, with numbers from @nr on unless that is ANY_PAGE */
static void check_range(void *mem, size_t size, bool writable, int nr)
{
	for (size_t off = 0; off < size; off += page)
		check_page(mem + off, writable, nr == ANY_PAGE ? nr : nr++);
}

/* What one CPU's copy, or page, has in its words */
static void fill_page(unsigned long *words, int nr)
{
	for (size_t i = 0; i < page / sizeof(*words); i++)
		words[i] = MAGIC + nr;
}

/* mmap() with all kinds of arguments does what it does to an array. */
static void try_mmap(size_t off, size_t size, int prot, int flags, int state)
{
	void *mem, *array;
	int err;

	shared->tried++;
	mem = raw_mmap(size, prot, flags, percpu_fds[state], off);
	err = mem == MAP_FAILED ? errno : 0;
	/* not both at the same time, for the sake of limits */
	if (!err) {
		shared->mapped++;
		check_range(mem, size, states[state].writable,
			    prot & PROT_READ ? off / page : ANY_PAGE);
		munmap(mem, size);
	}
	array = raw_mmap(size, prot, flags, array_fds[state], off);
	if (array != MAP_FAILED)
		munmap(array, size);
	if (!expect_eq(err, array == MAP_FAILED ? errno : 0))
		expect(false, off << 32 | size, (long)prot << 32 | flags);
}

static void try_any_mmap(void)
{
	const size_t offs[] = {
		0, 1, page / 2, page - 1, page, 2 * page, len / 2, len - 2 * page, len - page,
		len - 1, len, len + 1, len + page, 2 * len, 1UL << 32, 1UL << 43, 1UL << 62,
		-2 * page, -page, -1UL
	};
	const size_t sizes[] = {
		0, 1, page - 1, page, page + 1, 2 * page, len / 2, len - page, len - 1, len,
		len + 1, len + page, 2 * len, 1UL << 32, 1UL << 43, 1UL << 62, -2 * page,
		-page, -1UL
	};
	const int prots[] = {
		PROT_NONE, PROT_READ, PROT_WRITE, RW, PROT_EXEC, PROT_READ | PROT_EXEC,
		RW | PROT_EXEC, PROT_READ | PROT_GROWSDOWN, RW | PROT_GROWSUP
	};
	const int types[] = {
		MAP_SHARED, MAP_SHARED, MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE, 0
	};
	const int flags[] = {
		0, 0, 0, MAP_POPULATE, MAP_LOCKED, MAP_NORESERVE, MAP_NONBLOCK, MAP_STACK,
		MAP_HUGETLB, MAP_SYNC, MAP_GROWSDOWN, MAP_DENYWRITE
	};

	try_mmap(offs[any(ARRAY_SIZE(offs))], sizes[any(ARRAY_SIZE(sizes))],
		 prots[any(ARRAY_SIZE(prots))],
		 types[any(ARRAY_SIZE(types))] | flags[any(ARRAY_SIZE(flags))], any(NR_STATES));
}

/* Things done to a mapping, one after another, in a place of four times its size */
static void try_vma(void)
{
	const size_t sizes[] = {
		0, 1, page, page + 1, 2 * page, len / 2, len, len + page, 2 * len
	};
	const int prots[] = {
		PROT_NONE, PROT_READ, PROT_WRITE, RW, PROT_EXEC, RW | PROT_EXEC
	};
	int state = any(NR_STATES), prot = states[state].writable && any(2) ? RW : PROT_READ;
	bool writable = prot == RW;
	size_t size = 4 * len;
	void *arena, *mem;

	arena = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!expect(arena != MAP_FAILED, 0, 0))
		return;
	mem = mmap(arena + len, len, prot, MAP_SHARED | MAP_FIXED, percpu_fds[state], 0);
	if (!expect(mem != MAP_FAILED, 0, 0))
		goto out;
	shared->mapped++;

	for (int i = any(12); i >= 0; i--) {
		void *at = arena + any(size / page) * page, *to = arena + any(size / page) * page;
		size_t n = sizes[any(ARRAY_SIZE(sizes))], n2 = sizes[any(ARRAY_SIZE(sizes))];
		size_t room = arena + size - at;
		unsigned char vec[64];

		if (n > room)
			n = room;
		shared->tried++;
		switch (any(12)) {
		case 0:
			/* whatever moves to a place that the kernel chooses must not stay there */
			if (to + n2 <= arena + size)
				mremap(at, n, n2, MREMAP_MAYMOVE | MREMAP_FIXED | any(2) * 4, to);
			break;
		case 1:
			if (at + n2 <= arena + size)
				mremap(at, n, n2, 0);
			break;
		case 2:
		case 3:
			mprotect(at, n, prots[any(ARRAY_SIZE(prots))]);
			break;
		case 4:
		case 5:
			madvise(at, n, any(MADV_GUARD_REMOVE + 1));
			break;
		case 6:
			mlock2(at, n, any(2));
			break;
		case 7:
			munlock(at, n);
			break;
		case 8:
			msync(at, n, any(8));
			break;
		case 9:
			mincore(at, n < 64 * page ? n : 64 * page, vec);
			break;
		case 10:
			/* leaves the place reserved */
			mmap(at, n ?: page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			     -1, 0);
			break;
		case 11:
			syscall(__NR_remap_file_pages, at, n, 0, any(nr_pages), 0);
			break;
		}
		check_range(arena, size, writable, ANY_PAGE);
	}
out:
	munmap(arena, size);
}

/*
 * A page's reference outlives the map: there is no way to one. The same calls
 * do what they are asked for with an array, whose pages may be taken.
 */
static void expect_way_line(long ret, bool pages, int err, int line)
{
	shared->tried++;
	expect_line(pages ? ret >= 0 : ret < 0 && errno == err, line, ret, err);
}

#define expect_way(ret, pages, err) expect_way_line(ret, pages, err, __LINE__)

static void try_pages(void *mem, bool pages)
{
	struct iovec iov = { mem, 8 };
	unsigned long word = 1;
	int fds[2], fd;

	if (expect(!pipe(fds), 0, 0)) {
		expect_way(vmsplice(fds[1], &iov, 1, 0), pages, EFAULT);
		expect_way(vmsplice(fds[1], &iov, 1, SPLICE_F_GIFT), pages, EFAULT);
		close(fds[0]);
		close(fds[1]);
	}
	fd = open("/proc/self/mem", O_RDWR);
	if (expect(fd >= 0, fd, 0)) {
		expect_way(pread(fd, &word, 8, (long)mem), pages, EIO);
		expect_way(pwrite(fd, &word, 8, (long)mem), pages, EIO);
		close(fd);
	}
	/* shared futexes want anonymous pages or those of a file: an array's are neither */
	expect_way(syscall(__NR_futex, mem, FUTEX_WAIT, 1, NULL, NULL, 0), false, EFAULT);
}

static void try_process(void *mem, bool pages)
{
	unsigned long word = 1;
	struct iovec local = { &word, 8 }, remote = { mem, 8 }, own = local;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	if (!expect(pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), pid, 0))
		return;
	if (is_there(process_vm_readv(pid, &local, 1, &own, 1, 0) == 8)) {
		expect_way(process_vm_readv(pid, &local, 1, &remote, 1, 0), pages, EFAULT);
		expect_way(process_vm_writev(pid, &local, 1, &remote, 1, 0), pages, EFAULT);
	}
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, mem, 0);
	expect_way(errno ? -1 : 0, pages, EIO);
	expect_way(ptrace(PTRACE_POKEDATA, pid, mem, word), pages, EIO);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The kernel copies a word between a pipe and the memory, or says why not. */
static bool ring_copies(struct io_uring *ring, int opcode, int fd, void *mem, int exp_res)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->fd = fd;
	sqe->addr = (unsigned long)mem;
	sqe->len = 8;
	sqe->off = -1;
	if (!expect_eq(io_uring_submit(ring), 1) || !expect_eq(io_uring_wait_cqe(ring, &cqe), 0))
		return false;
	expect_eq(cqe->res, exp_res);
	io_uring_cqe_seen(ring);
	return true;
}

/* It copies, and does not keep pages. */
static void try_io_uring(void *mem, bool writable, bool pages)
{
	struct iovec iov = { mem, len };
	struct io_uring_params params = { .flags = IORING_SETUP_NO_MMAP };
	struct io_uring ring;
	unsigned long word;
	int fds[2], fd, ret;

	if (!is_there(!io_uring_queue_init(4, &ring, 0)))
		return;
	/* what it copies */
	shared->tried += 2;
	if (!expect(!pipe(fds), 0, 0))
		goto out;
	if (ring_copies(&ring, IORING_OP_WRITE, fds[1], mem, 8))
		expect(read(fds[0], &word, 8) == 8 && word == MAGIC, word, 0);
	word = MAGIC;
	expect(write(fds[1], &word, 8) == 8, 0, 0);
	ring_copies(&ring, IORING_OP_READ, fds[0], mem, writable ? 8 : -EFAULT);
	close(fds[0]);
	close(fds[1]);

	/* buffers that it keeps */
	ret = io_uring_register_buffers(&ring, &iov, 1);
	errno = -ret;
	expect_way(ret, pages, EFAULT);
	/* its rings in our memory, which it overwrites: the last that is tried */
	params.sq_off.user_addr = (unsigned long)mem;
	params.cq_off.user_addr = (unsigned long)mem;
	fd = syscall(__NR_io_uring_setup, 4, &params);
	expect_way(fd, pages, EFAULT);
	close(fd);
out:
	io_uring_queue_exit(&ring);
}

static void try_userfaultfd(void *mem, bool writable)
{
	const __u64 modes[] = { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP,
				UFFDIO_REGISTER_MODE_MINOR };
	struct uffdio_register reg = { .range = { (unsigned long)mem, len } };
	struct uffdio_writeprotect wp = { .range = reg.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct uffdio_zeropage zeropage = { .range = { (unsigned long)mem, page } };
	struct uffdio_api api = { .api = UFFD_API };
	int fd, i;

	for (int async = 0; async <= 1; async++) {
		fd = syscall(__NR_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
		if (!is_there(fd >= 0))
			return;
		api.features = async ? UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED : 0;
		/* not every architecture protects */
		if (ioctl(fd, UFFDIO_API, &api)) {
			expect(async && errno == EINVAL, async, 0);
			close(fd);
			continue;
		}
		for (i = 0; i < ARRAY_SIZE(modes); i++) {
			shared->tried++;
			reg.mode = modes[i];
			if (ioctl(fd, UFFDIO_REGISTER, &reg))
				continue;
			/* only what protects asynchronously takes all kinds of memory */
			if (!expect(async && modes[i] == UFFDIO_REGISTER_MODE_WP, async, modes[i]))
				continue;
			ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
			check_range(mem, len, writable, 0);
			ioctl(fd, UFFDIO_ZEROPAGE, &zeropage);
			wp.mode = 0;
			ioctl(fd, UFFDIO_WRITEPROTECT, &wp);
			check_range(mem, len, writable, 0);
			ioctl(fd, UFFDIO_UNREGISTER, &reg.range);
		}
		close(fd);
		check_range(mem, len, writable, 0);
	}
}

/* Sending without copying wants pages, too. */
static void try_zerocopy(void *mem, bool pages)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

	if (expect(fd >= 0, fd, 0) && expect(!connect(fd, (void *)&addr, sizeof(addr)), 0, 0) &&
	    expect(!setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)), 0, 0))
		expect_way(send(fd, mem, 4096, MSG_ZEROCOPY), pages, EFAULT);
	close(fd);
}

/* Files that tell of the mappings, and change them */
static void try_proc(void *mem, bool writable)
{
	const char * const files[] = { "smaps", "smaps_rollup", "numa_maps", "maps" };
	char name[64];
	int fd;

	for (int i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(name, sizeof(name), "/proc/self/%s", files[i]);
		fd = open(name, O_RDONLY);
		if (fd < 0)
			continue;
		while (read(fd, name, sizeof(name)) > 0)
			;
		close(fd);
		shared->tried++;
	}
	fd = open("/proc/self/pagemap", O_RDONLY);
	if (fd >= 0) {
		pread(fd, name, 8, (unsigned long)mem / page * 8);
		close(fd);
	}
	for (int i = 1; i <= 5; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fd = open("/proc/self/clear_refs", O_WRONLY);
		if (fd < 0)
			break;
		write(fd, name, 1);
		close(fd);
		shared->tried++;
		check_range(mem, len, writable, 0);
	}
}

static void try_ways_in(int fd, bool writable, bool pages)
{
	void *mem = mmap(NULL, len, writable ? RW : PROT_READ, MAP_SHARED, fd, 0);

	if (!expect(mem != MAP_FAILED, fd, 0))
		return;
	shared->mapped++;
	for (size_t off = 0; off < len; off += page)
		try_pages(mem + off, pages);
	try_process(mem, pages);
	try_userfaultfd(mem, writable);
	try_zerocopy(mem, pages);
	try_proc(mem, writable);
	check_range(mem, len, writable, 0);
	try_io_uring(mem, writable, pages);
	if (!pages)
		check_range(mem, len, writable, 0);
	expect(!munmap(mem, len), 0, 0);
}

static void be_nobody(void)
{
	if (setgid(NOBODY) || setuid(NOBODY) || prctl(PR_SET_DUMPABLE, 1) || pipe(probe_fds) ||
	    fcntl(probe_fds[0], F_SETFL, O_NONBLOCK))
		_exit(1);
}

/* Run something as nobody, and see what it says. */
static void as_nobody(void (*fn)(void))
{
	int status;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (!pid) {
		be_nobody();
		fn();
		_exit(0);
	}
	if (!ASSERT_GT(pid, 0, "fork"))
		return;
	ASSERT_EQ(waitpid(pid, &status, 0), pid, "waitpid");
	ASSERT_EQ(status, 0, "status");
	if (!ASSERT_EQ(shared->failed, 0, "failed"))
		fprintf(stdout, "PERCPU_SEED=%u\n%s\n", seed, shared->msg);
	ASSERT_GT(shared->tried, 0, "tried");
	ASSERT_GT(shared->mapped, 0, "mapped");
}

static void any_mmaps(void)
{
	__u64 end = stress_end(0);

	for (int i = 0; !shared->failed && (i < 3000 || get_time_ns() < end); i++)
		try_any_mmap();
}

static void any_vmas(void)
{
	__u64 end = stress_end(0);

	for (int i = 0; !shared->failed && (i < 100 || get_time_ns() < end); i++)
		try_vma();
}

static void all_ways_in(void)
{
	for (int state = 0; state < NR_STATES; state++)
		try_ways_in(percpu_fds[state], states[state].writable, false);
	try_ways_in(array_fds[PLAIN], true, true);
}

/* Whoever could write has written what was there already. */
static bool check_unchanged(int state)
{
	unsigned long *values = malloc(len);
	bool ok;

	ok = ASSERT_OK_PTR(values, "malloc") &&
	     ASSERT_OK(bpf_map_lookup_elem(percpu_fds[state], &zero, values), "lookup");
	for (size_t i = 0; ok && i < len / sizeof(*values); i++)
		ok = values[i] == MAGIC + i * sizeof(*values) / page ||
		     ASSERT_EQ(values[i], MAGIC + i * sizeof(*values) / page, "changed");
	free(values);
	return ok;
}

static int make_map(enum bpf_map_type type, __u32 value_size, struct bpf_map_create_opts *opts,
		    void *values, bool freeze)
{
	int fd = bpf_map_create(type, "handed_over", sizeof(int), value_size, 1, opts);

	if (!ASSERT_OK_FD(fd, "create"))
		return fd;
	ASSERT_OK(bpf_map_update_elem(fd, &zero, values, 0), "update");
	if (freeze)
		ASSERT_OK(bpf_map_freeze(fd), "freeze");
	return fd;
}

static void test_handed_over(void (*fn)(void), const char *what)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	unsigned long *values = malloc(len);
	int i;

	memset(percpu_fds, -1, sizeof(percpu_fds));
	memset(array_fds, -1, sizeof(array_fds));
	if (!ASSERT_OK_PTR(values, "malloc"))
		return;
	for (i = 0; i < nr_pages; i++)
		fill_page((void *)values + i * page, i);
	for (i = 0; i < NR_STATES; i++) {
		opts.map_flags = BPF_F_MMAPABLE | states[i].flags;
		percpu_fds[i] = make_map(BPF_MAP_TYPE_PERCPU_ARRAY, copy_len, &opts, values,
					 states[i].freeze);
		array_fds[i] = make_map(BPF_MAP_TYPE_ARRAY, len, &opts, values, states[i].freeze);
		if (percpu_fds[i] < 0 || array_fds[i] < 0)
			goto out;
	}
	as_nobody(fn);
	for (i = 0; i < NR_STATES; i++)
		check_unchanged(i);
	stress_says("mappings, %s: %ld tries, %ld mappings", what, shared->tried, shared->mapped);
out:
	for (i = 0; i < NR_STATES; i++) {
		close(percpu_fds[i]);
		close(array_fds[i]);
	}
	free(values);
}

/*
 * Threads of a process without privileges that map, write, protect, fork and
 * unmap, while one that has them freezes the map
 */
static struct race {
	int fd;
	bool frozen, stop;
	bool late;		/* mapped for writing after freezing */
	long writes;
} *race;

static void *race_to_write(void *arg)
{
	unsigned long i = (unsigned long)arg << 32;

	while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE)) {
		bool frozen = __atomic_load_n(&race->frozen, __ATOMIC_ACQUIRE);
		unsigned long *mem = mmap(NULL, len, RW, MAP_SHARED, race->fd, 0);

		if (mem == MAP_FAILED)
			continue;
		if (frozen)
			race->late = true;
		mem[any(len / sizeof(*mem))] = i++;
		mprotect(mem, page, PROT_READ);
		if (nr_pages > 1)
			munmap((void *)mem + page, page);
		if (any(16) == 0) {
			pid_t pid = fork();

			if (!pid) {
				((unsigned long *)((void *)mem + len))[-1] = i;
				_exit(0);
			}
			waitpid(pid, NULL, 0);
		}
		munmap(mem, len);
		__atomic_fetch_add(&race->writes, 1, __ATOMIC_RELAXED);
		/* a moment for freezing */
		usleep(any(500));
	}
	return NULL;
}

static void *race_to_read(void *arg)
{
	while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE)) {
		unsigned long *mem = mmap(NULL, len, PROT_READ, MAP_SHARED, race->fd, 0);

		if (mem == MAP_FAILED)
			continue;
		if (!mprotect(mem, len, RW))
			race->late = true;
		munmap(mem, len);
	}
	return NULL;
}

static void be_racers(void)
{
	pthread_t threads[3];
	long i;

	be_nobody();
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		if (pthread_create(&threads[i], NULL, i < 2 ? race_to_write : race_to_read,
				   (void *)i))
			_exit(1);
	while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE))
		usleep(100);
	/* their mappings are what is left of it */
	close(race->fd);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

static void freeze_races(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	void *before = malloc(len), *after = malloc(len);
	long rounds, frozen = 0, writes = 0;
	__u64 end = stress_end(0);
	int i, err, status;
	pid_t pid;

	race = mmap(NULL, sizeof(*race), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!ASSERT_NEQ(race, MAP_FAILED, "race"))
		goto out;
	/* until one was frozen, however slow this is */
	for (rounds = 0; rounds < (frozen ? 10 : 200) || get_time_ns() < end; rounds++) {
		memset(race, 0, sizeof(*race));
		race->fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "race", sizeof(int),
					  copy_len, 1, &opts);
		if (!ASSERT_OK_FD(race->fd, "create"))
			break;
		pid = fork();
		if (!pid)
			be_racers();
		for (i = 0; i < 10000 && !__atomic_load_n(&race->writes, __ATOMIC_RELAXED); i++)
			usleep(1000);
		for (i = 0; i < 2000; i++) {
			err = bpf_map_freeze(race->fd);
			if (err != -EBUSY)
				break;
			sched_yield();
		}
		if (!err) {
			/* from now on, nobody writes */
			frozen++;
			__atomic_store_n(&race->frozen, true, __ATOMIC_RELEASE);
			ASSERT_OK(bpf_map_lookup_elem(race->fd, &zero, before), "lookup");
			usleep(1000);
			ASSERT_OK(bpf_map_lookup_elem(race->fd, &zero, after), "lookup");
			ASSERT_MEMEQ(before, after, len, "written after freezing");
		} else {
			/* they may never have left it alone */
			ASSERT_EQ(err, -EBUSY, "freeze");
		}
		close(race->fd);
		__atomic_store_n(&race->stop, true, __ATOMIC_RELEASE);
		if (!ASSERT_EQ(waitpid(pid, &status, 0), pid, "waitpid") ||
		    !ASSERT_EQ(status, 0, "status") ||
		    !ASSERT_GT(race->writes, 0, "writes") ||
		    !ASSERT_FALSE(race->late, "writable when frozen"))
			break;
		writes += race->writes;
	}
	stress_says("mappings, races to freeze and free: %ld maps, %ld frozen, %ld mappings",
		    rounds, frozen, writes);
	ASSERT_GT(frozen, 0, "frozen");
	munmap(race, sizeof(*race));
out:
	free(before);
	free(after);
}

void serial_test_percpu_data_maps(void)
{
	struct stress_usage usage;

	seed = stress_seed();
	nr_cpus = bpf_num_possible_cpus();
	page = getpagesize();
	/* three pages where a value may be as large */
	copy_len = 3 * page <= MAX_VALUE_SIZE ? 3 * page : page;
	len = nr_cpus * copy_len;
	nr_pages = len / page;
	shared = mmap(NULL, sizeof(*shared), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!ASSERT_NEQ(shared, MAP_FAILED, "shared"))
		return;
	check_kmemleak(true);
	get_usage(&usage);
	if (test__start_subtest("mmap"))
		test_handed_over(any_mmaps, "mmap");
	if (test__start_subtest("vma"))
		test_handed_over(any_vmas, "what is done to them");
	if (test__start_subtest("ways_in"))
		test_handed_over(all_ways_in, "ways in");
	if (test__start_subtest("freeze"))
		freeze_races();
	check_usage(&usage, "maps");
	check_kmemleak(false);
	munmap(shared, sizeof(*shared));
}
