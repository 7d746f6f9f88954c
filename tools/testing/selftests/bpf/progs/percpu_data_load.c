// SPDX-License-Identifier: GPL-2.0
/* Programs of several contexts that keep all kinds of per-CPU data busy */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "percpu_data_load.h"

#define CLOCK_MONOTONIC	1

const volatile int tgid, nr_cpus, syscall_nr;

/* What a program of one context alone adds to is exact, and so are atomic additions by all. */
struct {
	long own[NR_CTX];
	long hist[NR_CTX][NR_SLOTS];
	long all;
	long remote;		/* from whichever CPU */
} counts SEC(".percpu") = { { INIT, INIT, INIT, INIT }, .all = INIT };

/* The largest sections: each word has the tag of its section and CPU, or has not been written. */
long scratch_process[NR_WORDS] SEC(".percpu.process");
long scratch_softirq[NR_WORDS] SEC(".percpu.softirq");
long scratch_hardirq[NR_WORDS] SEC(".percpu.hardirq");
long scratch_nmi[NR_WORDS] SEC(".percpu.nmi");
__u32 pos[NR_CTX] SEC(".percpu.pos");

/* User space writes this, programs look. */
long by_user[NR_USER_WORDS] SEC(".percpu.user");

/* What the copies have to add up to */
long total[NR_CTX], total_remote;
long bad, bad_word;
int stop;

struct timer {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);		/* one per possible CPU */
	__type(key, int);
	__type(value, struct timer);
} timers SEC(".maps");

static __always_inline void check_word(long word, __u64 tag)
{
	if (word && (word & TAG_MASK) != tag) {
		__sync_fetch_and_add(&bad, 1);
		bad_word = word;
	}
}

static __always_inline void event(int ctx)
{
	__u32 cpu = bpf_get_smp_processor_id(), other = bpf_get_prandom_u32() % nr_cpus, i;
	long *remote;

	counts.own[ctx]++;
	counts.hist[ctx][bpf_get_prandom_u32() % NR_SLOTS]++;
	__sync_fetch_and_add(&counts.all, 1);
	__sync_fetch_and_add(&total[ctx], 1);

	remote = bpf_per_cpu_ptr(&counts.remote, other);
	if (remote) {
		__sync_fetch_and_add(remote, 1);
		__sync_fetch_and_add(&total_remote, 1);
	}
	i = bpf_get_prandom_u32() % NR_USER_WORDS;
	check_word(by_user[i], TAG(SECTION_USER, cpu));
}

/* Look at some words and write them again. */
static __always_inline void scratch(int ctx, long *words, int section)
{
	__u64 tag = TAG(section, bpf_get_smp_processor_id());
	int i;

	bpf_for(i, 0, 64) {
		__u32 at = pos[ctx]++ % NR_WORDS;

		check_word(words[at], tag);
		words[at] = tag | (__u32)counts.own[ctx];
	}
}

SEC("raw_tp/sys_enter")
int process(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[1] != syscall_nr || bpf_get_current_pid_tgid() >> 32 != tgid)
		return 0;
	event(CTX_PROCESS);
	scratch(CTX_PROCESS, scratch_process, SECTION_PROCESS);
	return 0;
}

static int softirq(void *map, int *key, struct timer *timer)
{
	event(CTX_SOFTIRQ);
	scratch(CTX_SOFTIRQ, scratch_softirq, SECTION_SOFTIRQ);
	if (!stop)
		bpf_timer_start(&timer->timer, 1000000, BPF_F_TIMER_CPU_PIN);
	return 0;
}

/* Start the timer of this CPU, whether it ran before or not. */
SEC("syscall")
int start_timer(void *ctx)
{
	int cpu = bpf_get_smp_processor_id();
	struct timer *timer = bpf_map_lookup_elem(&timers, &cpu);

	if (!timer)
		return 1;
	bpf_timer_init(&timer->timer, &timers, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&timer->timer, softirq);
	return bpf_timer_start(&timer->timer, 1000000, BPF_F_TIMER_CPU_PIN);
}

SEC("perf_event")
int hardirq(void *ctx)
{
	event(CTX_HARDIRQ);
	scratch(CTX_HARDIRQ, scratch_hardirq, SECTION_HARDIRQ);
	return 0;
}

SEC("raw_tp/nmi_handler")
int nmi(void *ctx)
{
	event(CTX_NMI);
	scratch(CTX_NMI, scratch_nmi, SECTION_NMI);
	return 0;
}

char _license[] SEC("license") = "GPL";
