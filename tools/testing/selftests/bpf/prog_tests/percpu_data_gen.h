/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random programs around per-CPU accesses
 *
 * percpu_gen() makes one that the verifier accepts, in two variants that are
 * the same, instruction by instruction, but for where addresses come from:
 * GEN_DIRECT has direct values of a percpu array, GEN_LOOKUP computes them from
 * the address that bpf_map_lookup_elem() returned at the beginning. Both take
 * two slots, so that the jumps are the same, too.
 *
 * What registers and stack slots hold is tracked in the way the verifier does
 * it, but for the values of scalars: those come from the maps and are masked
 * before they are added to an address.
 */
#ifndef __PERCPU_DATA_GEN_H
#define __PERCPU_DATA_GEN_H

#include <stdbool.h>
#include <string.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include "bpf_util.h"

#define GEN_MAX_INSNS	1024
#define GEN_WINDOW	256	/* bytes of the value that programs use */
#define GEN_SLOTS	4	/* stack slots for spilled addresses */

#define GEN_BASE_OFF	(-8)	/* stack: the address that was looked up */
#define GEN_KEY_OFF	(-16)
#define GEN_BUF_OFF	(-32)
#define GEN_SLOT_OFF(i)	(-40 - 8 * (i))
#define GEN_FAST_OFF	(-96)	/* the lowest: spills around calls that need none */

enum gen_variant { GEN_DIRECT, GEN_LOOKUP };

enum gen_type { GEN_NONE, GEN_SCALAR, GEN_ADDR };

struct gen_reg {
	enum gen_type type;
	int off;	/* of an address, without what was added from a register */
	int var;	/* at most this much was added from registers, in steps of 8 */
};

struct gen_state {
	struct gen_reg regs[10];
	struct gen_reg slots[GEN_SLOTS];
};

struct percpu_gen {
	struct bpf_insn insns[GEN_MAX_INSNS];
	int cnt;
	/* to be filled in: instructions that load an address, calls of the subprogram */
	struct {
		int idx;
		int off;
	} addrs[GEN_MAX_INSNS / 2];
	int addr_cnt;
	int calls[GEN_MAX_INSNS];
	int call_cnt;

	struct gen_state s;
	unsigned int locked;	/* registers that a loop's body must leave alone */
	unsigned long long rnd;
	int depth;
	bool subprog;
	bool priv;		/* compare and subtract addresses, spill them */
};

static inline unsigned int gen_rnd(struct percpu_gen *g, unsigned int n)
{
	/* splitmix64 */
	unsigned long long z = g->rnd += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) % n;
}

static inline void gen_emit(struct percpu_gen *g, struct bpf_insn insn)
{
	g->insns[g->cnt++] = insn;
}

static inline void gen_ld_imm64(struct bpf_insn *insn, int reg, int src, int imm, int imm2)
{
	insn[0] = BPF_RAW_INSN(BPF_LD | BPF_DW | BPF_IMM, reg, src, 0, imm);
	insn[1] = BPF_RAW_INSN(0, 0, 0, 0, imm2);
}

/* A register of a type, or -1. Any but locked ones if @type is GEN_NONE. */
static inline int gen_pick(struct percpu_gen *g, enum gen_type type)
{
	int reg = gen_rnd(g, 10), i;

	for (i = 0; i < 10; i++, reg = (reg + 1) % 10) {
		if (type == GEN_NONE ? !(g->locked & (1 << reg)) : g->s.regs[reg].type == type)
			return reg;
	}
	return -1;
}

/* One of a type that may be changed, or -1. */
static inline int gen_pick_free(struct percpu_gen *g, enum gen_type type)
{
	int reg = gen_rnd(g, 10), i;

	for (i = 0; i < 10; i++, reg = (reg + 1) % 10) {
		if (!(g->locked & (1 << reg)) && g->s.regs[reg].type == type)
			return reg;
	}
	return -1;
}

static inline void gen_set(struct percpu_gen *g, int reg, enum gen_type type)
{
	g->s.regs[reg] = (struct gen_reg) { .type = type };
}

