// SPDX-License-Identifier: GPL-2.0
/* A light skeleton with per-CPU data, used inside the kernel */
#include <linux/init.h>
#include <linux/module.h>
#include "percpu_data_vars.lskel.h"

static struct percpu_data_vars_lskel *skel;

/* The file descriptors belong to the process that loads the module, which has to unload it. */
static int vars_fd, table_fd, nested_fd, prog_fd;
module_param(vars_fd, int, 0444);
module_param(table_fd, int, 0444);
module_param(nested_fd, int, 0444);
module_param(prog_fd, int, 0444);

static int __init bpf_test_percpu_lskel_init(void)
{
	int err;

	skel = percpu_data_vars_lskel__open();
	if (!skel)
		return -ENOMEM;

	err = -EINVAL;
	if (skel->percpu->step != 3 || skel->percpu_a_name_longer_than_15->table[3] != 4 ||
	    skel->percpu_data->nested != 6)
		goto out;

	/* the same changes as in change_image() of the test */
	skel->percpu->hits = 1000;
	skel->percpu->step = 7;
	skel->percpu->last.cpu = 99;
	skel->percpu_a_name_longer_than_15->table[0] = 100;
	skel->percpu_a_name_longer_than_15->table[3] = 11;
	skel->percpu_data->nested = 60;

	err = percpu_data_vars_lskel__load(skel);
	if (err)
		goto out;

	err = -EFAULT;
	if (skel->percpu || skel->percpu_a_name_longer_than_15 || skel->percpu_data ||
	    !skel->data_percpu)
		goto out;

	vars_fd = skel->maps.percpu.map_fd;
	table_fd = skel->maps.percpu_a_name_longer_than_15.map_fd;
	nested_fd = skel->maps.percpu_data.map_fd;
	prog_fd = skel->progs.count.prog_fd;
	return 0;
out:
	percpu_data_vars_lskel__destroy(skel);
	return err;
}

static void __exit bpf_test_percpu_lskel_exit(void)
{
	percpu_data_vars_lskel__destroy(skel);
}

module_init(bpf_test_percpu_lskel_init);
module_exit(bpf_test_percpu_lskel_exit);

MODULE_DESCRIPTION("BPF light skeleton with per-CPU data");
MODULE_IMPORT_NS("BPF_INTERNAL");
MODULE_LICENSE("GPL");
