// SPDX-License-Identifier: GPL-2.0-only
/*
 * Global per-CPU data
 *
 * A global variable is a direct value of a one-element map: a ld_imm64 loads
 * its address. If the map is a percpu array, every CPU has a variable of its
 * own, and the map can offer only what all these variables have in common:
 * a per-CPU offset, what kernel C calls a 'void __percpu *'. It is put into
 * the ld_imm64 like an address, and the verifier treats the register as an
 * ordinary map value. Once the program is verified, each such ld_imm64 gets
 * an instruction behind it that adds the base of the per-CPU area of the CPU
 * the program runs on. Only JITs know this instruction.
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/filter.h>

#define verbose(env, fmt, args...) bpf_verifier_log_write(env, fmt, ##args)

static bool is_percpu_data_ld(const struct bpf_verifier_env *env, int idx)
{
	const struct bpf_insn *insn = &env->prog->insnsi[idx];

	if (!bpf_is_ldimm64(insn) ||
	    (insn->src_reg != BPF_PSEUDO_MAP_VALUE && insn->src_reg != BPF_PSEUDO_MAP_IDX_VALUE))
		return false;
	return bpf_map_has_percpu_data(env->used_maps[env->insn_aux_data[idx].map_index]);
}

/**
 * bpf_check_percpu_data() - Check that a program may use global per-CPU data
 * @env: verifier environment of the program
 *
 * Return: 0, or -EOPNOTSUPP if the program is not going to be JITed by a JIT
 * that has the per-CPU address instruction.
 */
int bpf_check_percpu_data(struct bpf_verifier_env *env)
{
	if (env->prog->jit_requested && bpf_jit_supports_percpu_insn())
		return 0;

	verbose(env, "JIT is required to use global percpu data\n");
	return -EOPNOTSUPP;
}

/**
 * bpf_resolve_percpu_data() - Turn per-CPU offsets into this CPU's addresses
 * @env: verifier environment of a program that passed verification
 *
 * Behind each ld_imm64 of a per-CPU offset, add the instruction that makes it
 * the address of the current CPU's copy, in the same register:
 *
 *   r1 = map[id:5][0]+8			r1 = map[id:5][0]+8
 *					=>	r1 = &(void __percpu *)(r1)
 *
 * Return: 0, or -ENOMEM.
 */
int bpf_resolve_percpu_data(struct bpf_verifier_env *env)
{
	struct bpf_insn *insn, patch[2];
	struct bpf_prog *prog;
	int i;

	for (i = 0; i < env->prog->len; i++) {
		if (!is_percpu_data_ld(env, i))
			continue;

		/*
		 * A ld_imm64 has two slots, but bpf_patch_insn_data() replaces
		 * one. Leave the first one alone, so that it keeps its insn_aux
		 * and stays the target of jumps, and replace the second one by
		 * itself plus the new instruction.
		 */
		insn = &env->prog->insnsi[i];
		patch[0] = insn[1];
		patch[1] = BPF_MOV64_PERCPU_REG(insn->dst_reg, insn->dst_reg);
		prog = bpf_patch_insn_data(env, i + 1, patch, ARRAY_SIZE(patch));
		if (!prog)
			return -ENOMEM;
		env->prog = prog;

		/* the interpreter would take the per-CPU offset for an address */
		prog->jit_required = 1;
	}

	return 0;
}
