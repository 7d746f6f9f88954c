// SPDX-License-Identifier: GPL-2.0
/* Data sections whose maps user space changes before they are created */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "bpf_misc.h"

#define LONG_NAME "a_name_that_leaves_no_room_for_the_rest_of_the_message_in_a_buffer_of_128_bytes_"

#define LONG_KFUNC bpf_no_kfunc_with_a_name_that_leaves_no_room_for_the_rest_of_the_message

char _license[] SEC("license") = "GPL";

extern int LINUX_KERNEL_VERSION __kconfig;

int in_data = 1;
int in_bss;
const volatile int in_rodata = 2;

/* the last variable is an array, so it can grow */
long first SEC(".data.two") = 10;
char second[4] SEC(".data.two") = "abc";

int long_named SEC(".data." LONG_NAME LONG_NAME) = 3;

SEC("raw_tp")
int count(void *ctx)
{
	in_bss += in_data + in_rodata;
	first++;
	return 0;
}

SEC("?raw_tp")
int use_long_named(void *ctx)
{
	return long_named;
}

SEC("?raw_tp")
int use_kconfig(void *ctx)
{
	return LINUX_KERNEL_VERSION != 0;
}

extern int LONG_KFUNC(int arg) __ksym __weak;

SEC("?raw_tp")
int use_long_named_kfunc(void *ctx)
{
	return LONG_KFUNC(0);
}
