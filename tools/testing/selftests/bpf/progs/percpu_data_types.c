// SPDX-License-Identifier: GPL-2.0
/* Per-CPU variables of types that need some care */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

/* needs a section of its own, as in .data */
const volatile int readonly SEC(".percpu.const") = 5;

/* not in the skeleton */
__hidden int hidden SEC(".percpu.hidden") = 60;

/* the first one starts where the second one does, the last one where the section ends */
struct {} nothing SEC(".percpu.zero") = {};
int something SEC(".percpu.zero") = 70;
int no_elems[0] SEC(".percpu.zero") = {};

/* larger than its type */
struct {
	int len;
	int elems[];
} flex SEC(".percpu.flex") = { 3, { 10, 20, 30 } };

__int128 wide SEC(".percpu.wide") = (__int128)1 << 64;

struct {
	int a : 3;
	unsigned int b : 10;
	long c : 40;
} bits SEC(".percpu.bits") = { 1, 0, 3 };
int sum SEC(".percpu.bits");

SEC("raw_tp")
int count(void *ctx)
{
	int *elem = &flex.elems[2];
	void *none = &nothing;

	++*elem;
	wide++;
	bits.b++;
	hidden++;
	something++;
	sum = readonly + hidden;
	sum += something;
	sum--;
	/* an address without anything there */
	barrier_var(none);
	return !none;
}
