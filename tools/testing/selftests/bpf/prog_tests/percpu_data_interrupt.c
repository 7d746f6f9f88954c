// SPDX-License-Identifier: GPL-2.0
/* Programs that interrupt each other, or a system call that copies their variables */

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include "percpu_data_helpers.h"
#include "percpu_data_interrupt.skel.h"

#define NR_RUNS		10
#define NR_TICKS	2000
#define MAX_SECONDS	20
#define SIZE		47	/* what gets copied: longs, and what fits into less than a long */

static int zero;
static bool stop;

/* Pin this thread to the CPU where it is. */
static int pin(cpu_set_t *old_cpus)
{
	int cpu = sched_getcpu();
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	ASSERT_OK(sched_getaffinity(0, sizeof(*old_cpus), old_cpus), "getaffinity");
	ASSERT_OK(sched_setaffinity(0, sizeof(cpus), &cpus), "setaffinity");
	return cpu;
}

/* A task that runs a program every other millisecond, whatever else its CPU does */
static void *interrupting_task(void *arg)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct sched_param param = { .sched_priority = 1 };
	struct percpu_data_interrupt *skel = arg;
	long err;

	err = pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
	while (!err && !__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		usleep(1000);
		err = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.interrupting_task), &opts);
	}
	return (void *)err;
}

static void check_counts(struct percpu_data_interrupt *skel, int cpu, bool by_irq)
{
	typeof(skel->percpu->counts) counts;
	typeof(skel->percpu_seen->seen) seen;
	long interrupts, all;

	if (!read_cpu(skel->maps.percpu, cpu, &counts) ||
	    !read_cpu(skel->maps.percpu_seen, cpu, &seen) ||
	    !read_cpu(skel->maps.percpu_interrupts, cpu, &interrupts))
		return;

	all = NR_RUNS + interrupts;
	ASSERT_EQ(seen.runs, NR_RUNS, "runs");

	/* what comes between reading and writing is lost */
	ASSERT_GE(seen.plain, NR_RUNS, "plain seen");
	ASSERT_EQ(counts.plain, all - seen.plain, "plain");

	ASSERT_GE(seen.atomic, NR_RUNS, "atomic seen");
	ASSERT_EQ(counts.atomic, all, "atomic");

	if (by_irq)
		ASSERT_GE(seen.preempt_off, NR_RUNS, "preempt_off seen");
	else
		ASSERT_EQ(seen.preempt_off, 0, "preempt_off seen");
	ASSERT_EQ(counts.preempt_off, all - seen.preempt_off, "preempt_off");

	ASSERT_EQ(seen.irq_off, 0, "irq_off seen");
	ASSERT_EQ(counts.irq_off, all, "irq_off");
}

static void test_programs(bool by_irq)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct percpu_data_interrupt *skel;
	struct bpf_link *link = NULL;
	cpu_set_t old_cpus;
	pthread_t thread;
	void *err;
	int cpu;

	skel = percpu_data_interrupt__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	skel->rodata->by_irq = by_irq;
	if (!ASSERT_OK(percpu_data_interrupt__load(skel), "load"))
		goto out;

	cpu = pin(&old_cpus);
	if (by_irq) {
		link = bpf_program__attach(skel->progs.interrupting_irq);
		if (!ASSERT_OK_PTR(link, "attach"))
			goto unpin;
	} else {
		stop = false;
		if (!ASSERT_OK(pthread_create(&thread, NULL, interrupting_task, skel), "thread"))
			goto unpin;
	}

	for (int i = 0; i < NR_RUNS; i++)
		if (!ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.interrupted),
						      &opts), "test_run"))
			break;

	if (by_irq) {
		/* wait for an interrupt that came after the last look at it */
		usleep(1000);
		bpf_link__destroy(link);
	} else {
		__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, &err);
		ASSERT_NULL(err, "interrupting task");
	}
	check_counts(skel, cpu, by_irq);
unpin:
	sched_setaffinity(0, sizeof(old_cpus), &old_cpus);
out:
	percpu_data_interrupt__destroy(skel);
}

