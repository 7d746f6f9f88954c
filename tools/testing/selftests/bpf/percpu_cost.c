// SPDX-License-Identifier: GPL-2.0
/*
 * What does per-CPU data cost? Print how many machine instructions programs take
 * for the same work on data in different places, how many the verifier looks at,
 * how long their code is, and what user space takes to read such data.
 *
 * This needs a machine whose time counts instructions, such as an emulated one,
 * qemu-system-x86_64 -icount shift=0,sleep=off, with one CPU online: then the
 * numbers are exact and the same every time. What this kernel doesn't have is
 * left out: per-CPU data, mapping, or the module bpf_test_percpu_cost with the
 * kernel's own per-CPU data.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/utsname.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "bpf_util.h"
#include "percpu_cost.skel.h"

#define REPEATS		100000
#define KNOWN		100			/* instructions of the program "known_bpf" */
#define READS		50
#define MAX_UNIT_SIZE	(2 * 1024 * 1024)	/* of the first chunk of per-CPU memory */

struct name {
	const char *name, *label;
};

static const struct name works[] = {
	{ "count", "one counter" },
	{ "four", "four counters" },
	{ "hist", "histogram" },
	{ "scratch", "write 32 bytes" },
	{ "branch", "behind a branch" },
	{ "loop", "in a loop of 16" },
};

static const struct name places[] = {
	{ "lookup", "lookup" },
	{ "by_cpu", "by CPU" },
	{ "global", "global" },
	{ "first", "first" },
	{ "later", "later" },
	{ "kernel", "kernel" },
};

static struct percpu_cost *skel;
static struct utsname uts;
static __u64 ns_known;	/* what the known instructions take */
static int zero;

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static struct bpf_program *find_prog(const char *work, const char *place)
{
	struct bpf_program *prog;
	char name[32];

	snprintf(name, sizeof(name), "%s_%s", work, place);
	prog = bpf_object__find_program_by_name(skel->obj, name);
	if (!prog)
		die(name);
	return prog;
}

/* Sections in another chunk than the name says are left out as well. */
static bool has(const char *place)
{
	if (!strcmp(place, "first") && labs(skel->bss->first_dist) >= MAX_UNIT_SIZE)
		return false;
	if (!strcmp(place, "later") && labs(skel->bss->later_dist) < MAX_UNIT_SIZE)
		return false;
	return bpf_program__autoload(find_prog("count", place));
}

static int create_percpu(const char *name, __u32 value_size, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);

	return bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, name, sizeof(zero), value_size, 1, &opts);
}

/*
 * Create the section that is to be in the first chunk of per-CPU memory, and fill
 * that up with maps as large as the other section, which is in a later one then.
 */
static void fill_first_chunk(void)
{
	int i, fd = create_percpu("first", bpf_map__value_size(skel->maps.percpu), 0);
	__u32 later_size = bpf_map__value_size(skel->maps.percpu_later);

	if (fd < 0 || bpf_map__reuse_fd(skel->maps.percpu, fd))
		die("first");
	for (i = 0; i < MAX_UNIT_SIZE / later_size; i++)
		if (create_percpu("filler", later_size, 0) < 0)
			die("filler");
}

static void load(void)
{
	bool has_percpu, has_kernel;
	struct bpf_program *prog;
	const char *place;
	int fd;

	skel = percpu_cost__open();
	if (!skel)
		die("open");
	skel->rodata->repeats = REPEATS;
	skel->rodata->pid = getpid();
	fill_first_chunk();
	fd = create_percpu("mapped", sizeof(long), BPF_F_MMAPABLE);
	if (fd < 0) {
		bpf_map__set_map_flags(skel->maps.one_mapped, 0);
		bpf_map__set_map_flags(skel->maps.hundred_mapped, 0);
	}
	close(fd);
	if (bpf_object__prepare(skel->obj))
		die("prepare");
	has_percpu = bpf_map__fd(skel->maps.percpu_later) >= 0;
	has_kernel = !access("/sys/kernel/btf/bpf_test_percpu_cost", F_OK);
	bpf_object__for_each_program(prog, skel->obj) {
		place = strrchr(bpf_program__name(prog), '_') + 1;
		if (!strcmp(place, "first") || !strcmp(place, "later"))
			bpf_program__set_autoload(prog, has_percpu);
		else if (!strcmp(place, "kernel"))
			bpf_program__set_autoload(prog, has_kernel);
	}
	if (percpu_cost__load(skel))
		die("load");
}

