// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cheaper access to global per-CPU data
 *
 * bpf_resolve_percpu_data() made each address of a per-CPU variable from what
 * all CPUs have in common, the per-CPU offset, by adding the base of this CPU.
 * Neither of them changes while a program runs, so it can be done with less:
 *
 * - Some CPUs add the base as part of a memory access, '%gs:off(reg)' on x86-64.
 *   If an address is used for nothing but memory accesses and then forgotten,
 *   the register may hold the offset instead, and need not be loaded at all if
 *   the offset fits into the accesses. Only the JIT has to know: marks in the
 *   insn_aux_data say which instructions access per-CPU memory and which need
 *   no code, while the program stays as it is, for all who read, dump or blind it.
 *
 * - For all JITs, the address of a variable is computed from that of another one
 *   of its section, if a register has it.
 *
 * This runs last, on the instructions that JITs are given, and believes only
 * what it sees there: what the verifier knew of them is older than the rewriting,
 * but for the arguments of calls, which are kept with them.
 * An address is followed from instruction to instruction up to the next jump or
 * place that is jumped to. Any other use than the above needs it whole; a call
 * changes all registers that it may; a register is forgotten only where all ways
 * on overwrite it, or return, before they use it.
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/filter.h>

/* Instructions of an address: two slots of a ld_imm64, and what adds the base */
#define ADDR_LEN	3

#define CALLER_SAVED	GENMASK(BPF_REG_5, BPF_REG_0)

static bool is_jump(const struct bpf_insn *insn)
{
	u8 class = BPF_CLASS(insn->code);

	return (class == BPF_JMP || class == BPF_JMP32) && insn->code != (BPF_JMP | BPF_CALL);
}

static int jump_target(struct bpf_insn *insn, int i)
{
	return i + 1 + bpf_jmp_offset(insn);
}

static bool is_copy(const struct bpf_insn *insn)
{
	return insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) && !insn->off;
}

/* Mark again where jumps lead to, now that there are other instructions. */
static void mark_targets(struct bpf_verifier_env *env)
{
	struct bpf_insn_aux_data *aux = env->insn_aux_data;
	int i, target, len = env->prog->len;

	for (i = 0; i < len; i++)
		aux[i].jump_target = false;
	for (i = 0; i < env->subprog_cnt; i++)
		aux[env->subprog_info[i].start].jump_target = true;
	for (i = 0; i < len; i++) {
		target = jump_target(&env->prog->insnsi[i], i);
		if (is_jump(&env->prog->insnsi[i]) && target >= 0 && target < len)
			aux[target].jump_target = true;
	}
}

/* Which registers does an instruction use, which does it overwrite? */
static void use_def(const struct bpf_verifier_env *env, int i, u16 *use, u16 *def)
{
	const struct bpf_insn_aux_data *aux = &env->insn_aux_data[i];
	struct bpf_insn *insn = &env->prog->insnsi[i];
	u8 class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);

	if (insn->code == (BPF_JMP | BPF_CALL)) {
		*use = *def = CALLER_SAVED;
		/* not of one that was added, or may spare R1 to R5 */
		if (aux->call_regs && !aux->fastcall_spills_num)
			*use = aux->call_regs;
	} else if (class == BPF_LDX && (mode == BPF_PROBE_MEM || mode == BPF_PROBE_MEMSX)) {
		/* AX is what JITs check the address with */
		*use = BIT(insn->src_reg);
		*def = BIT(insn->dst_reg) | BIT(BPF_REG_AX);
	} else {
		bpf_insn_use_def(insn, use, def);
	}
}

/* Are the values in @regs never used from instruction @i on? Yes only if that's soon clear. */
static bool regs_dead(const struct bpf_verifier_env *env, int i, u16 regs)
{
	struct { int i; u16 regs; } todo[8];
	int budget = 64, cnt = 0;
	u16 use, def;

	/* the last instruction may be a call that does not return */
	while (budget-- && i < env->prog->len) {
		struct bpf_insn *insn = &env->prog->insnsi[i];

		use_def(env, i, &use, &def);
		if (use & regs)
			return false;
		regs &= ~def;
		if (insn->code == (BPF_JMP | BPF_EXIT)) {
			regs = 0;
		} else if (insn->code == (BPF_JMP | BPF_JA) || insn->code == (BPF_JMP32 | BPF_JA)) {
			i = jump_target(insn, i);
		} else if (is_jump(insn)) {
			/* nothing is known of the ways of indirect jumps and tail calls */
			if (BPF_OP(insn->code) == BPF_JA || BPF_OP(insn->code) >= BPF_JCOND ||
			    cnt == ARRAY_SIZE(todo))
				return false;
			todo[cnt].i = jump_target(insn, i++);
			todo[cnt++].regs = regs;
		} else {
			i += bpf_is_ldimm64(insn) ? 2 : 1;
		}
		if (!regs) {
			if (!cnt--)
				return true;
			i = todo[cnt].i;
			regs = todo[cnt].regs;
		}
	}
	return false;
}