static bool whole(const char *bytes)
{
	__u64 longs[SIZE / 8];
	__u32 half;
	__u16 quarter;
	size_t off = sizeof(longs);

	memcpy(longs, bytes, sizeof(longs));
	memcpy(&half, bytes + off, sizeof(half));
	memcpy(&quarter, bytes + off + sizeof(half), sizeof(quarter));
	for (int i = 0; i < ARRAY_SIZE(longs); i++)
		if (longs[i] && longs[i] != -1ULL)
			return false;
	return (!half || half == -1U) && (!quarter || quarter == 0xffff);
}

struct result {
	int failed;
	int overrun;
	int torn;
};

/* Each way to read or write a copy of one CPU, with a byte behind it that is not part of it */
static void copy_all_ways(int fd, int cpu, int round, struct result *res)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts, .elem_flags = (__u64)cpu << 32 | BPF_F_CPU);
	__u64 flags = opts.elem_flags;
	__u32 key, count = 1, batch;
	char buf[SIZE + 1];

	memset(buf, 0x5a, sizeof(buf));
	res->failed += !!bpf_map_lookup_elem_flags(fd, &zero, buf, flags);
	res->overrun += buf[SIZE] != 0x5a;
	res->torn += !whole(buf);

	/* fails at the end of the map, with what it has found there */
	memset(buf, 0x5a, sizeof(buf));
	bpf_map_lookup_batch(fd, NULL, &batch, &key, buf, &count, &opts);
	res->failed += count != 1;
	res->overrun += buf[SIZE] != 0x5a;
	res->torn += !whole(buf);

	memset(buf, round & 1 ? 0 : -1, sizeof(buf));
	res->failed += !!bpf_map_update_elem(fd, &zero, buf, flags);
	memset(buf, round & 1 ? -1 : 0, sizeof(buf));
	res->failed += !!bpf_map_update_elem(fd, &zero, buf, BPF_F_ALL_CPUS);
}

/*
 * No copy has part of a variable, whenever a program interrupts the copying. Where memcpy() copies
 * words, it does not tear them either: it is seen to where it copies bytes, as x86's "rep movsb".
 */
static void test_copies(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct percpu_data_interrupt *skel;
	struct result array = {}, hash = {};
	int array_fd, hash_fd, cpu, i;
	char zeroes[SIZE] = {};
	__u64 end = get_time_ns() + MAX_SECONDS * 1000000000ULL;
	cpu_set_t old_cpus;
	long seen = 0;

	skel = percpu_data_interrupt__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;
	array_fd = bpf_map__fd(skel->maps.percpu_bytes);
	hash_fd = bpf_map__fd(skel->maps.hash);
	ASSERT_EQ(bpf_map__value_size(skel->maps.percpu_bytes), SIZE, "value_size");
	ASSERT_OK(bpf_map_update_elem(hash_fd, &zero, zeroes, BPF_F_ALL_CPUS), "create");

	cpu = pin(&old_cpus);
	ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.start_ticks), &opts), "start");
	ASSERT_OK(opts.retval, "start_ticks");

	/* a machine may be slow, but not without a tick for so long */
	for (i = 0; skel->bss->ticks < NR_TICKS && get_time_ns() < end; i++) {
		if (skel->bss->ticks != seen) {
			seen = skel->bss->ticks;
			end = get_time_ns() + MAX_SECONDS * 1000000000ULL;
		}
		copy_all_ways(array_fd, cpu, i, &array);
		copy_all_ways(hash_fd, cpu, i, &hash);
	}
	ASSERT_GE(skel->bss->ticks, NR_TICKS, "ticks");
	ASSERT_EQ(array.failed, 0, "array failed");
	ASSERT_EQ(array.overrun, 0, "array overrun");
	ASSERT_EQ(array.torn, 0, "array torn");
	ASSERT_EQ(hash.failed, 0, "hash failed");
	ASSERT_EQ(hash.overrun, 0, "hash overrun");
	ASSERT_EQ(hash.torn, 0, "hash torn");
	ASSERT_EQ(skel->bss->torn, 0, "torn for the program");
	sched_setaffinity(0, sizeof(old_cpus), &old_cpus);
	percpu_data_interrupt__destroy(skel);
}

void test_percpu_data_interrupt(void)
{
	if (test__start_subtest("irq"))
		test_programs(true);
	if (test__start_subtest("task"))
		test_programs(false);
	if (test__start_subtest("copies"))
		test_copies();
}
