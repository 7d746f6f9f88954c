// SPDX-License-Identifier: GPL-2.0
/*
 * Look-ups in percpu arrays and hashes are inlined where the JIT has the per-CPU
 * address instruction, and find the same where it has not. Serial, since the
 * whole system is without the instruction for a while.
 */

#define _GNU_SOURCE
#include <sched.h>
#include <linux/filter.h>
#include "cap_helpers.h"
#include "percpu_data_helpers.h"
#include "percpu_data_lookup.skel.h"

#define BPF_ADDR_PERCPU		(-1)
#define NR_KEYS			3

static struct percpu_data_lookup *skel;
static __u64 *values;

static bool is_inlined(const struct bpf_program *prog)
{
	struct bpf_insn *insns;
	bool found = false;
	__u32 cnt;

	if (!ASSERT_OK(get_xlated_program(bpf_program__fd(prog), &insns, &cnt), "xlated"))
		return false;
	for (__u32 i = 0; i < cnt; i++)
		found |= insns[i].code == (BPF_ALU64 | BPF_MOV | BPF_X) &&
			 insns[i].off == BPF_ADDR_PERCPU;
	free(insns);
	return found;
}

/* Run a program on each CPU, which returns how much went wrong. */
static void run(const struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	char packet[64] = {};
	cpu_set_t old, cpus;
	int cpu;

	if (bpf_program__type(prog) == BPF_PROG_TYPE_SOCKET_FILTER) {
		opts.data_in = packet;
		opts.data_size_in = sizeof(packet);
	}
	if (!ASSERT_OK(sched_getaffinity(0, sizeof(old), &old), "getaffinity"))
		return;
	for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++) {
		if (!runs_of(cpu))
			continue;
		CPU_ZERO(&cpus);
		CPU_SET(cpu, &cpus);
		ASSERT_OK(sched_setaffinity(0, sizeof(cpus), &cpus), "setaffinity");
		skel->bss->cpu = cpu;
		ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), "test_run");
		ASSERT_EQ(opts.retval, 0, bpf_program__name(prog));
	}
	sched_setaffinity(0, sizeof(old), &old);
}

/* Each CPU finds its own values, and changes no others. */
static void check_map(const struct bpf_map *map, const struct bpf_program *prog)
{
	__u32 key;
	int cpu;

	for (key = 0; key < NR_KEYS; key++) {
		for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++)
			values[cpu] = 1000 * cpu + key;
		ASSERT_OK(bpf_map_update_elem(bpf_map__fd(map), &key, values, 0), "update");
	}
	run(prog);
	for (key = 0; key < NR_KEYS; key++) {
		ASSERT_OK(bpf_map_lookup_elem(bpf_map__fd(map), &key, values), "lookup");
		for (cpu = 0; cpu < bpf_num_possible_cpus(); cpu++)
			ASSERT_EQ(values[cpu], 1000 * cpu + key + (runs_of(cpu) ? 100 : 0),
				  "value");
	}
}

static void check_lookups(bool inlined)
{
	skel = percpu_data_lookup__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;
	ASSERT_EQ(is_inlined(skel->progs.in_array), inlined, "inlined array");
	ASSERT_EQ(is_inlined(skel->progs.in_hash), inlined, "inlined hash");
	check_map(skel->maps.array, skel->progs.in_array);
	check_map(skel->maps.hash, skel->progs.in_hash);
	run(skel->progs.number);
	percpu_data_lookup__destroy(skel);
}

/* The key is masked in programs that must not run speculatively with one that is too large. */
static void test_masked(void)
{
	__u64 caps;
	int err;

	skel = percpu_data_lookup__open();
	if (!ASSERT_OK_PTR(skel, "open"))
		return;
	bpf_program__set_autoload(skel->progs.in_array_masked, true);
	bpf_program__set_autoload(skel->progs.in_array, false);
	bpf_program__set_autoload(skel->progs.in_hash, false);
	bpf_program__set_autoload(skel->progs.number, false);
	if (!ASSERT_OK(cap_disable_effective(1ULL << CAP_SYS_ADMIN | 1ULL << CAP_PERFMON, &caps),
		       "caps"))
		goto out;
	err = percpu_data_lookup__load(skel);
	ASSERT_OK(cap_enable_effective(caps, NULL), "caps");
	if (!ASSERT_OK(err, "load"))
		goto out;
	ASSERT_TRUE(is_inlined(skel->progs.in_array_masked), "inlined");
	check_map(skel->maps.array, skel->progs.in_array_masked);
out:
	percpu_data_lookup__destroy(skel);
}

void serial_test_percpu_data_lookup(void)
{
	values = calloc(bpf_num_possible_cpus(), sizeof(*values));
	if (!ASSERT_OK_PTR(values, "values"))
		return;
	if (test__start_subtest("inlined"))
		check_lookups(true);
	if (test__start_subtest("masked"))
		test_masked();
	if (test__start_subtest("called") && load_no_percpu_insn()) {
		check_lookups(false);
		unload_no_percpu_insn();
	}
	free(values);
}
