// SPDX-License-Identifier: GPL-2.0
/*
 * Make the JIT fail, for the programs that one process loads: nobody without
 * CAP_BPF gets memory for JITed code beyond net.core.bpf_jit_limit, and in the
 * JIT, the process does not have it.
 */

#include <vmlinux.h>
#include <errno.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

int tgid;
int fail_call;		/* which call of the JIT fails, 0 for none */
int calls;
int denied;
bool in_jit;

static bool is_loader(void)
{
	return bpf_get_current_pid_tgid() >> 32 == tgid;
}

SEC("fentry/bpf_int_jit_compile")
int BPF_PROG(jit_enter)
{
	if (is_loader())
		in_jit = ++calls == fail_call;
	return 0;
}

SEC("fexit/bpf_int_jit_compile")
int BPF_PROG(jit_exit)
{
	if (is_loader())
		in_jit = false;
	return 0;
}

SEC("fmod_ret/security_capable")
int BPF_PROG(capable, const struct cred *cred, struct user_namespace *ns, int cap,
	     unsigned int opts, int ret)
{
	if (!is_loader() || !in_jit)
		return ret;
	denied++;
	return -EPERM;
}

char _license[] SEC("license") = "GPL";
