// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at the same time, on all CPUs: programs in process, softirq,
 * hardirq and, where there are any, NMI context, user space that reads and
 * writes copies by look-ups and mappings, maps and unmaps them, and loads and
 * unloads other objects, while CPUs go offline and come back. In the end, no
 * count is lost, and no copy has bytes of another.
 *
 * PERCPU_STRESS_SECONDS=n in the environment sets how long. Serial, as it takes
 * CPUs away.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include "percpu_data_stress.h"
#include "progs/percpu_data_load.h"
#include "percpu_data_faults.skel.h"
#include "percpu_data_load.skel.h"

#define MAX_CPUS	1024

#define ONLINE	"/sys/devices/system/cpu/cpu%d/online"

static int nr_cpus, zero;
static struct percpu_data_load *skel;
static bool stop;

/* What the threads did, each counted by one of them; those of process() by one on each CPU */
static struct {
	long syscalls[MAX_CPUS];
	long reads, writes, loads, maps, offline;
	long failed;
	bool nmis;
} did;

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void complain(const char *what, int cpu, long is, long want)
{
	if (__atomic_fetch_add(&did.failed, 1, __ATOMIC_RELAXED) < 10)
		fprintf(stderr, "%s, CPU %d: %ld, not %ld\n", what, cpu, is, want);
}

/* One at a time: threads may not use the macros of test_progs. */
#define CHECK_THAT(cond, what, cpu, is, want) ({	\
	bool __ok = (cond);				\
							\
	if (!__ok)					\
		complain(what, cpu, is, want);		\
	__ok;						\
})

