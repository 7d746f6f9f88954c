// SPDX-License-Identifier: GPL-2.0
/*
 * Prints what each CPU is doing, once per second: how busy it is, context
 * switches, system calls and softirqs, and in the end how long tasks ran on it.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/libbpf.h>
#include "percpu_monitor.skel.h"

#define ARRAY_SIZE(x)	(sizeof(x) / sizeof((x)[0]))
#define NSEC_PER_SEC	1000000000ULL

/* what all possible CPUs have counted up to a time, in the order of cpu_ids */
struct copies {
	struct percpu_monitor__percpu *cpus;
	__u64 time;
};

/* the softirqs that have a column of their own, see softirq_to_name[] in kernel/softirq.c */
static const struct {
	const char *name;
	int vec;
} softirqs[] = {
	{ "timer", 1 }, { "net_rx", 3 }, { "block", 4 }, { "sched", 7 }, { "rcu", 9 },
};

/* the numbers of the possible CPUs, which can have holes */
static int *cpu_ids, nr_cpus;

/* the clock of bpf_ktime_get_ns() */
static __u64 time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static int get_cpu_ids(void)
{
	int n, id, last, cpu = 0;
	FILE *f;

	nr_cpus = libbpf_num_possible_cpus();
	if (nr_cpus < 0)
		return nr_cpus;
	cpu_ids = calloc(nr_cpus, sizeof(*cpu_ids));
	if (!cpu_ids)
		return -ENOMEM;

	f = fopen("/sys/devices/system/cpu/possible", "r");
	if (!f)
		return -errno;
	/* such as 0-3,6 */
	while ((n = fscanf(f, "%d-%d", &id, &last)) > 0) {
		if (n == 1)
			last = id;
		while (cpu < nr_cpus && id <= last)
			cpu_ids[cpu++] = id++;
		fgetc(f);
	}
	fclose(f);
	return 0;
}

/* All possible CPUs have a copy, but only those that are online do something. */
static bool is_online(int cpu)
{
	char path[64];
	int online;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online",
		 cpu_ids[cpu]);
	/* a CPU that can't go offline has no such file */
	f = fopen(path, "r");
	if (!f)
		return true;
	online = fgetc(f);
	fclose(f);
	return online == '1';
}

static int read_copies(const struct percpu_monitor *skel, struct copies *c)
{
	int err;

	c->time = time_ns();
	err = percpu_monitor__read_all_percpu(skel, c->cpus, nr_cpus);
	if (err)
		fprintf(stderr, "failed to read the counters: %s\n", strerror(-err));
	return err;
}

/* The time that tasks ran on a CPU includes that of the one that still runs. */
static __u64 busy_ns(const struct percpu_monitor__percpu *p, __u64 time)
{
	__u64 running = p->now.pid && time > p->now.since ? time - p->now.since : 0;

	return p->stats.busy_ns + running;
}

/* What happened on a CPU since the previous look, added to the sum of all CPUs. */
static void get_delta(const struct copies *prev, const struct copies *cur, int cpu,
		      struct percpu_monitor__percpu *delta, struct percpu_monitor__percpu *sum)
{
	const struct percpu_monitor__percpu *p = &prev->cpus[cpu], *c = &cur->cpus[cpu];
	__u64 busy = busy_ns(c, cur->time), prev_busy = busy_ns(p, prev->time);
	int i;

	*delta = *c;
	delta->stats.switches -= p->stats.switches;
	delta->stats.syscalls -= p->stats.syscalls;
	delta->stats.softirq_ns -= p->stats.softirq_ns;
	/* the clock was read a little earlier than the counters */
	delta->stats.busy_ns = busy > prev_busy ? busy - prev_busy : 0;

	sum->stats.switches += delta->stats.switches;
	sum->stats.syscalls += delta->stats.syscalls;
	sum->stats.softirq_ns += delta->stats.softirq_ns;
	sum->stats.busy_ns += delta->stats.busy_ns;

	for (i = 0; i < ARRAY_SIZE(delta->stats.softirqs); i++) {
		delta->stats.softirqs[i] -= p->stats.softirqs[i];
		sum->stats.softirqs[i] += delta->stats.softirqs[i];
	}
	if (delta->shortest_ns < sum->shortest_ns)
		sum->shortest_ns = delta->shortest_ns;
	if (delta->stats.longest_ns > sum->stats.longest_ns) {
		sum->stats.longest_ns = delta->stats.longest_ns;
		memcpy(sum->stats.longest_comm, delta->stats.longest_comm,
		       sizeof(sum->stats.longest_comm));
	}
}

static void print_duration(__u64 ns)
{
	if (ns == ~0ULL || !ns)
		printf(" %9s", "-");
	else if (ns < NSEC_PER_SEC / 1000)
		printf(" %7.1fus", ns / 1e3);
	else if (ns < NSEC_PER_SEC)
		printf(" %7.1fms", ns / 1e6);
	else
		printf(" %8.1fs", ns / 1e9);
}

static double percent(__u64 part, __u64 whole)
{
	return part < whole ? 100.0 * part / whole : 100;
}

static void print_row(const char *name, const struct percpu_monitor__percpu *p, __u64 period)
{
	int i;

	printf("%5s %5.1f %5.1f %9llu %9llu", name, percent(p->stats.busy_ns, period),
	       percent(p->stats.softirq_ns, period), p->stats.switches, p->stats.syscalls);
	for (i = 0; i < ARRAY_SIZE(softirqs); i++)
		printf(" %6llu", p->stats.softirqs[softirqs[i].vec]);
	print_duration(p->shortest_ns);
	print_duration(p->stats.longest_ns);
	printf("  %s\n", p->stats.longest_comm);
}