static bool is_addr(const struct bpf_verifier_env *env, int i)
{
	return bpf_is_percpu_data_ld(env, i) && insn_is_percpu_ldimm64(&env->prog->insnsi[i]);
}

static u64 addr_off(const struct bpf_insn *insn)
{
	return (u64)insn[1].imm << 32 | (u32)insn->imm;
}

/* The register with the address of a plain memory access that uses it for nothing else, or -1 */
static int addr_reg(const struct bpf_insn *insn)
{
	u8 class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);

	if (class == BPF_LDX)
		return mode == BPF_MEM || mode == BPF_MEMSX ? insn->src_reg : -1;
	if (class == BPF_ST)
		return mode == BPF_MEM ? insn->dst_reg : -1;
	if (class != BPF_STX || insn->src_reg == insn->dst_reg)
		return -1;
	if (mode != BPF_ATOMIC)
		return mode == BPF_MEM ? insn->dst_reg : -1;
	switch (insn->imm) {
	case BPF_LOAD_ACQ:
		return insn->src_reg;
	case BPF_CMPXCHG:
		return insn->dst_reg == BPF_REG_0 ? -1 : insn->dst_reg;
	case BPF_AND | BPF_FETCH:
	case BPF_OR | BPF_FETCH:
	case BPF_XOR | BPF_FETCH:
		return -1; /* CPUs don't have them, a loop uses the address again */
	default:
		return insn->dst_reg;
	}
}

/* Do a load, an operation and a store of the result to the same place leave nothing else behind? */
static bool is_rmw(const struct bpf_verifier_env *env, int i)
{
	const struct bpf_insn *ld = &env->prog->insnsi[i], *op = ld + 1, *st = ld + 2;
	u8 class = BPF_CLASS(op->code), size = BPF_SIZE(ld->code), reg = ld->dst_reg;

	if (BPF_CLASS(ld->code) != BPF_LDX || reg == ld->src_reg || op->dst_reg != reg)
		return false;
	/* the lower bits of the result don't depend on the upper ones of the operands */
	if (class != BPF_ALU64 && (class != BPF_ALU || size == BPF_DW))
		return false;
	switch (BPF_OP(op->code)) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
		break;
	default:
		return false;
	}
	/* a constant that is to be blinded has to go through a register */
	if (BPF_SRC(op->code) == BPF_K && bpf_prog_need_blind(env->prog))
		return false;
	/* JITs have their own ideas of what R10 and the registers behind it are */
	if (BPF_SRC(op->code) == BPF_X && (op->src_reg == reg || op->src_reg >= BPF_REG_FP))
		return false;
	return st->code == (BPF_STX | BPF_MEM | size) && st->dst_reg == ld->src_reg &&
	       st->src_reg == reg && st->off == ld->off &&
	       !env->insn_aux_data[i + 1].jump_target && !env->insn_aux_data[i + 2].jump_target &&
	       regs_dead(env, i + 3, BIT(reg));
}

/*
 * Is the address at instruction @i used for memory accesses, and for nothing
 * else? If so, find out whether their offsets are @fixed and fit into them. Or,
 * if that is known, @mark what the JIT can do with less.
 */
static bool follow_addr(struct bpf_verifier_env *env, int i, bool *fixed, bool mark)
{
	struct bpf_insn_aux_data *aux = env->insn_aux_data;
	struct bpf_insn *insns = env->prog->insnsi;
	u16 use, def, regs = BIT(insns[i].dst_reg);
	s64 off, base = addr_off(&insns[i]);
	bool used = false;
	int reg;

	if (mark) {
		aux[i].percpu_access = *fixed ? BPF_PERCPU_SKIP : 0;
		aux[i + 2].percpu_access = BPF_PERCPU_SKIP;
	}
	for (i += ADDR_LEN; regs && i < env->prog->len;
	     i += bpf_is_ldimm64(&insns[i]) ? 2 : 1) {
		struct bpf_insn *insn = &insns[i];
		u16 dst = BIT(insn->dst_reg), src = BIT(insn->src_reg);

		if (aux[i].jump_target || is_jump(insn))
			return used && regs_dead(env, i, regs);

		use_def(env, i, &use, &def);
		reg = addr_reg(insn);
		if (reg >= 0 && regs & BIT(reg) && !(use & regs & ~BIT(reg))) {
			off = base + insn->off;
			*fixed &= off == (s32)off;
			if (mark && is_rmw(env, i)) {
				/* the store has the code, so no line of the three is behind it */
				aux[i++].percpu_access = BPF_PERCPU_SKIP;
				aux[i++].percpu_access = BPF_PERCPU_SKIP;
				aux[i].percpu_access = BPF_PERCPU_RMW;
			}
			if (mark) {
				aux[i].percpu_off = *fixed ? off : 0;
				aux[i].percpu_access |= *fixed ? BPF_PERCPU_ABS : BPF_PERCPU_MEM;
			}
			regs &= ~def;
			used = true;
		} else if (is_copy(insn) && use & regs) {
			regs |= dst;
		} else if (insn->code == (BPF_ALU64 | BPF_ADD | BPF_K) && use & regs) {
			*fixed = false;
		} else if (insn->code == (BPF_ALU64 | BPF_ADD | BPF_X) &&
			   !(regs & src) != !(regs & dst)) {
			/* the verifier saw to it that the other one is a scalar */
			*fixed = false;
			regs |= dst;
		} else if (!(use & regs)) {
			regs &= ~def;
		} else {
			return false;
		}
	}
	return used;
}