static bool pin_to(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return !sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Make events in process context. */
static void *call(void *arg)
{
	long cpu = (long)arg, i;

	for (i = 0; !stopped(); i++) {
		if (i % 256 == 0)
			pin_to(cpu);	/* again, as it may have been offline */
		syscall(__NR_getpgid, 0);
	}
	did.syscalls[cpu] = i;
	return NULL;
}

static void check_words(const long *words, int nr, int section, int cpu)
{
	for (int i = 0; i < nr; i++)
		if (!CHECK_THAT(!words[i] || (words[i] & TAG_MASK) == TAG(section, cpu),
				"foreign word", cpu, words[i], TAG(section, cpu)))
			break;
}

/* Counters only grow, whichever way they are read. */
static void check_growth(const long *own, long *last, int cpu)
{
	for (int i = 0; i < NR_CTX; i++) {
		long is = __atomic_load_n(own + i, __ATOMIC_RELAXED);

		CHECK_THAT(is >= last[i], "count went down", cpu, is, last[i]);
		last[i] = is;
	}
}

static void *read_copies_thread(void *arg)
{
	struct percpu_data_load__percpu_process *process = malloc(sizeof(*process));
	struct percpu_data_load__percpu_softirq *softirq = malloc(sizeof(*softirq));
	struct percpu_data_load__percpu *all = malloc(nr_cpus * sizeof(*all)), one;
	long (*last)[NR_CTX] = calloc(nr_cpus, sizeof(*last)), (*last_mapped)[NR_CTX];
	int cpu, err = 0;

	last_mapped = calloc(nr_cpus, sizeof(*last));
	for (cpu = 0; !stopped(); cpu = (cpu + 1) % nr_cpus, did.reads += 7) {
		err = percpu_data_load__read_percpu(skel, cpu, &one) ?:
		      percpu_data_load__read_percpu_process(skel, cpu, process) ?:
		      percpu_data_load__read_percpu_softirq(skel, cpu, softirq);
		if (!CHECK_THAT(!err, "read", cpu, err, 0))
			break;
		check_growth(one.counts.own, last[cpu], cpu);
		check_words(process->scratch_process, NR_WORDS, SECTION_PROCESS, cpu);
		check_words(softirq->scratch_softirq, NR_WORDS, SECTION_SOFTIRQ, cpu);

		err = bpf_map_lookup_elem(bpf_map__fd(skel->maps.percpu), &zero, all);
		if (!CHECK_THAT(!err, "lookup", cpu, err, 0))
			break;
		check_growth(all[cpu].counts.own, last[cpu], cpu);

		check_growth(percpu_data_load__percpu_ptr(skel, cpu)->counts.own,
			     last_mapped[cpu], cpu);
		check_words(percpu_data_load__percpu_hardirq_ptr(skel, cpu)->scratch_hardirq,
			    NR_WORDS, SECTION_HARDIRQ, cpu);
		check_words(percpu_data_load__percpu_nmi_ptr(skel, cpu)->scratch_nmi,
			    NR_WORDS, SECTION_NMI, cpu);
	}
	free(process);
	free(softirq);
	free(all);
	free(last);
	free(last_mapped);
	return NULL;
}

/* Write what programs look at: one CPU's copy, all copies, and a word of one. */
static void *write_copies_thread(void *arg)
{
	int fd = bpf_map__fd(skel->maps.percpu_user), cpu, i, err;
	struct percpu_data_load__percpu_user *all = calloc(nr_cpus, sizeof(*all));

	for (cpu = 0; !stopped(); cpu = (cpu + 1) % nr_cpus, did.writes += 3) {
		for (int c = 0; c < nr_cpus; c++)
			for (i = 0; i < NR_USER_WORDS; i++)
				all[c].by_user[i] = TAG(SECTION_USER, c) | (__u32)did.writes;
		err = percpu_data_load__write_percpu_user(skel, cpu, all + cpu) ?:
		      bpf_map_update_elem(fd, &zero, all, 0);
		if (!CHECK_THAT(!err, "write", cpu, err, 0))
			break;
		i = did.writes % NR_USER_WORDS;
		__atomic_store_n(percpu_data_load__percpu_user_ptr(skel, cpu)->by_user + i,
				 TAG(SECTION_USER, cpu), __ATOMIC_RELAXED);
	}
	free(all);
	return NULL;
}

/* Other objects come and go. All their copies start with the initial values. */
static void *load_thread(void *arg)
{
	struct percpu_data_faults *other;
	struct percpu_data_faults__percpu_large *large = malloc(sizeof(*large));
	struct percpu_data_faults__percpu vars;
	int cpu, err;

	for (; !stopped(); did.loads++) {
		other = percpu_data_faults__open_and_load();
		if (!CHECK_THAT(other, "load", -1, errno, 0))
			break;
		for (cpu = 0; cpu < nr_cpus; cpu++) {
			err = percpu_data_faults__read_percpu(other, cpu, &vars) ?:
			      percpu_data_faults__read_percpu_large(other, cpu, large);
			if (!CHECK_THAT(!err, "read other", cpu, err, 0))
				break;
			CHECK_THAT(vars.vars.runs == INIT, "initial", cpu, vars.vars.runs, INIT);
			CHECK_THAT(!strcmp(vars.vars.name, "initialized"), "name", cpu, 0, 0);
			CHECK_THAT(large->large[4095] == INIT + 3, "last initial", cpu,
				   large->large[4095], INIT + 3);
			memset(large, 0xff, sizeof(*large));
			CHECK_THAT(!percpu_data_faults__write_percpu_large(other, cpu, large),
				   "write other", cpu, 0, 0);
		}
		percpu_data_faults__destroy(other);
	}
	free(large);
	return NULL;
}

/* Map the copies of a few CPUs, and look at them. */
static void *map_thread(void *arg)
{
	size_t page = getpagesize(), stride = roundup(NR_WORDS * sizeof(long), page);
	int fd = bpf_map__fd(skel->maps.percpu_process), cpu, nr;
	char *mem;

	for (cpu = 0; !stopped(); cpu = (cpu + 1) % nr_cpus, did.maps++) {
		nr = 1 + did.maps % (nr_cpus - cpu);
		mem = mmap(NULL, nr * stride, did.maps % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, cpu * stride);
		if (!CHECK_THAT(mem != MAP_FAILED, "mmap", cpu, errno, 0))
			break;
		for (int i = 0; i < nr; i++)
			check_words((long *)(mem + i * stride), NR_WORDS, SECTION_PROCESS, cpu + i);
		munmap(mem, nr * stride);
	}
	return NULL;
}

static int set_online(int cpu, const char *online)
{
	char file[64];

	snprintf(file, sizeof(file), ONLINE, cpu);
	if (access(file, W_OK))
		return -ENOENT;
	return write_sysctl(file, online);
}

static bool can_be_offline(void)
{
	char file[64];

	for (int cpu = 0; cpu < nr_cpus; cpu++) {
		snprintf(file, sizeof(file), ONLINE, cpu);
		if (runs_of(cpu) && !access(file, W_OK))
			return true;
	}
	return false;
}

/* Events in softirqs from this CPU on */
static int start_timer(int cpu)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	if (!pin_to(cpu))
		return -errno;
	return bpf_prog_test_run_opts(bpf_program__fd(skel->progs.start_timer), &opts) ?:
	       -opts.retval;
}