static inline int gen_const(struct percpu_gen *g)
{
	static const int consts[] = {
		0, 1, -1, 2, 127, 128, -128, -129, 255, 256, 0x7fff, 0x8000, -0x8000, 0xffff,
		0x10000, 0x7fffffff, -0x7fffffff - 1, 0x12345678,
	};

	if (gen_rnd(g, 3))
		return consts[gen_rnd(g, ARRAY_SIZE(consts))];
	return gen_rnd(g, 0x10000) << 16 | gen_rnd(g, 0x10000);
}

static inline int gen_scalar(struct percpu_gen *g)
{
	int reg = gen_pick(g, GEN_SCALAR);

	if (reg < 0) {
		reg = gen_pick(g, GEN_NONE);
		gen_emit(g, BPF_MOV64_IMM(reg, gen_const(g)));
		gen_set(g, reg, GEN_SCALAR);
	}
	return reg;
}

static inline void gen_addr_off(struct percpu_gen *g, int reg, int off)
{
	g->addrs[g->addr_cnt].idx = g->cnt;
	g->addrs[g->addr_cnt++].off = off;
	gen_emit(g, (struct bpf_insn) { .dst_reg = reg });
	gen_emit(g, (struct bpf_insn) {});
	gen_set(g, reg, GEN_ADDR);
	g->s.regs[reg].off = off;
}

static inline void gen_addr_to(struct percpu_gen *g, int reg)
{
	int off = gen_rnd(g, GEN_WINDOW / 8) * 8;

	/* there are favourites, such as counters, and a few are not aligned */
	if (gen_rnd(g, 2))
		off = gen_rnd(g, 4) * 8;
	else if (!gen_rnd(g, 8))
		off += gen_rnd(g, 8);

	gen_addr_off(g, reg, off);
}

static inline int gen_addr(struct percpu_gen *g)
{
	int reg = gen_rnd(g, 3) ? -1 : gen_pick(g, GEN_ADDR);

	if (reg < 0) {
		reg = gen_pick(g, GEN_NONE);
		gen_addr_to(g, reg);
	}
	return reg;
}

/*
 * An offset from an address at which @size bytes are inside the window, and
 * aligned if wanted. False if there is none.
 */
static inline bool gen_off(struct percpu_gen *g, int reg, int size, bool aligned, int *off)
{
	struct gen_reg *r = &g->s.regs[reg];
	int max = GEN_WINDOW - size - r->var - r->off, min = -r->off;

	if (max < min)
		return false;
	if (min <= 0 && max >= 0 && gen_rnd(g, 2) && !(aligned && r->off % size)) {
		*off = 0;
		return true;
	}
	*off = min + (int)gen_rnd(g, max - min + 1);
	if (aligned)
		*off = *off - (r->off + *off) % size;
	return true;
}

static inline int gen_bytes(int size)
{
	return size == BPF_DW ? 8 : size == BPF_W ? 4 : size == BPF_H ? 2 : 1;
}

static inline int gen_size(struct percpu_gen *g)
{
	static const int sizes[] = { BPF_B, BPF_H, BPF_W, BPF_DW, BPF_DW };

	return sizes[gen_rnd(g, 5)];
}

static inline void gen_load(struct percpu_gen *g)
{
	int size = gen_size(g), addr = gen_addr(g), dst = gen_pick(g, GEN_NONE), off;
	bool sx = size != BPF_DW && gen_rnd(g, 2);

	if (!gen_off(g, addr, gen_bytes(size), false, &off))
		return;
	gen_emit(g, BPF_RAW_INSN(BPF_LDX | (sx ? BPF_MEMSX : BPF_MEM) | size, dst, addr, off, 0));
	gen_set(g, dst, GEN_SCALAR);
}

static inline void gen_store(struct percpu_gen *g)
{
	int size = gen_size(g), addr, val, off;

	if (gen_rnd(g, 2)) {
		addr = gen_addr(g);
		if (gen_off(g, addr, gen_bytes(size), false, &off))
			gen_emit(g, BPF_ST_MEM(size, addr, off, gen_const(g)));
		return;
	}
	val = gen_scalar(g);
	addr = gen_pick(g, GEN_ADDR);
	if (addr >= 0 && gen_off(g, addr, gen_bytes(size), false, &off))
		gen_emit(g, BPF_STX_MEM(size, addr, val, off));
}

