// SPDX-License-Identifier: GPL-2.0
/* Per-CPU data that user space reads and writes by CPU number */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

long hits SEC(".percpu") = 1000;
int last_cpu SEC(".percpu") = -1;
/* a copy is larger than what user space sees of it */
static volatile long calls[2] SEC(".percpu") = { 5, 6 };

/* sections of sizes that are no multiple of 8 */
char one SEC(".percpu.b1") = 1;
int four SEC(".percpu.b4") = 4;
int twelve[3] SEC(".percpu.b12") = { [2] = 12 };
char seventeen[17] SEC(".percpu.b17") = { [16] = 17 };
int twenty[5] SEC(".percpu.b20") = { [4] = 20 };
/* the largest one */
char large[32 * 1024] SEC(".percpu.large") = { [32 * 1024 - 1] = 32 };

/* not a section, but the same kind of map */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, int);
	__type(value, long);
} single SEC(".maps");

/* a template, and no map */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, int);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
		__uint(max_entries, 1);
		__type(key, int);
		__type(value, long);
	});
} outer SEC(".maps");

/* and others that aren't */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, int);
	__type(value, long);
} pair SEC(".maps");

int shared = 5;

SEC("raw_tp/sys_enter")
int count(void *ctx)
{
	hits++;
	last_cpu = bpf_get_smp_processor_id();
	calls[0]++;
	one++;
	four++;
	twelve[2]++;
	seventeen[16]++;
	twenty[4]++;
	large[sizeof(large) - 1]++;
	__sync_fetch_and_add(&shared, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
