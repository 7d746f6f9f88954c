// SPDX-License-Identifier: GPL-2.0
/* Not to be linked with percpu_data_linked1.c, which declares another section */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int first SEC(".percpu.other") = 1;
int declared SEC(".percpu.other") = 2;
