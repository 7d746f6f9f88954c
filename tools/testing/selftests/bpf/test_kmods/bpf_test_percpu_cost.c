// SPDX-License-Identifier: GPL-2.0
/* What the programs of progs/percpu_cost.c do, in the kernel's own way */
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/percpu.h>

static DEFINE_PER_CPU(long, count);
static DEFINE_PER_CPU(long, a);
static DEFINE_PER_CPU(long, b);
static DEFINE_PER_CPU(long, c);
static DEFINE_PER_CPU(long, d);
static DEFINE_PER_CPU(long[16], hist);
static DEFINE_PER_CPU(long[4], scratch);

__bpf_kfunc_start_defs();

__bpf_kfunc void bpf_percpu_cost_empty(u32 i)
{
}

__bpf_kfunc void bpf_percpu_cost_count(u32 i)
{
	this_cpu_inc(count);
}

__bpf_kfunc void bpf_percpu_cost_four(u32 i)
{
	this_cpu_inc(a);
	this_cpu_inc(b);
	this_cpu_inc(c);
	this_cpu_inc(d);
}

__bpf_kfunc void bpf_percpu_cost_hist(u32 i)
{
	this_cpu_inc(hist[i & 15]);
}

__bpf_kfunc void bpf_percpu_cost_scratch(u32 i)
{
	this_cpu_write(scratch[0], i);
	this_cpu_write(scratch[1], i);
	this_cpu_write(scratch[2], i);
	this_cpu_write(scratch[3], i);
}

__bpf_kfunc void bpf_percpu_cost_branch(u32 i)
{
	if ((int)i >= 0)
		this_cpu_inc(count);
}

__bpf_kfunc void bpf_percpu_cost_loop(u32 i)
{
	int j;

	for (j = 0; j < 16; j++)
		this_cpu_inc(count);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(percpu_cost_kfunc_ids)
BTF_ID_FLAGS(func, bpf_percpu_cost_empty)
BTF_ID_FLAGS(func, bpf_percpu_cost_count)
BTF_ID_FLAGS(func, bpf_percpu_cost_four)
BTF_ID_FLAGS(func, bpf_percpu_cost_hist)
BTF_ID_FLAGS(func, bpf_percpu_cost_scratch)
BTF_ID_FLAGS(func, bpf_percpu_cost_branch)
BTF_ID_FLAGS(func, bpf_percpu_cost_loop)
BTF_KFUNCS_END(percpu_cost_kfunc_ids)

static const struct btf_kfunc_id_set percpu_cost_kfunc_set = {
	.owner = THIS_MODULE,
	.set = &percpu_cost_kfunc_ids,
};

static int __init bpf_test_percpu_cost_init(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_RAW_TRACEPOINT, &percpu_cost_kfunc_set);
}

static void __exit bpf_test_percpu_cost_exit(void)
{
}

module_init(bpf_test_percpu_cost_init);
module_exit(bpf_test_percpu_cost_exit);

MODULE_DESCRIPTION("Cost of the kernel's own per-CPU data, for BPF to compare with");
MODULE_LICENSE("GPL");
