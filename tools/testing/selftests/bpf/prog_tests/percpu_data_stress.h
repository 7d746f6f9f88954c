/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests that try to break per-CPU data have in common */
#ifndef __PERCPU_DATA_STRESS_H
#define __PERCPU_DATA_STRESS_H

#include <stdarg.h>
#include "percpu_data_helpers.h"
#include "testing_helpers.h"

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define PERCPU_STATS	"/sys/kernel/debug/percpu_stats"

/* PERCPU_STRESS_SECONDS=n in the environment: go on for so long; 0 if it is not there */
static inline int stress_seconds(void)
{
	const char *env = getenv("PERCPU_STRESS_SECONDS");

	return env ? atoi(env) : 0;
}

/* PERCPU_SEED=n: try others than usual */
static inline unsigned int stress_seed(void)
{
	const char *env = getenv("PERCPU_SEED");

	return env ? strtoul(env, NULL, 0) : 1;
}

static inline __u64 stress_end(double default_seconds)
{
	int seconds = stress_seconds();

	return get_time_ns() + (seconds ?: default_seconds) * 1e9;
}

/* Maps, programs and per-CPU memory that there are */
struct stress_usage {
	int maps;
	int progs;
	long percpu_kb;
	long percpu_allocs;	/* where the kernel counts them */
};

static inline void get_usage(struct stress_usage *u)
{
	__u32 id;

	u->maps = 0;
	u->progs = 0;
	for (id = 0; !bpf_map_get_next_id(id, &id);)
		u->maps++;
	for (id = 0; !bpf_prog_get_next_id(id, &id);)
		u->progs++;
	u->percpu_kb = number_in(AT_FDCWD, "/proc/meminfo", "Percpu:");
	u->percpu_allocs = number_in(AT_FDCWD, PERCPU_STATS, "  nr_cur_alloc        :");
}

/*
 * The per-CPU allocator keeps some of the memory that it gets, for each CPU, and
 * others allocate, too: a few leaks go unseen here, and are left to kmemleak.
 */
static inline long kept_percpu_kb(void)
{
	long kb = 256 * bpf_num_possible_cpus();

	return kb > 4096 ? kb : 4096;
}

static inline bool is_back(const struct stress_usage *was, const struct stress_usage *is)
{
	return is->maps <= was->maps && is->progs <= was->progs &&
	       is->percpu_kb <= was->percpu_kb + kept_percpu_kb() &&
	       is->percpu_allocs <= was->percpu_allocs + 16;
}

/* All that was created since is gone: it is freed late. */
static inline void check_usage(const struct stress_usage *was, const char *what)
{
	struct stress_usage is;
	int i;

	for (i = 0; i < 100; i++) {
		get_usage(&is);
		if (is_back(was, &is))
			break;
		usleep(100000);
	}
	ASSERT_LE(is.maps, was->maps, what);
	ASSERT_LE(is.progs, was->progs, what);
	ASSERT_LE(is.percpu_kb, was->percpu_kb + kept_percpu_kb(), what);
	ASSERT_LE(is.percpu_allocs, was->percpu_allocs + 16, what);
}

/* Forget what kmemleak has found so far, or see that it finds nothing. It has to look twice. */
static inline void check_kmemleak(bool forget)
{
	char buf[2048];
	int fd, n;

	if (access(KMEMLEAK, W_OK))
		return;
	/* it passes by what is younger than five seconds */
	sleep(6);
	for (int i = 0; i < 2; i++)
		if (!ASSERT_OK(write_sysctl(KMEMLEAK, "scan"), "scan"))
			return;
	if (forget) {
		write_sysctl(KMEMLEAK, "clear");
		return;
	}
	fd = open(KMEMLEAK, O_RDONLY);
	if (!ASSERT_OK_FD(fd, "kmemleak"))
		return;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (ASSERT_GE(n, 0, "kmemleak") && !ASSERT_EQ(n, 0, "leaked")) {
		buf[n] = 0;
		fprintf(stdout, "%s\n", buf);
	}
}

/*
 * Say what was tried and how often; also in the file that PERCPU_STRESS_REPORT
 * in the environment names, for those who run these tests and see no output of
 * what passes.
 */
static inline __printf(1, 2) void stress_says(const char *fmt, ...)
{
	const char *report = getenv("PERCPU_STRESS_REPORT");
	FILE *f = report ? fopen(report, "a") : NULL;
	va_list args;

	fprintf(f ?: stdout, "tried: ");
	va_start(args, fmt);
	vfprintf(f ?: stdout, fmt, args);
	va_end(args);
	fputc('\n', f ?: stdout);
	if (f)
		fclose(f);
}

#endif
