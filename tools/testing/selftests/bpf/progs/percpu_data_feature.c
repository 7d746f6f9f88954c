// SPDX-License-Identifier: GPL-2.0
/* Programs that use global per-CPU data, and some that do not, in one object */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "bpf_misc.h"

char _license[] SEC("license") = "GPL";

long counter SEC(".percpu") = 10;
long titled SEC(".percpu.named") = 20;

extern int LINUX_KERNEL_VERSION __kconfig;
long plain_counter;

SEC("raw_tp")
int plain(void *ctx)
{
	plain_counter++;
	return 0;
}

/* not reachable on any kernel */
SEC("raw_tp")
int guarded(void *ctx)
{
	if (LINUX_KERNEL_VERSION == 0)
		counter++;
	return 0;
}

SEC("raw_tp")
int uses(void *ctx)
{
	counter++;
	return 0;
}

static __noinline long subprog(void)
{
	return ++titled;
}

SEC("raw_tp")
int uses_in_subprog(void *ctx)
{
	return subprog() == 21 ? 0 : -1;
}

#define LONG_NAME a_name_that_leaves_no_room_for_the_rest_of_the_message_in_a_buffer_of_256_bytes

long long_named SEC(".percpu." XSTR(LONG_NAME) "_" XSTR(LONG_NAME));

SEC("?raw_tp")
int LONG_NAME(void *ctx)
{
	return long_named;
}