static void run(struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
		die(bpf_program__name(prog));
}

static __u64 ns_of(const char *work, const char *place)
{
	run(find_prog(work, place));
	return skel->bss->ns;
}

static void info_of(const char *work, const char *place, struct bpf_prog_info *info)
{
	__u32 len = sizeof(*info);

	memset(info, 0, len);
	if (bpf_prog_get_info_by_fd(bpf_program__fd(find_prog(work, place)), info, &len))
		die("info");
}

/* The place of the program whose cost is subtracted */
static const char *base_of(const char *place)
{
	return strcmp(place, "kernel") ? "bpf" : place;
}

static long insns(const char *work, const char *place)
{
	__u64 ns = (ns_of(work, place) - ns_of("empty", base_of(place))) * KNOWN;
	long n = (ns + ns_known / 2) / ns_known;

	if (llabs((long long)(ns - n * ns_known)) > ns_known / 20) {
		fprintf(stderr, "%s_%s: %g is not a number of instructions\n", work, place,
			(double)ns / ns_known);
		exit(1);
	}
	return n;
}

static long verified_insns(const char *work, const char *place)
{
	struct bpf_prog_info info, base;

	info_of(work, place, &info);
	info_of("empty", base_of(place), &base);
	return info.verified_insns - base.verified_insns;
}

static long jited_bytes(const char *work, const char *place)
{
	struct bpf_prog_info info, base;

	info_of(work, place, &info);
	info_of("empty", base_of(place), &base);
	return info.jited_prog_len - base.jited_prog_len;
}

static void table(const char *title, long (*value)(const char *work, const char *place),
		  bool kernel)
{
	const char *place;
	int i, j;

	printf("%-15s", title);
	for (i = -1; i < (int)ARRAY_SIZE(works); i++) {
		if (i >= 0)
			printf("%-15s", works[i].label);
		for (j = 0; j < ARRAY_SIZE(places); j++) {
			place = places[j].name;
			if (!has(place) || (!kernel && !strcmp(place, "kernel")))
				continue;
			if (i < 0)
				printf("%7s", places[j].label);
			else
				printf("%7ld", value(works[i].name, place));
		}
		printf("\n");
	}
	printf("\n");
}

/* Ways to read and sum up the copies of all CPUs */
struct copies {
	int fd, nr_cpus, nr_longs;
	long *mapped[64];
	long buf[64 * 100];
};

static long sum(const long *values, int nr)
{
	long sum = 0;

	while (nr--)
		sum += *values++;
	return sum;
}

static long read_nothing(struct copies *c)
{
	return 0;
}

static long read_lookup(struct copies *c)
{
	if (bpf_map_lookup_elem(c->fd, &zero, c->buf))
		die("lookup");
	return sum(c->buf, c->nr_cpus * c->nr_longs);
}

static long read_cpu(struct copies *c)
{
	long total = 0;
	int cpu;

	for (cpu = 0; cpu < c->nr_cpus; cpu++) {
		if (bpf_map_lookup_elem_flags(c->fd, &zero, c->buf, (__u64)cpu << 32 | BPF_F_CPU))
			die("lookup with BPF_F_CPU");
		total += sum(c->buf, c->nr_longs);
	}
	return total;
}

static long read_mapped(struct copies *c)
{
	long total = 0;
	int cpu;

	for (cpu = 0; cpu < c->nr_cpus; cpu++)
		total += sum(c->mapped[cpu], c->nr_longs);
	return total;
}

static const struct {
	const char *label;
	long (*read)(struct copies *c);
} reads[] = {
	{ "lookup", read_lookup },
	{ "1 CPU", read_cpu },
	{ "mapped", read_mapped },
};

