// SPDX-License-Identifier: GPL-2.0
/* Percpu arrays have no locks */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	struct bpf_spin_lock lock;
	int count;
} locked SEC(".percpu.locked");

SEC("tc")
int count(struct __sk_buff *skb)
{
	bpf_spin_lock(&locked.lock);
	locked.count++;
	bpf_spin_unlock(&locked.lock);
	return 0;
}