/* Nothing happens to the copy of an offline CPU but what others do to it, and it can be read. */
static void *offline_thread(void *arg)
{
	struct percpu_data_load__percpu before, after;
	int cpu, err;

	for (cpu = 0; !stopped(); cpu = (cpu + 1) % nr_cpus) {
		if (!runs_of(cpu) || set_online(cpu, "0")) {
			/* this one can't be taken offline, as the boot CPU, or is not online */
			usleep(1000);
			continue;
		}
		err = percpu_data_load__read_percpu(skel, cpu, &before);
		usleep(2000);
		after = *percpu_data_load__percpu_ptr(skel, cpu);
		CHECK_THAT(!err, "read offline", cpu, err, 0);
		CHECK_THAT(!memcmp(before.counts.own, after.counts.own, sizeof(after.counts.own)),
			   "counted offline", cpu, after.counts.own[0], before.counts.own[0]);
		err = set_online(cpu, "1");
		if (!CHECK_THAT(!err, "online", cpu, err, 0))
			break;
		err = start_timer(cpu);
		CHECK_THAT(!err, "timer", cpu, err, 0);
		did.offline++;
	}
	return NULL;
}

/* A slow machine may need longer than it was told to do everything at least once. */
static bool tried_all(void)
{
	return did.failed || (did.reads && did.writes && did.maps && did.loads &&
			      (did.offline || !can_be_offline()));
}

static struct bpf_link *attach_hardirq(int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000,
	};
	int fd = syscall(__NR_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	struct bpf_link *link = NULL;

	if (fd >= 0)
		link = bpf_program__attach_perf_event(skel->progs.hardirq, fd);
	return link;
}

static long recursion_misses(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	ASSERT_OK(bpf_prog_get_info_by_fd(bpf_program__fd(prog), &info, &len), "info");
	return info.recursion_misses;
}

/* The exact counts: each copy by itself, and all together. */
static void check_counts(void)
{
	long own[NR_CTX] = {}, all = 0, remote = 0, syscalls = 0, sum = 0, hist;
	int cpu, ctx, slot, nr = 0;
	struct percpu_data_load__percpu *copy;

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		long events = 0;

		copy = percpu_data_load__percpu_ptr(skel, cpu);
		if (!ASSERT_OK_PTR(copy, "copy"))
			return;
		for (ctx = 0; ctx < NR_CTX; ctx++) {
			for (hist = 0, slot = 0; slot < NR_SLOTS; slot++)
				hist += copy->counts.hist[ctx][slot];
			ASSERT_EQ(copy->counts.own[ctx] - INIT, hist, "histogram");
			own[ctx] += hist;
			events += hist;
		}
		ASSERT_EQ(copy->counts.all - INIT, events, "all of a CPU");
		if (!runs_of(cpu))
			ASSERT_EQ(events, 0, "never online");
		else if (ASSERT_GT(copy->counts.own[CTX_PROCESS], INIT, "process on a CPU"))
			nr++;
		all += events;
		remote += copy->counts.remote;
		syscalls += did.syscalls[cpu];
	}
	for (ctx = 0; ctx < NR_CTX; ctx++) {
		ASSERT_EQ(own[ctx], skel->bss->total[ctx], "total");
		if (ctx != CTX_NMI || did.nmis)
			ASSERT_GT(own[ctx], 0, "events");
		sum += skel->bss->total[ctx];
	}
	ASSERT_EQ(all, sum, "all");
	ASSERT_EQ(remote, skel->bss->total_remote, "remote");
	/* misses are those of all system calls */
	ASSERT_GE(syscalls, own[CTX_PROCESS], "system calls");
	ASSERT_LE(syscalls, own[CTX_PROCESS] + recursion_misses(skel->progs.process), "lost");
	if (!ASSERT_EQ(skel->bss->bad, 0, "foreign words seen by programs"))
		fprintf(stdout, "word %lx\n", skel->bss->bad_word);
	ASSERT_EQ(did.failed, 0, "threads");
	ASSERT_GT(did.reads, 0, "reads");
	ASSERT_GT(did.writes, 0, "writes");
	ASSERT_GT(did.maps, 0, "maps");
	ASSERT_GT(did.loads, 0, "loads");
	if (can_be_offline())
		ASSERT_GT(did.offline, 0, "offline");

	stress_says("load: %ld events on %d of %d CPUs", all, nr, nr_cpus);
	stress_says("events by context: %ld process, %ld softirq, %ld hardirq, %ld NMI",
		    own[CTX_PROCESS], own[CTX_SOFTIRQ], own[CTX_HARDIRQ], own[CTX_NMI]);
	stress_says("user space meanwhile: %ld reads, %ld writes, %ld maps, %ld loads, %ld offline",
		    did.reads, did.writes, did.maps, did.loads, did.offline);
}