static inline void gen_atomic(struct percpu_gen *g)
{
	static const int ops[] = {
		BPF_ADD, BPF_AND, BPF_OR, BPF_XOR, BPF_ADD | BPF_FETCH, BPF_AND | BPF_FETCH,
		BPF_OR | BPF_FETCH, BPF_XOR | BPF_FETCH, BPF_XCHG, BPF_CMPXCHG, BPF_LOAD_ACQ,
		BPF_STORE_REL,
	};
	int op = ops[gen_rnd(g, ARRAY_SIZE(ops))];
	int size = gen_rnd(g, 2) ? BPF_W : BPF_DW, addr, val, off;

	if (op == BPF_CMPXCHG && g->s.regs[0].type != GEN_SCALAR) {
		if (g->locked & 1)
			return;
		gen_emit(g, BPF_MOV64_IMM(BPF_REG_0, gen_const(g)));
		gen_set(g, BPF_REG_0, GEN_SCALAR);
	}
	if (op == BPF_CMPXCHG && g->locked & 1)
		return;
	if (op == BPF_LOAD_ACQ || op == BPF_STORE_REL)
		size = gen_size(g);
	val = gen_scalar(g);
	addr = gen_pick(g, GEN_ADDR);
	if (addr < 0 || !gen_off(g, addr, gen_bytes(size), true, &off))
		return;
	if (op == BPF_LOAD_ACQ) {
		val = gen_pick(g, GEN_NONE);
		gen_emit(g, BPF_ATOMIC_OP(size, op, val, addr, off));
		gen_set(g, val, GEN_SCALAR);
		return;
	}
	if (op & BPF_FETCH && op != BPF_CMPXCHG && g->locked & (1 << val))
		return;
	gen_emit(g, BPF_ATOMIC_OP(size, op, addr, val, off));
}

static inline void gen_alu_op(struct percpu_gen *g, int dst, bool is64, int op, int src)
{
	int class = is64 ? BPF_ALU64 : BPF_ALU;

	if (src >= 0)
		gen_emit(g, BPF_RAW_INSN(class | op | BPF_X, dst, src, 0, 0));
	else
		gen_emit(g, BPF_RAW_INSN(class | op | BPF_K, dst, 0, 0, gen_const(g)));
}

static const int gen_rmw_ops[] = { BPF_ADD, BPF_SUB, BPF_AND, BPF_OR, BPF_XOR, BPF_MUL };

/* Load, operation, store: what a counter does, and what looks like it */
static inline void gen_rmw(struct percpu_gen *g)
{
	int op = gen_rmw_ops[gen_rnd(g, gen_rnd(g, 2) ? 1 : 6)];
	int size = gen_rnd(g, 2) ? BPF_DW : gen_size(g), store_size = size;
	bool is64 = gen_rnd(g, 4), sx = size != BPF_DW && gen_rnd(g, 2);
	int src = gen_rnd(g, 2) ? gen_scalar(g) : -1;
	int addr = gen_addr(g), val = gen_pick(g, GEN_NONE), off, store_off, store_val = val;

	if (src >= 0 && g->s.regs[src].type != GEN_SCALAR)
		return;
	if (val == addr || !gen_off(g, addr, gen_bytes(size), false, &off))
		return;
	store_off = off;
	gen_emit(g, BPF_RAW_INSN(BPF_LDX | (sx ? BPF_MEMSX : BPF_MEM) | size, val, addr, off, 0));
	gen_set(g, val, GEN_SCALAR);
	if (!gen_rnd(g, 8))
		gen_alu_op(g, val, true, BPF_ADD, -1);
	gen_alu_op(g, val, is64, op, src);
	switch (gen_rnd(g, 16)) {
	case 0:
		if (!gen_off(g, addr, gen_bytes(store_size), false, &store_off))
			return;
		break;
	case 1:
		store_size = gen_size(g);
		if (off + g->s.regs[addr].off + g->s.regs[addr].var + gen_bytes(store_size) >
		    GEN_WINDOW)
			return;
		break;
	case 2:
		store_val = gen_scalar(g);
		if (g->s.regs[addr].type != GEN_ADDR)
			return;
		break;
	}
	gen_emit(g, BPF_STX_MEM(store_size, addr, store_val, store_off));

	/* what became of the registers? */
	if (!gen_rnd(g, 2)) {
		gen_emit(g, BPF_MOV64_IMM(val, gen_const(g)));
	} else if (!gen_rnd(g, 4)) {
		int dst = gen_pick_free(g, GEN_SCALAR);

		if (dst >= 0)
			gen_alu_op(g, dst, true, BPF_XOR, val);
	}
	if (!gen_rnd(g, 2) && !(g->locked & (1 << addr))) {
		gen_emit(g, BPF_MOV64_IMM(addr, gen_const(g)));
		gen_set(g, addr, GEN_SCALAR);
	}
}

