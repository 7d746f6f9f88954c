// SPDX-License-Identifier: GPL-2.0
/* Not to be linked with percpu_data_linked1.c, which declares another type */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

long declared SEC(".percpu") = 1;
