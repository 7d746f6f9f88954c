// SPDX-License-Identifier: GPL-2.0
/* Programs that interrupt each other on one CPU, and what gets lost by that */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "bpf_misc.h"
#include "bpf_experimental.h"
#include "../test_kmods/bpf_testmod_kfunc.h"

#define MSEC	1000000ULL
#define TICK	(MSEC / 5)

#define CLOCK_MONOTONIC	1

extern void bpf_local_irq_save(unsigned long *flags) __ksym;
extern void bpf_local_irq_restore(unsigned long *flags) __ksym;

/* How long, in ns, to wait for the other program, and how long it has to stay away */
#define COMES		(10000 * MSEC)
#define STAYS_AWAY	(20 * MSEC)

const volatile bool by_irq;	/* by an interrupt, or by a task of higher priority */

/* Programs of both kinds add 1 to each of these, each time they run. */
struct {
	long plain;
	long atomic;
	long preempt_off;
	long irq_off;
} counts SEC(".percpu");

/* What only the interrupted program writes: its runs, and those of the other in between */
struct {
	long runs;
	long plain;
	long atomic;
	long preempt_off;
	long irq_off;
} seen SEC(".percpu.seen");

/* Runs of the program that interrupts */
long interrupts SEC(".percpu.interrupts");

static __always_inline int count_all(void)
{
	counts.plain++;
	__sync_fetch_and_add(&counts.atomic, 1);
	counts.preempt_off++;
	counts.irq_off++;
	interrupts++;
	return 0;
}

SEC("fentry/bpf_testmod_test_hardirq_fn")
int BPF_PROG(interrupting_irq)
{
	return count_all();
}

SEC("syscall")
int interrupting_task(void *ctx)
{
	return count_all();
}

/* Let the other program run, unless it cannot. Returns how often it has. */
static __noinline long interrupt(__u64 max_ns)
{
	volatile long *now = &interrupts;
	__u64 start = bpf_ktime_get_ns();
	long before = *now;
	int i;

	if (by_irq)
		bpf_kfunc_trigger_ctx_check();
	bpf_for(i, 0, 1 << 23)	/* BPF_MAX_LOOPS */
		if (*now != before || bpf_ktime_get_ns() - start > max_ns)
			break;
	return *now - before;
}

SEC("syscall")
int interrupted(void *ctx)
{
	unsigned long flags;
	long val;

	val = counts.plain;
	seen.plain += interrupt(COMES);
	counts.plain = val + 1;

	seen.atomic += interrupt(COMES);
	__sync_fetch_and_add(&counts.atomic, 1);

	bpf_preempt_disable();
	val = counts.preempt_off;
	seen.preempt_off += interrupt(by_irq ? COMES : STAYS_AWAY);
	counts.preempt_off = val + 1;
	bpf_preempt_enable();

	bpf_local_irq_save(&flags);
	val = counts.irq_off;
	seen.irq_off += interrupt(STAYS_AWAY);
	counts.irq_off = val + 1;
	bpf_local_irq_restore(&flags);

	seen.runs++;
	return 0;
}

/* Not a multiple of 8 bytes: some longs, and what fits into less than a long */
#define NR_LONGS	5
#define SIZE		(NR_LONGS * 8 + 4 + 2 + 1)

char bytes[SIZE] SEC(".percpu.bytes") __aligned(8);

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, char[SIZE]);
} hash SEC(".maps");

struct ticker {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, struct ticker);
} tickers SEC(".maps");

long ticks, torn;

#define flip(type, addr) ({				\
	volatile type *var = (void *)(addr);		\
	type val = *var;				\
							\
	if (val && val != (type)-1)			\
		torn++;					\
	*var = ~val;					\
})

static __always_inline void flip_all(char *copy)
{
	int i;

	for (i = 0; i < NR_LONGS; i++)
		flip(__u64, copy + 8 * i);
	flip(__u32, copy + 8 * NR_LONGS);
	flip(__u16, copy + 8 * NR_LONGS + 4);
	flip(__u8, copy + 8 * NR_LONGS + 6);
}

/* Each variable is all zeroes or all ones, whoever wrote it. */
static int tick(void *map, int *key, struct ticker *ticker)
{
	int zero = 0;
	char *elem;

	flip_all(bytes);
	elem = bpf_map_lookup_elem(&hash, &zero);
	if (elem)
		flip_all(elem);
	ticks++;
	bpf_timer_start(&ticker->timer, TICK, BPF_F_TIMER_CPU_PIN);
	return 0;
}

/* A timer: most others don't run while a system call handles maps. */
SEC("syscall")
int start_ticks(void *ctx)
{
	struct ticker *ticker;
	int zero = 0;

	ticker = bpf_map_lookup_elem(&tickers, &zero);
	if (!ticker)
		return 1;
	bpf_timer_init(&ticker->timer, &tickers, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&ticker->timer, tick);
	return bpf_timer_start(&ticker->timer, TICK, BPF_F_TIMER_CPU_PIN);
}

char _license[] SEC("license") = "GPL";