static inline void gen_alu(struct percpu_gen *g)
{
	static const int ops[] = {
		BPF_ADD, BPF_SUB, BPF_AND, BPF_OR, BPF_XOR, BPF_MUL, BPF_MOV, BPF_NEG,
		BPF_DIV, BPF_MOD,
	};
	int op = ops[gen_rnd(g, 10)], dst, src;
	bool is64 = gen_rnd(g, 2);

	src = gen_rnd(g, 2) ? gen_scalar(g) : -1;
	dst = gen_pick_free(g, op == BPF_MOV ? GEN_NONE : GEN_SCALAR);
	if (op == BPF_MOV)
		dst = gen_pick(g, GEN_NONE);
	if (dst < 0)
		return;
	if (op == BPF_NEG)
		gen_emit(g, BPF_RAW_INSN((is64 ? BPF_ALU64 : BPF_ALU) | BPF_NEG, dst, 0, 0, 0));
	else if ((op == BPF_DIV || op == BPF_MOD) && src < 0)
		gen_emit(g, BPF_RAW_INSN((is64 ? BPF_ALU64 : BPF_ALU) | op | BPF_K, dst, 0, 0, 7));
	else
		gen_alu_op(g, dst, is64, op, src);
	gen_set(g, dst, GEN_SCALAR);
}

/* Compute an address from another one */
static inline void gen_addr_alu(struct percpu_gen *g)
{
	int addr = gen_addr(g), dst, idx, off;
	struct gen_reg *r = &g->s.regs[addr];

	switch (gen_rnd(g, 4)) {
	case 0:
		dst = gen_pick(g, GEN_NONE);
		gen_emit(g, BPF_MOV64_REG(dst, addr));
		g->s.regs[dst] = *r;
		break;
	case 1:
		if (g->locked & (1 << addr))
			return;
		off = (int)gen_rnd(g, GEN_WINDOW / 8) * 8 - r->off;
		gen_emit(g, BPF_ALU64_IMM(BPF_ADD, addr, off));
		r->off += off;
		break;
	default:
		/* *(addr + idx), idx + addr: the sum is in one or the other */
		idx = gen_pick_free(g, GEN_SCALAR);
		if (idx < 0 || r->var || r->off + 56 > GEN_WINDOW - 8)
			return;
		gen_emit(g, BPF_ALU64_IMM(BPF_AND, idx, 7 << gen_rnd(g, 4) & ~7));
		if (gen_rnd(g, 2) && !(g->locked & (1 << addr))) {
			gen_emit(g, BPF_ALU64_REG(BPF_ADD, addr, idx));
			r->var += 56;
		} else {
			gen_emit(g, BPF_ALU64_REG(BPF_ADD, idx, addr));
			g->s.regs[idx] = *r;
			g->s.regs[idx].var += 56;
		}
	}
}

/* Uses of an address that need it whole */
static inline void gen_escape(struct percpu_gen *g)
{
	int addr = gen_addr(g), other, dst, slot = gen_rnd(g, GEN_SLOTS);

	switch (gen_rnd(g, 4)) {
	case 0:
		gen_emit(g, BPF_STX_MEM(BPF_DW, BPF_REG_10, addr, GEN_SLOT_OFF(slot)));
		g->s.slots[slot] = g->s.regs[addr];
		break;
	case 1:
		dst = gen_pick(g, GEN_NONE);
		if (g->s.slots[slot].type != GEN_ADDR)
			return;
		gen_emit(g, BPF_LDX_MEM(BPF_DW, dst, BPF_REG_10, GEN_SLOT_OFF(slot)));
		g->s.regs[dst] = g->s.slots[slot];
		break;
	case 2:
		/* how far are they apart? */
		other = gen_pick(g, GEN_ADDR);
		if (!g->priv || g->locked & (1 << addr) || other == addr)
			return;
		gen_emit(g, BPF_ALU64_REG(BPF_SUB, addr, other));
		gen_set(g, addr, GEN_SCALAR);
		break;
	case 3:
		/* are they the same? */
		other = gen_pick(g, GEN_ADDR);
		dst = gen_pick_free(g, GEN_SCALAR);
		if (!g->priv || dst < 0)
			return;
		gen_emit(g, BPF_JMP_REG(gen_rnd(g, 2) ? BPF_JEQ : BPF_JNE, addr, other, 1));
		gen_alu_op(g, dst, true, BPF_ADD, -1);
		break;
	}
}

