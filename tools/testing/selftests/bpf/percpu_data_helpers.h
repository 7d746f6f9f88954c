/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <test_progs.h>
#include <bpf/btf.h>
#include <bpf/libbpf_internal.h>
#include "bpf_util.h"

#define JIT_ENABLE	"/proc/sys/net/core/bpf_jit_enable"
#define JIT_HARDEN	"/proc/sys/net/core/bpf_jit_harden"

/* The largest value of a percpu map: PCPU_MIN_UNIT_SIZE of the kernel */
#define MAX_VALUE_SIZE roundup(32 * 1024, getpagesize())

/* A unit of the first per-CPU chunk is not larger than this */
#define MAX_UNIT_SIZE (2 * 1024 * 1024)

/* Run a raw tracepoint program on one CPU. */
static inline int run_on_cpu(int prog_fd, int cpu)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	opts.flags = BPF_F_TEST_RUN_ON_CPU;
	opts.cpu = cpu;
	return bpf_prog_test_run_opts(prog_fd, &opts);
}

/* Run a program on a CPU; false if it is possible, but not online. */
static inline bool ran_on_cpu(int prog_fd, int cpu)
{
	int err = run_on_cpu(prog_fd, cpu);

	if (err == -ENXIO)
		return false;
	ASSERT_OK(err, "test_run");
	return true;
}

/* How often run_unevenly() runs a program on a CPU; not at all where the CPU is offline. */
static inline int runs_of(int cpu)
{
	static bool *online;
	static int nr;

	if (!online && !ASSERT_OK(parse_cpu_mask_file("/sys/devices/system/cpu/online",
						      &online, &nr), "online"))
		return 0;
	return cpu < nr && online[cpu] ? cpu + 1 : 0;
}

/* Run a program a different number of times on each CPU. */
static inline void run_unevenly(int prog_fd)
{
	int i, cpu;

	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++)
		for (i = 0; i < runs_of(cpu); i++)
			if (!ASSERT_OK(run_on_cpu(prog_fd, cpu), "run_on_cpu"))
				return;
}

static inline __u32 value_size_of(int map_fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	ASSERT_OK(bpf_map_get_info_by_fd(map_fd, &info, &len), "map_info");
	return info.value_size;
}

/* The copies of all possible CPUs, one each round_up(value_size, 8) bytes */
static inline void *read_copies(int map_fd)
{
	int zero = 0;
	void *copies;

	copies = calloc(bpf_num_possible_cpus(), roundup(value_size_of(map_fd), 8));
	if (copies && bpf_map_lookup_elem(map_fd, &zero, copies)) {
		free(copies);
		copies = NULL;
	}
	ASSERT_OK_PTR(copies, "copies");
	return copies;
}

static inline void *copy_of(int map_fd, void *copies, int cpu)
{
	return copies + cpu * roundup(value_size_of(map_fd), 8);
}

/* Read one CPU's copy of a section. */
static inline bool read_cpu(const struct bpf_map *map, int cpu, void *copy)
{
	__u64 flags = (__u64)cpu << 32 | BPF_F_CPU;
	int zero = 0;

	return ASSERT_OK(bpf_map__lookup_elem(map, &zero, sizeof(zero), copy,
					      bpf_map__value_size(map), flags), "lookup");
}

/*
 * Create maps until the copies of one are in the first chunk of per-CPU memory,
 * or in another: distance() says how far they are from a per-CPU variable of the
 * kernel, which are all in the first one.
 */
static inline void check_chunk(bool first, __u32 value_size, __u32 map_flags,
			       __s64 (*distance)(int map_fd, void *ctx), void *ctx)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = map_flags);
	int map_fds[256], n = 0;
	bool found = false;
	__s64 dist;

	while (!found && n < ARRAY_SIZE(map_fds)) {
		map_fds[n] = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "percpu_chunk", sizeof(int),
					    value_size, 1, &opts);
		if (!ASSERT_OK_FD(map_fds[n], "create"))
			break;
		dist = distance(map_fds[n++], ctx);
		if (!ASSERT_NEQ(dist, 0, "distance"))
			break;
		found = (llabs(dist) < MAX_UNIT_SIZE) == first;
	}

	/* what else runs here may have filled the first chunk */
	if (first && !found && n == ARRAY_SIZE(map_fds))
		test__skip();
	else
		ASSERT_TRUE(found, "found");
	while (n)
		close(map_fds[--n]);
}

/* Load an object that is expected to fail, and return what libbpf says about it. */
static inline char *load_err_log(struct bpf_object *obj, int exp_err)
{
	int err;

	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		return NULL;
	err = bpf_object__load(obj);
	ASSERT_EQ(err, exp_err, "load");
	return stop_libbpf_log_capture();
}

/* mmap() without the library, which takes no odd offset */
static inline void *raw_mmap(size_t len, int prot, int flags, int fd, unsigned long off)
{
#ifdef __s390__
	unsigned long args[] = { 0, len, prot, flags, fd, off };

	return (void *)syscall(__NR_mmap, args);
#else
	return (void *)syscall(__NR_mmap, NULL, len, prot, flags, fd, off);
#endif
}

/* Until this is unloaded, the JIT lacks the per-CPU address instruction. */
static inline bool load_no_percpu_insn(void)
{
	/* a test that died may have left it */
	unload_module("bpf_test_no_percpu_insn", false);
	return ASSERT_OK(load_module("bpf_test_no_percpu_insn.ko", false), "load_module");
}

static inline void unload_no_percpu_insn(void)
{
	ASSERT_OK(unload_module("bpf_test_no_percpu_insn", false), "unload_module");
}

/* Let the kernel write there: it says whether that faults. */
static inline bool write_faults(void *addr)
{
	int fd, ret, err;

	fd = open("/dev/zero", O_RDONLY);
	if (!ASSERT_OK_FD(fd, "open_zero"))
		return false;
	ret = read(fd, addr, 1);
	err = errno;
	close(fd);
	return ret < 0 && err == EFAULT;
}
