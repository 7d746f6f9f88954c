// SPDX-License-Identifier: GPL-2.0
/* While this is loaded, the JIT says that it lacks the per-CPU address instruction */
#include <linux/kprobes.h>
#include <linux/module.h>

static int say_no(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	regs_set_return_value(regs, false);
	return 0;
}

static struct kretprobe probe = {
	.kp.symbol_name	= "bpf_jit_supports_percpu_insn",
	.handler	= say_no,
};

static int __init bpf_test_no_percpu_insn_init(void)
{
	return register_kretprobe(&probe);
}

static void __exit bpf_test_no_percpu_insn_exit(void)
{
	unregister_kretprobe(&probe);
}

module_init(bpf_test_no_percpu_insn_init);
module_exit(bpf_test_no_percpu_insn_exit);

MODULE_DESCRIPTION("BPF JIT without the per-CPU address instruction");
MODULE_LICENSE("GPL");