static inline void gen_clobber(struct percpu_gen *g)
{
	int reg;

	gen_set(g, BPF_REG_0, GEN_SCALAR);
	for (reg = BPF_REG_1; reg <= BPF_REG_5; reg++)
		gen_set(g, reg, GEN_NONE);
}

static inline void gen_call(struct percpu_gen *g)
{
	int reg, kept = 0;

	if (g->locked & 0x3f)
		return;
	switch (gen_rnd(g, 4)) {
	case 0:
		/* a call that keeps R1 to R5: nothing is left of spill and fill */
		for (reg = BPF_REG_1 + gen_rnd(g, 5); reg <= BPF_REG_5; reg++)
			if (g->s.regs[reg].type != GEN_NONE)
				break;
		if (reg <= BPF_REG_5) {
			struct gen_reg r = g->s.regs[reg];

			gen_emit(g, BPF_STX_MEM(BPF_DW, BPF_REG_10, reg, GEN_FAST_OFF));
			gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_get_smp_processor_id));
			gen_emit(g, BPF_LDX_MEM(BPF_DW, reg, BPF_REG_10, GEN_FAST_OFF));
			gen_clobber(g);
			g->s.regs[reg] = r;
		} else {
			gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_get_smp_processor_id));
			gen_clobber(g);
		}
		break;
	case 1:
		/* a call that looks at none of them */
		gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_get_numa_node_id));
		gen_clobber(g);
		break;
	case 2:
		if (!g->priv)
			return;
		/* an address as an argument, in either direction */
		gen_addr_to(g, BPF_REG_1);
		if (g->s.regs[BPF_REG_1].off > GEN_WINDOW - 8)
			return;
		if (gen_rnd(g, 2)) {
			gen_emit(g, BPF_MOV64_REG(BPF_REG_3, BPF_REG_1));
			gen_emit(g, BPF_MOV64_REG(BPF_REG_1, BPF_REG_10));
			gen_emit(g, BPF_ALU64_IMM(BPF_ADD, BPF_REG_1, GEN_BUF_OFF));
			kept = 1;
		} else {
			gen_emit(g, BPF_MOV64_REG(BPF_REG_3, BPF_REG_10));
			gen_emit(g, BPF_ALU64_IMM(BPF_ADD, BPF_REG_3, GEN_BUF_OFF));
		}
		gen_emit(g, BPF_MOV64_IMM(BPF_REG_2, 8));
		gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_probe_read_kernel));
		gen_clobber(g);
		if (kept)
			gen_emit(g, BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_10, GEN_BUF_OFF));
		break;
	case 3:
		if (g->subprog)
			return;
		gen_addr_to(g, BPF_REG_1);
		/* the subprogram uses 8 bytes */
		if (g->s.regs[BPF_REG_1].off > GEN_WINDOW - 8)
			gen_addr_to(g, BPF_REG_1), g->addrs[g->addr_cnt - 1].off = 0;
		g->calls[g->call_cnt++] = g->cnt;
		gen_emit(g, BPF_CALL_REL(0));
		gen_clobber(g);
		break;
	}
}

static inline void gen_block(struct percpu_gen *g, int ops);

/* What both states know */
static inline void gen_merge_reg(struct gen_reg *a, const struct gen_reg *b)
{
	if (a->type != b->type || a->off != b->off || a->var != b->var)
		a->type = GEN_NONE;
}

static inline void gen_merge(struct gen_state *a, const struct gen_state *b)
{
	int i;

	for (i = 0; i < 10; i++)
		gen_merge_reg(&a->regs[i], &b->regs[i]);
	for (i = 0; i < GEN_SLOTS; i++)
		gen_merge_reg(&a->slots[i], &b->slots[i]);
}

