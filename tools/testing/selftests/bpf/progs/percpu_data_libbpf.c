// SPDX-License-Identifier: GPL-2.0
/* Sections that are per CPU, and some that only look like it */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define NR_GROWN 200

char _license[] SEC("license") = "GPL";

int counter SEC(".percpu") = 42;

struct {
	char tag;
	long count;
} named SEC(".percpu.longer_than_15_chars") = { 'n', -1 };

int after_data SEC(".percpu.data") = 2;
int plain SEC(".data.percpu") = 3;
const volatile int frozen SEC(".rodata.data") = 4;
int after_rodata SEC(".percpu.rodata") = 5;

/* the last variable is an array, so it can grow */
int sum SEC(".percpu.array") = -1;
int array[1] SEC(".percpu.array") = { 5 };

/* the last variable is none */
int no_array SEC(".percpu.no_array") = 6;

/* 12 bytes, while a struct of them has 16 */
long padded SEC(".percpu.padded") = 7;
int last SEC(".percpu.padded") = 8;

SEC("raw_tp")
int count(void *ctx)
{
	counter++;
	named.count++;
	after_data++;
	plain += frozen;
	after_rodata++;
	no_array++;
	padded++;
	last += 2;
	return 0;
}

/* needs an array of NR_GROWN elements */
SEC("?raw_tp")
int sum_up(void *ctx)
{
	int i, *elem = array;

	/* how many there are is not known to the compiler */
	barrier_var(elem);
	sum = 0;
	for (i = 0; i < NR_GROWN; i++)
		sum += elem[i];
	return 0;
}