static void run_load(void)
{
	void *(*fns[])(void *) = { read_copies_thread, write_copies_thread, load_thread, map_thread,
				   offline_thread };
	struct bpf_link *links[MAX_CPUS] = {};
	pthread_t threads[MAX_CPUS + ARRAY_SIZE(fns)];
	int cpu, nr = 0, i;
	cpu_set_t cpus;
	long before;
	__u64 end, late;

	stop = false;
	memset(&did, 0, sizeof(did));
	if (!ASSERT_OK(sched_getaffinity(0, sizeof(cpus), &cpus), "getaffinity"))
		return;
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (!runs_of(cpu))
			continue;
		links[cpu] = attach_hardirq(cpu);
		if (!ASSERT_OK_PTR(links[cpu], "attach") || !ASSERT_OK(start_timer(cpu), "timer"))
			goto out;
	}
	sched_setaffinity(0, sizeof(cpus), &cpus);

	for (cpu = 0; cpu < nr_cpus; cpu++)
		if (runs_of(cpu) && ASSERT_OK(pthread_create(threads + nr, NULL, call,
							     (void *)(long)cpu), "thread"))
			nr++;
	for (i = 0; i < ARRAY_SIZE(fns); i++)
		if (ASSERT_OK(pthread_create(threads + nr, NULL, fns[i], NULL), "thread"))
			nr++;

	/* two minutes more for what has not happened yet: check_counts() names it */
	end = stress_end(2);
	late = end + 120 * 1000000000ULL;
	for (i = 0; get_time_ns() < end || (!tried_all() && get_time_ns() < late); i++) {
		usleep(100000);
		/* show all CPUs' backtraces: NMIs on x86, for all but this one */
		if (stress_seconds() && i % 5 == 0 && !access("/proc/sysrq-trigger", W_OK)) {
			ASSERT_OK(write_sysctl("/proc/sysrq-trigger", "l"), "sysrq");
			did.nmis = skel->links.nmi && CPU_COUNT(&cpus) > 1;
		}
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	while (nr)
		pthread_join(threads[--nr], NULL);
	percpu_data_load__detach(skel);
out:
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (cpu = 0; cpu < nr_cpus; cpu++)
		bpf_link__destroy(links[cpu]);

	/* no timer starts again */
	skel->bss->stop = 1;
	do {
		before = skel->bss->total[CTX_SOFTIRQ];
		usleep(20000);
		kern_sync_rcu();
	} while (before != skel->bss->total[CTX_SOFTIRQ]);
}

static bool make_mmapable(struct bpf_map *map)
{
	return ASSERT_OK(bpf_map__set_map_flags(map, BPF_F_MMAPABLE), "flags");
}

void serial_test_percpu_data_load(void)
{
	struct stress_usage usage;
	struct bpf_link *link;

	nr_cpus = bpf_num_possible_cpus();
	if (!ASSERT_LE(nr_cpus, MAX_CPUS, "CPUs"))
		return;
	check_kmemleak(true);
	get_usage(&usage);
	skel = percpu_data_load__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	skel->rodata->tgid = getpid();
	skel->rodata->nr_cpus = nr_cpus;
	skel->rodata->syscall_nr = __NR_getpgid;
	if (!ASSERT_OK(bpf_map__set_max_entries(skel->maps.timers, nr_cpus), "timers") ||
	    !make_mmapable(skel->maps.percpu) || !make_mmapable(skel->maps.percpu_process) ||
	    !make_mmapable(skel->maps.percpu_hardirq) || !make_mmapable(skel->maps.percpu_nmi) ||
	    !make_mmapable(skel->maps.percpu_user) ||
	    !ASSERT_OK(percpu_data_load__load(skel), "load"))
		goto out;
	skel->links.process = bpf_program__attach(skel->progs.process);
	if (!ASSERT_OK_PTR(skel->links.process, "attach"))
		goto out;
	/* x86 has it */
	link = bpf_program__attach_raw_tracepoint(skel->progs.nmi, "nmi_handler");
	skel->links.nmi = link;
	run_load();
	check_counts();
out:
	percpu_data_load__destroy(skel);
	check_usage(&usage, "load");
	check_kmemleak(false);
}