/* Load an address that is there already, so that ways that join know the same. */
static inline void gen_addr_again(struct percpu_gen *g)
{
	int reg = gen_pick_free(g, GEN_ADDR);

	if (reg >= 0 && !g->s.regs[reg].var)
		gen_addr_off(g, reg, g->s.regs[reg].off);
}

/* An address that is computed on one way and was computed before on the other, and used then */
static inline void gen_join(struct percpu_gen *g)
{
	int reg = gen_pick(g, GEN_NONE), dst, cond;

	gen_addr_to(g, reg);
	cond = gen_pick(g, GEN_SCALAR);
	if (cond < 0 || g->s.regs[reg].off > GEN_WINDOW - 8)
		return;
	gen_emit(g, BPF_JMP_IMM(BPF_JSET, cond, 1 << gen_rnd(g, 31), 2));
	gen_addr_off(g, reg, g->s.regs[reg].off);
	dst = gen_pick(g, GEN_NONE);
	gen_emit(g, BPF_LDX_MEM(BPF_DW, dst, reg, 0));
	gen_set(g, dst, GEN_SCALAR);
	if (dst != reg && gen_rnd(g, 2)) {
		gen_emit(g, BPF_MOV64_IMM(reg, gen_const(g)));
		gen_set(g, reg, GEN_SCALAR);
	}
}

static inline void gen_branch(struct percpu_gen *g)
{
	static const int ops[] = {
		BPF_JEQ, BPF_JNE, BPF_JGT, BPF_JSGT, BPF_JLE, BPF_JSLT, BPF_JSET,
	};
	int cond = gen_scalar(g), jump = g->cnt, op = ops[gen_rnd(g, 7)], end;
	struct gen_state before, other;

	if (gen_rnd(g, 2))
		gen_emit(g, BPF_JMP_IMM(op, cond, gen_const(g), 0));
	else
		gen_emit(g, BPF_JMP32_IMM(op, cond, gen_const(g), 0));
	before = g->s;
	gen_block(g, gen_rnd(g, 4));
	if (gen_rnd(g, 2))
		gen_addr_again(g);
	if (gen_rnd(g, 2)) {
		g->insns[jump].off = g->cnt - jump - 1;
		gen_merge(&g->s, &before);
		return;
	}
	end = g->cnt;
	gen_emit(g, BPF_JMP_A(0));
	g->insns[jump].off = g->cnt - jump - 1;
	other = g->s;
	g->s = before;
	gen_block(g, 1 + gen_rnd(g, 3));
	if (gen_rnd(g, 2))
		gen_addr_again(g);
	gen_merge(&g->s, &other);
	g->insns[end].off = g->cnt - end - 1;
}

/* Registers that the body may change are not known in the next round */
static inline void gen_loop(struct percpu_gen *g)
{
	unsigned int locked = g->locked;
	int counter = gen_pick(g, GEN_NONE), reg, start, i;

	gen_emit(g, BPF_MOV64_IMM(counter, 2 + gen_rnd(g, 3)));
	gen_set(g, counter, GEN_SCALAR);
	g->locked |= 1 << counter;
	for (reg = 0; reg < 10; reg++) {
		if (g->locked & (1 << reg))
			continue;
		if (g->s.regs[reg].type != GEN_NONE && !gen_rnd(g, 3))
			g->locked |= 1 << reg;
		else
			gen_set(g, reg, GEN_NONE);
	}
	for (i = 0; i < GEN_SLOTS; i++)
		g->s.slots[i].type = GEN_NONE;
	if (!(~g->locked & 0x3ff)) {
		g->locked = locked;
		return;
	}
	start = g->cnt;
	gen_block(g, 1 + gen_rnd(g, 3));
	gen_emit(g, BPF_ALU64_IMM(BPF_SUB, counter, 1));
	gen_emit(g, BPF_JMP_IMM(BPF_JNE, counter, 0, start - g->cnt - 1));
	g->locked = locked;
}

