// SPDX-License-Identifier: GPL-2.0
/* Sections that a skeleton doesn't show as they are */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "percpu_data_layout.h"

/* what is static or hidden is not in the skeleton, but in the value */
long first SEC(".percpu") = 1;
static volatile char inside[5] SEC(".percpu") = { 2 };
int behind SEC(".percpu") = 3;
__hidden char latest[17] SEC(".percpu") = { 4 };
/* a name that padding could have */
char __pad0 SEC(".percpu") = 5;
static volatile long end[2] SEC(".percpu") = { 6, 7 };

/* 12 bytes, and a struct of 16 */
long wide SEC(".percpu.tail") = 8;
int narrow SEC(".percpu.tail") = 9;

/* behind an array of unknown length, C++ wants no padding */
struct percpu_list list SEC(".percpu.list") = { 3, { 10, 11, 12 } };
struct percpu_list plain SEC(".data.list") = { 2, { 20, 21 } };

static volatile int alone SEC(".percpu.static") = 13;
__hidden int unseen SEC(".percpu.static") = 14;

__int128 huge SEC(".percpu.types") = 15;
struct {
	unsigned int a:3;
	unsigned int b:13;
} bits SEC(".percpu.types") = { 1, 16 };
const volatile int fixed SEC(".percpu.const") = 17;

/* prefixes of one kind of data in names of another */
const volatile int ro SEC(".rodata.data") = 18;
int rw SEC(".data.rodata") = 19;

long sum;

SEC("raw_tp/sys_enter")
int add(void *ctx)
{
	sum = first + inside[0] + behind + latest[0] + __pad0 + end[0] + end[1] + wide + narrow +
	      list.n + list.vals[0] + list.vals[1] + list.vals[2] + alone + unseen +
	      (long)huge + bits.a + bits.b + fixed + ro + rw +
	      plain.n + plain.vals[0] + plain.vals[1];
	return 0;
}

char _license[] SEC("license") = "GPL";