static __u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* The shortest time is that which no interrupt was in. */
static __u64 ns_of_reads(long (*read)(struct copies *c), struct copies *c)
{
	/* the same call of all of them */
	long (*volatile call)(struct copies *c) = read;
	__u64 start, ns, best = ~0ULL;
	int i, j;

	for (i = 0; i < 10; i++) {
		start = now();
		for (j = 0; j < READS; j++)
			call(c);
		ns = now() - start;
		if (ns < best)
			best = ns;
	}
	return best;
}

static long read_insns(int way, struct copies *c)
{
	__u64 ns = ns_of_reads(reads[way].read, c) - ns_of_reads(read_nothing, c);

	/* ns_known is that of so many repeats */
	ns *= (__u64)KNOWN * REPEATS / READS;
	return (ns + ns_known / 2) / ns_known;
}

static long read_syscalls(int way, struct copies *c)
{
	struct bpf_link *link;
	long before, after;

	link = bpf_program__attach(skel->progs.count_syscalls);
	if (!link)
		die("attach");
	before = skel->bss->syscalls;
	reads[way].read(c);
	after = skel->bss->syscalls;
	bpf_link__destroy(link);
	return after - before;
}

static void prepare_copies(struct copies *c, struct bpf_map *map, struct bpf_map *mapped)
{
	int cpu, i;

	c->fd = bpf_map__fd(map);
	c->nr_cpus = bpf_num_possible_cpus();
	if (c->nr_cpus > ARRAY_SIZE(c->mapped))
		die("more possible CPUs than there is room for");
	c->nr_longs = bpf_map__value_size(map) / sizeof(long);
	for (i = 0; i < c->nr_cpus * c->nr_longs; i++)
		c->buf[i] = i;
	if (bpf_map_update_elem(c->fd, &zero, c->buf, 0) ||
	    bpf_map_update_elem(bpf_map__fd(mapped), &zero, c->buf, 0))
		die("update");
	for (cpu = 0; cpu < c->nr_cpus; cpu++)
		c->mapped[cpu] = bpf_map__percpu_ptr(mapped, cpu);
}

static void read_table(void)
{
	static struct copies copies[2];
	struct copies *c;
	long nr;
	int way;

	prepare_copies(&copies[0], skel->maps.one, skel->maps.one_mapped);
	prepare_copies(&copies[1], skel->maps.hundred, skel->maps.hundred_mapped);

	printf("%-15s", "reading");
	for (way = 0; way < ARRAY_SIZE(reads); way++)
		if (reads[way].read != read_mapped || copies[0].mapped[0])
			printf("%7s", reads[way].label);
	for (c = copies; c < copies + ARRAY_SIZE(copies); c++) {
		printf("\n%-15s", c == copies ? "one counter" : "100 counters");
		for (way = 0; way < ARRAY_SIZE(reads); way++) {
			if (reads[way].read == read_mapped && !c->mapped[0])
				continue;
			nr = c->nr_cpus * c->nr_longs;
			if (reads[way].read(c) != nr * (nr - 1) / 2) {
				fprintf(stderr, "%s: wrong sum\n", reads[way].label);
				exit(1);
			}
			printf("%7ld", read_insns(way, c));
		}
		printf("\n%-15s", "  system calls");
		for (way = 0; way < ARRAY_SIZE(reads); way++)
			if (reads[way].read != read_mapped || c->mapped[0])
				printf("%7ld", read_syscalls(way, c));
	}
	printf("\n");
}

int main(void)
{
	/* what this kernel doesn't have is no news */
	libbpf_set_print(NULL);
	load();
	if (bpf_program__autoload(skel->progs.distance_later))
		run(skel->progs.distance_later);

	ns_known = ns_of("known", "bpf") - ns_of("empty", "bpf");
	if (llabs((long long)ns_known - KNOWN * REPEATS) > KNOWN * REPEATS / 1000) {
		fprintf(stderr, "time does not count instructions, as with qemu -icount\n");
		return 1;
	}
	uname(&uts);
	printf("%-15s%*s\n", "Linux", 21, uts.release);
	table("instructions", insns, true);
	table("verified insns", verified_insns, false);
	table("bytes of code", jited_bytes, false);
	read_table();
	percpu_cost__destroy(skel);
	return 0;
}