static inline void gen_block(struct percpu_gen *g, int ops)
{
	if (g->depth > 2)
		return;
	g->depth++;
	while (ops-- && g->cnt < GEN_MAX_INSNS / 2) {
		switch (gen_rnd(g, 16)) {
		case 0 ... 1:
			gen_load(g);
			break;
		case 2 ... 3:
			gen_store(g);
			break;
		case 4 ... 5:
			gen_atomic(g);
			break;
		case 6 ... 8:
			gen_rmw(g);
			break;
		case 9:
			gen_alu(g);
			break;
		case 10 ... 11:
			gen_addr_alu(g);
			break;
		case 12:
			gen_escape(g);
			break;
		case 13:
			gen_call(g);
			break;
		case 14:
			gen_branch(g);
			break;
		case 15:
			if (g->priv && g->depth == 1 && !gen_rnd(g, 2))
				gen_loop(g);
			else
				gen_join(g);
			break;
		}
	}
	g->depth--;
}

/* Return what became of all scalars */
static inline void gen_end(struct percpu_gen *g)
{
	int reg;

	if (g->s.regs[0].type != GEN_SCALAR)
		gen_emit(g, BPF_MOV64_IMM(BPF_REG_0, 0));
	for (reg = 1; reg < 10; reg++)
		if (g->s.regs[reg].type == GEN_SCALAR && gen_rnd(g, 2))
			gen_emit(g, BPF_ALU64_REG(BPF_XOR, BPF_REG_0, reg));
	gen_emit(g, BPF_EXIT_INSN());
}

/* Generate a program. @map_fd is the map to look up. */
static inline void percpu_gen(struct percpu_gen *g, unsigned long long seed, int map_fd, bool priv)
{
	int subprog, i;

	memset(g, 0, sizeof(*g));
	g->rnd = seed;
	g->priv = priv;

	gen_emit(g, BPF_ST_MEM(BPF_W, BPF_REG_10, GEN_KEY_OFF, 0));
	gen_emit(g, BPF_ST_MEM(BPF_DW, BPF_REG_10, GEN_BUF_OFF, 0));
	gen_ld_imm64(&g->insns[g->cnt], BPF_REG_1, BPF_PSEUDO_MAP_FD, map_fd, 0);
	g->cnt += 2;
	gen_emit(g, BPF_MOV64_REG(BPF_REG_2, BPF_REG_10));
	gen_emit(g, BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, GEN_KEY_OFF));
	gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem));
	gen_emit(g, BPF_JMP_IMM(BPF_JNE, BPF_REG_0, 0, 1));
	gen_emit(g, BPF_EXIT_INSN());
	gen_emit(g, BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_0, GEN_BASE_OFF));
	/* no register is known, the first scalar is one that the verifier doesn't know */
	gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_get_smp_processor_id));
	gen_clobber(g);
	/* the verifier also follows what may run speculatively if not privileged */
	gen_block(g, priv ? 4 + gen_rnd(g, 20) : 3 + gen_rnd(g, 8));
	gen_end(g);

	/* a subprogram gets an address as its argument, and loads those in a frame of its own */
	if (g->call_cnt) {
		subprog = g->cnt;
		for (i = 0; i < g->call_cnt; i++)
			g->insns[g->calls[i]].imm = subprog - g->calls[i] - 1;
		memset(&g->s, 0, sizeof(g->s));
		gen_emit(g, BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_1, 0));
		gen_emit(g, BPF_ALU64_IMM(BPF_ADD, BPF_REG_0, 1));
		gen_emit(g, BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_0, 0));
		gen_set(g, BPF_REG_0, GEN_SCALAR);
		gen_end(g);
	}
}

/* Fill in the addresses of one variant; @base is where in the value the window begins. */
static inline void percpu_gen_variant(const struct percpu_gen *g, enum gen_variant variant,
				      int map_fd, int base, struct bpf_insn *insns)
{
	int i;

	memcpy(insns, g->insns, g->cnt * sizeof(*insns));
	for (i = 0; i < g->addr_cnt; i++) {
		struct bpf_insn *insn = &insns[g->addrs[i].idx];
		int reg = insn->dst_reg, off = base + g->addrs[i].off;

		if (variant == GEN_DIRECT) {
			gen_ld_imm64(insn, reg, BPF_PSEUDO_MAP_VALUE, map_fd, off);
		} else {
			insn[0] = BPF_LDX_MEM(BPF_DW, reg, BPF_REG_10, GEN_BASE_OFF);
			insn[1] = BPF_ALU64_IMM(BPF_ADD, reg, off);
		}
	}
}

#endif
