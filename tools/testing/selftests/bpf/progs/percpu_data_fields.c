// SPDX-License-Identifier: GPL-2.0
/* Types in several places, which prog_tests/percpu_data_malformed.c gives other names */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct type_in_a_variable { int a; };
struct type_in_a_nested_array { int a; };
struct type_in_an_empty_array { int a; };
struct type_in_plain_data { int a; };
struct opaque;

/* hidden, since the skeleton would need the types */
struct type_in_a_variable plain __hidden SEC(".percpu.plain");

struct {
	int first;
	struct {
		long first;
		struct type_in_a_nested_array arrays[2][3];
	} inner[2];
} nested __hidden SEC(".percpu.nested");

struct {
	int first;
	struct type_in_an_empty_array none[0];
} empty __hidden SEC(".percpu.empty");

struct {
	struct opaque __attribute__((btf_type_tag("type_tag_of_pointer"))) *ptr;
} tagged __hidden SEC(".percpu.tagged");

struct type_in_plain_data data __hidden SEC(".data.plain");

SEC("raw_tp")
int use_all(void *ctx)
{
	plain.a++;
	nested.inner[1].arrays[1][2].a++;
	empty.first++;
	data.a++;
	return !tagged.ptr;
}
