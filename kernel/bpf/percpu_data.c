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
 *
 * bpf_per_cpu_ptr() gives the variable of another CPU. Its address is a map
 * value as well, and the verifier does not tell whose copy it is in. So these
 * calls take nothing for granted: they look which copy they are given a place
 * in, and need the map for that.
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/filter.h>

#define verbose(env, fmt, args...) bpf_verifier_log_write(env, fmt, ##args)

/* Is this a ld_imm64 of a per-CPU offset? */
bool bpf_is_percpu_data_ld(const struct bpf_verifier_env *env, int idx)
{
	const struct bpf_insn *insn = &env->prog->insnsi[idx];

	if (!bpf_is_ldimm64(insn) ||
	    (insn->src_reg != BPF_PSEUDO_MAP_VALUE && insn->src_reg != BPF_PSEUDO_MAP_IDX_VALUE))
		return false;
	return bpf_map_has_percpu_data(env->used_maps[env->insn_aux_data[idx].map_index]);
}

/**
 * bpf_check_percpu_data() - Check that a program may use a map's direct value
 * @env: verifier environment of the program
 * @map: map of any type
 *
 * If the value is per-CPU data, note that the program uses such data. From then
 * on it needs a JIT: the interpreter would take the per-CPU offset for an
 * address.
 *
 * Return: 0, or -EOPNOTSUPP if the map is a percpu array that has no such
 * value, or the program is not going to be JITed by a JIT that has the per-CPU
 * address instruction.
 */
int bpf_check_percpu_data(struct bpf_verifier_env *env, const struct bpf_map *map)
{
	if (map->map_type != BPF_MAP_TYPE_PERCPU_ARRAY)
		return 0;

	if (!bpf_map_has_percpu_data(map)) {
		verbose(env, "direct value access to percpu_array map needs 1 element, not %u\n",
			map->max_entries);
		return -EOPNOTSUPP;
	}
	if (!env->prog->jit_requested) {
		verbose(env, "JIT is required to use global percpu data\n");
		return -EOPNOTSUPP;
	}
	if (!bpf_jit_supports_percpu_insn()) {
		verbose(env, "JIT does not support global percpu data\n");
		return -EOPNOTSUPP;
	}

	env->prog->jit_required = 1;
	env->seen_percpu_data = true;
	return 0;
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

	if (!env->seen_percpu_data)
		return 0;

	for (i = 0; i < env->prog->len; i++) {
		if (!bpf_is_percpu_data_ld(env, i))
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
	}

	return 0;
}

static bool is_in_copy(const void *ptr, const void *copy, const struct bpf_map *map)
{
	return ptr >= copy && ptr < copy + map->value_size;
}

/*
 * Whichever CPU's copy ptr points to, give the address of the same place in the
 * copy of to_cpu. The program has most likely just loaded the address of this
 * CPU's variable, so look there first.
 */
static void *percpu_data_move(void *ptr, int to_cpu, const struct bpf_map *map)
{
	void __percpu *value = container_of(map, struct bpf_array, map)->pptrs[0];
	void *copy = this_cpu_ptr(value);
	int cpu;

	if (is_in_copy(ptr, copy, map))
		return per_cpu_ptr(value, to_cpu) + (ptr - copy);

	for_each_possible_cpu(cpu) {
		copy = per_cpu_ptr(value, cpu);
		if (is_in_copy(ptr, copy, map))
			return per_cpu_ptr(value, to_cpu) + (ptr - copy);
	}

	/* The verifier has checked that the address is in the map's value. */
	WARN_ON_ONCE(1);
	return NULL;
}

BPF_CALL_3(bpf_percpu_data_ptr, void *, ptr, u32, cpu, struct bpf_map *, map)
{
	if (cpu >= nr_cpu_ids || !cpu_possible(cpu))
		return (unsigned long)NULL;

	return (unsigned long)percpu_data_move(ptr, cpu, map);
}

BPF_CALL_2(bpf_percpu_data_this_ptr, void *, ptr, struct bpf_map *, map)
{
	/* programs do not check for NULL */
	return (unsigned long)(percpu_data_move(ptr, smp_processor_id(), map) ?: ptr);
}

/**
 * bpf_patch_percpu_data_ptr() - Let a call move between copies of per-CPU data
 * @map: map that R1 of the call points to the value of
 * @call: call of bpf_per_cpu_ptr() or bpf_this_cpu_ptr()
 * @insn_buf: where to put the instructions that replace it
 *
 * These helpers expect per-CPU offsets. Call those that expect addresses, with
 * the map in the register behind the last argument, which the call clobbers.
 *
 * Return: number of instructions.
 */
int bpf_patch_percpu_data_ptr(struct bpf_map *map, const struct bpf_insn *call,
			      struct bpf_insn *insn_buf)
{
	bool this_cpu = call->imm == BPF_FUNC_this_cpu_ptr;
	struct bpf_insn ld_map[2] = {
		BPF_LD_IMM64(this_cpu ? BPF_REG_2 : BPF_REG_3, (long)map),
	};

	insn_buf[0] = ld_map[0];
	insn_buf[1] = ld_map[1];
	insn_buf[2] = *call;
	insn_buf[2].imm = this_cpu ? BPF_CALL_IMM(bpf_percpu_data_this_ptr) :
				     BPF_CALL_IMM(bpf_percpu_data_ptr);
	return 3;
}