static void print_table(const struct copies *prev, const struct copies *cur)
{
	struct percpu_monitor__percpu delta, sum = { .shortest_ns = ~0ULL };
	__u64 period = cur->time - prev->time;
	int i, cpu, nr_online = 0;
	char name[16];

	printf("\n%5s %5s %5s %9s %9s", "CPU", "busy%", "soft%", "switches", "syscalls");
	for (i = 0; i < ARRAY_SIZE(softirqs); i++)
		printf(" %6s", softirqs[i].name);
	printf(" %9s %9s  %s\n", "shortest", "longest", "run, by");

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (!is_online(cpu))
			continue;
		nr_online++;
		get_delta(prev, cur, cpu, &delta, &sum);
		snprintf(name, sizeof(name), "%d", cpu_ids[cpu]);
		print_row(name, &delta, period);
	}
	print_row("total", &sum, period * nr_online);
	fflush(stdout);
}

static void print_hist(const struct percpu_monitor__percpu_hist *hists)
{
	static const char stars[] = "********************************";
	__u64 sum[ARRAY_SIZE(hists->hist)] = {}, max = 1;
	int i, cpu, width, first = -1, last = -1;
	char name[16];

	for (i = 0; i < ARRAY_SIZE(sum); i++) {
		for (cpu = 0; cpu < nr_cpus; cpu++)
			sum[i] += hists[cpu].hist[i];
		if (!sum[i])
			continue;
		if (first < 0)
			first = i;
		last = i;
		if (sum[i] > max)
			max = sum[i];
	}

	if (first < 0)
		return;

	printf("\n%20s", "runs of so many us");
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		snprintf(name, sizeof(name), "CPU %d", cpu_ids[cpu]);
		if (is_online(cpu))
			printf(" %8s", name);
	}
	printf(" %8s\n", "total");

	for (i = first; i <= last; i++) {
		printf("%8llu -> %-8llu", i ? 1ULL << i : 0, (2ULL << i) - 1);
		for (cpu = 0; cpu < nr_cpus; cpu++) {
			if (is_online(cpu))
				printf(" %8llu", hists[cpu].hist[i]);
		}
		width = sum[i] * (sizeof(stars) - 1) / max;
		printf(" %8llu |%-*.*s|\n", sum[i], (int)sizeof(stars) - 1, width, stars);
	}
}

static void usage(FILE *f, const char *prog)
{
	fprintf(f,
		"Usage: %s [-t SECONDS]\n"
		"Print what each CPU is doing, once per second, for SECONDS or until interrupted.\n",
		prog);
}

int main(int argc, char **argv)
{
	struct percpu_monitor__percpu_hist *hists = NULL;
	struct copies stats[2] = {};
	long seconds = 0, i;
	struct percpu_monitor *skel;
	bool stop = false;
	sigset_t signals;
	int opt, err;
	char *end;

	while ((opt = getopt(argc, argv, "ht:")) != -1) {
		switch (opt) {
		case 't':
			seconds = strtol(optarg, &end, 10);
			if (end == optarg || *end || seconds <= 0) {
				fprintf(stderr, "'%s' is not a number of seconds\n", optarg);
				return 1;
			}
			break;
		case 'h':
			usage(stdout, argv[0]);
			return 0;
		default:
			usage(stderr, argv[0]);
			return 1;
		}
	}

	err = get_cpu_ids();
	if (err) {
		fprintf(stderr, "failed to get the CPUs' numbers: %s\n", strerror(-err));
		return 1;
	}

	skel = percpu_monitor__open();
	if (!skel) {
		fprintf(stderr, "failed to open the BPF object: %s\n", strerror(errno));
		return 1;
	}

	/* so that looking on costs no system calls; where it is not possible, it does */
	bpf_map__set_map_flags(skel->maps.percpu, BPF_F_MMAPABLE);
	bpf_map__set_map_flags(skel->maps.percpu_hist, BPF_F_MMAPABLE);

	err = percpu_monitor__load(skel);
	if (err) {
		fprintf(stderr, "failed to load the BPF programs: %s, see above\n", strerror(-err));
		goto out;
	}

	stats[0].cpus = calloc(nr_cpus, sizeof(*stats[0].cpus));
	stats[1].cpus = calloc(nr_cpus, sizeof(*stats[1].cpus));
	hists = calloc(nr_cpus, sizeof(*hists));
	if (!stats[0].cpus || !stats[1].cpus || !hists) {
		fprintf(stderr, "failed to allocate memory\n");
		err = -ENOMEM;
		goto out;
	}

	/* an interrupted monitor prints what it has seen */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	err = percpu_monitor__attach(skel);
	if (err) {
		fprintf(stderr, "failed to attach the BPF programs: %s\n", strerror(-err));
		goto out;
	}

	err = read_copies(skel, &stats[0]);
	for (i = 1; !err && !stop && (!seconds || i <= seconds); i++) {
		stop = sigtimedwait(&signals, NULL, &(struct timespec){ .tv_sec = 1 }) > 0;
		err = read_copies(skel, &stats[i % 2]);
		if (!err)
			print_table(&stats[(i + 1) % 2], &stats[i % 2]);
	}
	if (!err)
		err = percpu_monitor__read_all_percpu_hist(skel, hists, nr_cpus);
	if (!err)
		print_hist(hists);

out:
	free(stats[0].cpus);
	free(stats[1].cpus);
	free(hists);
	free(cpu_ids);
	percpu_monitor__destroy(skel);
	return err ? 1 : 0;
}