static void fuse_addrs(struct bpf_verifier_env *env)
{
	bool fixed;
	int i;

	for (i = 0; i < env->prog->len; i++) {
		/* a constant that is to be blinded has to go through a register */
		fixed = !bpf_prog_need_blind(env->prog);
		if (is_addr(env, i) && follow_addr(env, i, &fixed, false))
			follow_addr(env, i, &fixed, true);
	}
}

/*
 * Replace an address by the one in @src plus the distance between them:
 *
 *   r2 = map[id:5][0]+8		r2 = r1
 *   r2 = &(void __percpu *)(r2)	r2 += 8
 *
 * Return: the number of instructions that it takes now, or an error.
 */
static int replace_addr(struct bpf_verifier_env *env, int i, int src, s32 dist)
{
	struct bpf_insn *insn = &env->prog->insnsi[i];
	int err, cnt = 0, dst = insn->dst_reg;

	if (src != dst)
		insn[cnt++] = BPF_MOV64_REG(dst, src);
	if (dist)
		insn[cnt++] = BPF_ALU64_IMM(BPF_ADD, dst, dist);
	err = bpf_remove_insns_data(env, i + cnt, ADDR_LEN - cnt);
	return err ?: cnt;
}

static int share_addrs(struct bpf_verifier_env *env)
{
	struct { u32 map_index; u64 off; } addrs[MAX_BPF_EXT_REG];
	u16 use, def, known = 0;
	int i, reg, cnt, cost;

	for (i = 0; i < env->prog->len; i += cnt) {
		struct bpf_insn *insn = &env->prog->insnsi[i];
		int dst = insn->dst_reg, src = -1;
		u32 map_index;
		u64 off;

		if (env->insn_aux_data[i].jump_target || is_jump(insn))
			known = 0;
		cnt = bpf_is_ldimm64(insn) ? 2 : 1;

		if (is_addr(env, i) && !env->insn_aux_data[i + 2].percpu_access) {
			map_index = env->insn_aux_data[i].map_index;
			off = addr_off(insn);
			cnt = ADDR_LEN;
			for (reg = BPF_REG_0; reg < MAX_BPF_REG; reg++) {
				if (!(known & BIT(reg)) || addrs[reg].map_index != map_index)
					continue;
				/* what it takes from there: a copy, an addition */
				cost = (reg != dst) + (addrs[reg].off != off);
				if (cost < cnt) {
					src = reg;
					cnt = cost;
				}
			}
			if (src >= 0)
				/* sections are small, so the distance fits */
				cnt = replace_addr(env, i, src, off - addrs[src].off);
			if (cnt < 0)
				return cnt;
			addrs[dst].map_index = map_index;
			addrs[dst].off = off;
			known |= BIT(dst);
		} else if (is_copy(insn) && known & BIT(insn->src_reg)) {
			addrs[dst] = addrs[insn->src_reg];
			known |= BIT(dst);
		} else {
			use_def(env, i, &use, &def);
			/* one that isn't known uses all registers, and may change them */
			known &= use == U16_MAX ? 0 : ~def;
		}
	}
	return 0;
}

/**
 * bpf_opt_percpu_data() - Make access to global per-CPU data cheaper
 * @env: verifier environment of a program that is ready for the JIT
 *
 * Return: 0, or -EINTR if the loader was killed.
 */
int bpf_opt_percpu_data(struct bpf_verifier_env *env)
{
	/* indirect jumps go where an instruction array says: leave such programs alone */
	if (!env->seen_percpu_data || env->insn_array_map_cnt)
		return 0;

	mark_targets(env);
	if (bpf_jit_supports_percpu_mem())
		fuse_addrs(env);
	return share_addrs(env);
}
