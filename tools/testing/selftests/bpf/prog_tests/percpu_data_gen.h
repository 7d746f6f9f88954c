/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random programs around per-CPU accesses
 *
 * percpu_gen() makes one that the verifier accepts, in two variants that are
 * the same, instruction by instruction, but for where addresses come from:
 * GEN_DIRECT has direct values of two percpu arrays, GEN_LOOKUP computes them
 * from the addresses that bpf_map_lookup_elem() returned at the beginning. Both
 * take two slots, so that the jumps are the same, too.
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
#include "autoconf_helper.h"
#include "bpf_util.h"

#define GEN_MAX_INSNS	1024
#define GEN_WINDOW	256	/* bytes of a value that programs use */
#define GEN_MAPS	2
#define GEN_SLOTS	4	/* stack slots for spilled addresses */

#define GEN_BASE_OFF(i)	(-8 - 8 * (i))	/* stack: the addresses that were looked up */
#define GEN_KEY_OFF	(-24)
#define GEN_CTX_OFF	(-32)
#define GEN_BUF_OFF	(-40)
#define GEN_SLOT_OFF(i)	(-48 - 8 * (i))
#define GEN_DYNPTR_OFF	(-88)
#define GEN_FAST_OFF	(-96)	/* the lowest: spills around calls that need none */

enum gen_variant { GEN_DIRECT, GEN_LOOKUP };

enum gen_type { GEN_NONE, GEN_SCALAR, GEN_ADDR };

/* What the loader may do: anything, compare and spill no addresses, or call no subprograms */
enum gen_caps { GEN_UNPRIV, GEN_BPF, GEN_PRIV };

/* May the program read and write the maps? */
enum gen_access { GEN_READ_WRITE, GEN_READ, GEN_WRITE };

/*
 * What is to be filled in: an address, two slots; the map itself, two slots;
 * the same place in this CPU's copy, three slots, or in that of another one,
 * GEN_CPU_LEN slots, the last two of which are jumped over if there is no such CPU
 */
enum gen_site { GEN_SITE_ADDR, GEN_SITE_MAP, GEN_SITE_THIS, GEN_SITE_CPU };

#define GEN_CPU_LEN	8

/* Other maps; those from GEN_FD_ARRAY on have no direct values */
enum gen_fd {
	GEN_FD_STR, GEN_FD_ARRAY, GEN_FD_HASH, GEN_FD_RINGBUF, GEN_FD_PERCPU_ARRAY,
	GEN_FD_PERCPU_HASH, GEN_FD_QUEUE, GEN_FD_TASK, GEN_FD_NONE, GEN_FDS,
};

#define GEN_ARGS	5

struct gen_kfunc {
	int id;
	char args[GEN_ARGS + 1];	/* those that it wants, see gen_args() */
	bool took;			/* an address, and was accepted */
};

struct percpu_gen;

/* What makes programs hostile */
struct gen_hostile {
	void (*op)(struct percpu_gen *g);
	enum gen_access access;
	int value_size[GEN_MAPS];
	const int *base;
	int fds[GEN_FDS];
	int nr_cpus;
	struct gen_kfunc *kfuncs;
	int kfunc_cnt;
	bool *helpers_took;
};

struct gen_reg {
	enum gen_type type;
	int map;
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
	/* to be filled in: what the variants differ in, calls of the subprogram */
	struct {
		enum gen_site kind;
		int idx;
		int map;
		int off;
		int cpu;
		bool by_idx;	/* of the map in the array of descriptors */
	} sites[GEN_MAX_INSNS / 2];
	int site_cnt;
	int calls[GEN_MAX_INSNS];
	int call_cnt;

	struct gen_state s;
	unsigned int locked;	/* registers that a loop's body must leave alone */
	unsigned long long rnd;
	int depth;
	int map;		/* most addresses are in this one */
	int progs_fd;		/* an empty array of programs */
	enum gen_caps caps;
	enum bpf_prog_type type;
	bool subprog;
	bool tail_call;

	/* for programs that are hostile */
	const struct gen_hostile *h;
	int bad;		/* so many more things that are to be rejected, most likely */
	bool damaged;		/* the direct variant must be rejected */
	bool wrong;		/* both must */
	bool leaks;		/* addresses may get out, unless the verifier sees to it */
	bool varies;		/* what it does may depend on more than the maps */
	bool hidden;		/* it would if it looked at all results of its calls */
	bool no_run;
	bool *took[16];		/* what to set if it is accepted: who takes an address */
	int took_cnt;
};

/* The descriptors of the maps that a variant uses, and where its window begins in each */
struct gen_maps {
	int fds[GEN_MAPS + 1];	/* the last one is no percpu array */
	int base[GEN_MAPS];
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

/* Some kernels let programs without privileges access only what is aligned. */
static inline bool gen_aligned(const struct percpu_gen *g)
{
#ifndef CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS
	return g->caps == GEN_UNPRIV;
#else
	return false;
#endif
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

static inline void gen_site(struct percpu_gen *g, enum gen_site kind, int reg, int map, int off)
{
	g->sites[g->site_cnt].kind = kind;
	g->sites[g->site_cnt].idx = g->cnt;
	g->sites[g->site_cnt].map = map;
	g->sites[g->site_cnt].by_idx = gen_rnd(g, 2);
	g->sites[g->site_cnt++].off = off;
	gen_emit(g, (struct bpf_insn) { .dst_reg = reg });
	gen_emit(g, (struct bpf_insn) {});
}

static inline void gen_addr_off(struct percpu_gen *g, int reg, int map, int off)
{
	gen_site(g, GEN_SITE_ADDR, reg, map, off);
	g->s.regs[reg] = (struct gen_reg) { .type = GEN_ADDR, .map = map, .off = off };
}

static inline void gen_addr_to(struct percpu_gen *g, int reg)
{
	int off = gen_rnd(g, GEN_WINDOW / 8) * 8;

	/* there are favourites, such as counters, and a few are not aligned */
	if (gen_rnd(g, 2))
		off = gen_rnd(g, 4) * 8;
	else if (!gen_rnd(g, 8) && !gen_aligned(g))
		off += gen_rnd(g, 8);

	gen_addr_off(g, reg, gen_rnd(g, 4) ? g->map : gen_rnd(g, GEN_MAPS), off);
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
	aligned |= gen_aligned(g);
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

static inline bool gen_may(const struct percpu_gen *g, enum gen_access access)
{
	return !g->h || g->h->access == GEN_READ_WRITE || g->h->access == access;
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
		BPF_OR | BPF_FETCH, BPF_XOR | BPF_FETCH, BPF_XCHG, BPF_CMPXCHG,
#ifndef __s390__	/* its JIT has neither */
		BPF_LOAD_ACQ, BPF_STORE_REL,
#endif
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
	int op_reg = gen_rnd(g, 16) ? val : gen_pick_free(g, GEN_SCALAR), store_addr = addr;

	if (src >= 0 && g->s.regs[src].type != GEN_SCALAR)
		return;
	if (val == addr || !gen_off(g, addr, gen_bytes(size), false, &off))
		return;
	store_off = off;
	gen_emit(g, BPF_RAW_INSN(BPF_LDX | (sx ? BPF_MEMSX : BPF_MEM) | size, val, addr, off, 0));
	gen_set(g, val, GEN_SCALAR);
	if (!gen_rnd(g, 8))
		gen_alu_op(g, val, true, BPF_ADD, -1);
	gen_alu_op(g, op_reg < 0 ? val : op_reg, is64, op, src);
	switch (gen_rnd(g, 8)) {
	case 0:
		if (!gen_off(g, addr, gen_bytes(store_size), false, &store_off))
			return;
		break;
	case 1:
		store_size = gen_size(g);
		if (off + g->s.regs[addr].off + g->s.regs[addr].var + gen_bytes(store_size) >
		    GEN_WINDOW || (gen_aligned(g) && off % gen_bytes(store_size)))
			return;
		break;
	case 2:
		store_val = gen_scalar(g);
		if (g->s.regs[addr].type != GEN_ADDR)
			return;
		break;
	case 3:
		store_addr = gen_pick(g, GEN_ADDR);
		if (g->s.regs[store_addr].off + off < 0 || g->s.regs[store_addr].off + off +
		    g->s.regs[store_addr].var + gen_bytes(size) > GEN_WINDOW)
			return;
		break;
	}
	gen_emit(g, BPF_STX_MEM(store_size, store_addr, store_val, store_off));

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
		gen_emit(g, BPF_ALU64_IMM(BPF_AND, idx, 7 << (1 + gen_rnd(g, 3)) & 0x38));
		dst = idx;
		if (gen_rnd(g, 2) && !(g->locked & (1 << addr))) {
			gen_emit(g, BPF_ALU64_REG(BPF_ADD, addr, idx));
			dst = addr;
		} else {
			gen_emit(g, BPF_ALU64_REG(BPF_ADD, idx, addr));
			g->s.regs[idx] = *r;
		}
		g->s.regs[dst].var += 56;
		/* used for an access alone, as in a histogram? */
		if (gen_may(g, GEN_WRITE) && gen_rnd(g, 2)) {
			gen_emit(g, BPF_ST_MEM(gen_size(g), dst, 0, gen_const(g)));
			gen_emit(g, BPF_MOV64_IMM(dst, gen_const(g)));
			gen_set(g, dst, GEN_SCALAR);
		}
	}
}

static inline void gen_spill(struct percpu_gen *g, int reg)
{
	int slot = gen_rnd(g, GEN_SLOTS);

	gen_emit(g, BPF_STX_MEM(BPF_DW, BPF_REG_10, reg, GEN_SLOT_OFF(slot)));
	g->s.slots[slot] = g->s.regs[reg];
}

static inline void gen_fill(struct percpu_gen *g, int reg)
{
	int slot = gen_rnd(g, GEN_SLOTS);

	if (g->s.slots[slot].type != GEN_ADDR)
		return;
	gen_emit(g, BPF_LDX_MEM(BPF_DW, reg, BPF_REG_10, GEN_SLOT_OFF(slot)));
	g->s.regs[reg] = g->s.slots[slot];
}

/* Uses of an address that need it whole */
static inline void gen_escape(struct percpu_gen *g)
{
	int addr = gen_addr(g), other, dst;

	switch (gen_rnd(g, 4)) {
	case 0:
		gen_spill(g, addr);
		break;
	case 1:
		gen_fill(g, gen_pick(g, GEN_NONE));
		break;
	case 2:
		/* how far are they apart? */
		other = gen_pick(g, GEN_ADDR);
		if (g->caps < GEN_PRIV || g->locked & (1 << addr) || other == addr ||
		    g->s.regs[other].map != g->s.regs[addr].map)
			return;
		gen_emit(g, BPF_ALU64_REG(BPF_SUB, addr, other));
		gen_set(g, addr, GEN_SCALAR);
		break;
	case 3:
		/* are they the same? */
		other = gen_pick(g, GEN_ADDR);
		dst = gen_pick_free(g, GEN_SCALAR);
		if (g->caps < GEN_PRIV || dst < 0)
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
	switch (gen_rnd(g, 5)) {
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
		if (g->caps < GEN_PRIV || !gen_may(g, GEN_READ_WRITE))
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
		if (g->subprog || g->tail_call || g->caps < GEN_BPF ||
		    !gen_may(g, GEN_READ_WRITE))
			return;
		/* the subprogram uses 8 bytes */
		gen_addr_off(g, BPF_REG_1, gen_rnd(g, GEN_MAPS), gen_rnd(g, GEN_WINDOW - 7));
		g->calls[g->call_cnt++] = g->cnt;
		gen_emit(g, BPF_CALL_REL(0));
		gen_clobber(g);
		break;
	case 4:
		/* a tail call that fails, in a program without subprograms: not all JITs do both */
		if (g->subprog || g->call_cnt || g->type != BPF_PROG_TYPE_SOCKET_FILTER)
			return;
		g->tail_call = true;
		gen_emit(g, BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_10, GEN_CTX_OFF));
		gen_ld_imm64(&g->insns[g->cnt], BPF_REG_2, BPF_PSEUDO_MAP_FD, g->progs_fd, 0);
		g->cnt += 2;
		gen_emit(g, BPF_MOV64_IMM(BPF_REG_3, gen_rnd(g, 2)));
		gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_tail_call));
		gen_clobber(g);
		gen_set(g, BPF_REG_0, GEN_NONE);
		break;
	}
}

static inline void gen_block(struct percpu_gen *g, int ops);

/* What both states know */
static inline void gen_merge_reg(struct gen_reg *a, const struct gen_reg *b)
{
	if (a->type != b->type || a->map != b->map || a->off != b->off || a->var != b->var)
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
		gen_addr_off(g, reg, g->s.regs[reg].map, g->s.regs[reg].off);
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
	gen_addr_off(g, reg, g->s.regs[reg].map, g->s.regs[reg].off);
	dst = gen_pick(g, GEN_NONE);
	gen_emit(g, BPF_LDX_MEM(BPF_DW, dst, reg, 0));
	gen_set(g, dst, GEN_SCALAR);
	if (dst != reg && gen_rnd(g, 2)) {
		gen_emit(g, BPF_MOV64_IMM(reg, gen_const(g)));
		gen_set(g, reg, GEN_SCALAR);
	}
}

/*
 * Two addresses of one section that are needed whole. In between, something
 * happens to the register that has the first one, or it has it on one way only.
 */
static inline void gen_pair(struct percpu_gen *g)
{
	int map = g->map, reg = gen_pick(g, GEN_NONE), jump = -1, val, op;
	struct gen_state before;

	if (!gen_rnd(g, 3)) {
		val = gen_scalar(g);
		jump = g->cnt;
		gen_emit(g, BPF_JMP_IMM(BPF_JSET, val, 1 << gen_rnd(g, 31), 0));
		before = g->s;
	}
	gen_addr_off(g, reg, map, gen_rnd(g, GEN_WINDOW / 8) * 8);
	gen_spill(g, reg);
	switch (gen_rnd(g, 8)) {
#ifndef __s390__
	case 0:
		op = gen_size(g);
		gen_emit(g, BPF_ATOMIC_OP(op, BPF_LOAD_ACQ, reg, reg, 0));
		gen_set(g, reg, GEN_SCALAR);
		break;
#endif
	case 1:
		op = gen_size(g);
		gen_emit(g, BPF_RAW_INSN(BPF_LDX | BPF_MEM | op, reg, reg, 0, 0));
		gen_set(g, reg, GEN_SCALAR);
		break;
	case 2:
		/* swapped for what was on the stack, in whose place it is then */
		if (g->caps < GEN_PRIV)
			break;
		op = gen_rnd(g, 2) ? BPF_XCHG : BPF_CMPXCHG;
		val = op == BPF_XCHG ? reg : gen_pick(g, GEN_SCALAR);
		if (val < 0 || (op == BPF_CMPXCHG && reg != BPF_REG_0))
			break;
		gen_emit(g, BPF_ST_MEM(BPF_DW, BPF_REG_10, GEN_BUF_OFF, gen_const(g)));
		gen_emit(g, BPF_ATOMIC_OP(BPF_DW, op, BPF_REG_10, val, GEN_BUF_OFF));
		gen_emit(g, BPF_ST_MEM(BPF_DW, BPF_REG_10, GEN_BUF_OFF, 0));
		gen_set(g, reg, GEN_SCALAR);
		break;
	case 3:
		gen_addr_alu(g);
		break;
	case 4:
		gen_fill(g, reg);
		break;
	case 5:
		gen_call(g);
		break;
	}
	if (jump >= 0) {
		g->insns[jump].off = g->cnt - jump - 1;
		gen_merge(&g->s, &before);
	}
	reg = gen_pick(g, GEN_NONE);
	gen_addr_off(g, reg, map, gen_rnd(g, GEN_WINDOW / 8) * 8);
	gen_spill(g, reg);
	gen_emit(g, BPF_ST_MEM(gen_size(g), reg, 0, gen_const(g)));
}

/*
 * An address in its own place, and a comparison that takes it out of there. All
 * of it has to be known for that.
 */
static inline void gen_self(struct percpu_gen *g)
{
	int off = gen_rnd(g, GEN_WINDOW / 8) * 8, val = gen_scalar(g), copy = BPF_REG_1;

	if (g->caps < GEN_PRIV || g->locked & 7 || val <= BPF_REG_2)
		return;
	gen_addr_off(g, BPF_REG_1, g->map, off);
	if (gen_rnd(g, 2)) {
		copy = BPF_REG_2;
		gen_emit(g, BPF_MOV64_REG(copy, BPF_REG_1));
		g->s.regs[copy] = g->s.regs[BPF_REG_1];
	}
	gen_emit(g, BPF_STX_MEM(BPF_DW, BPF_REG_1, copy, 0));
	gen_addr_off(g, BPF_REG_0, g->map, off);
	gen_emit(g, BPF_ATOMIC_OP(BPF_DW, BPF_CMPXCHG, BPF_REG_1, val, 0));
	gen_set(g, BPF_REG_0, GEN_NONE);
	if (gen_rnd(g, 2)) {
		gen_emit(g, BPF_MOV64_IMM(BPF_REG_1, gen_const(g)));
		gen_emit(g, BPF_MOV64_REG(copy, BPF_REG_1));
		gen_set(g, BPF_REG_1, GEN_SCALAR);
		gen_set(g, copy, GEN_SCALAR);
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
	gen_emit(g, gen_rnd(g, 2) ? BPF_JMP_A(0) : BPF_JMP32_A(0));
	g->insns[jump].off = g->cnt - jump - 1;
	other = g->s;
	g->s = before;
	gen_block(g, 1 + gen_rnd(g, 3));
	if (gen_rnd(g, 2))
		gen_addr_again(g);
	gen_merge(&g->s, &other);
	if (g->insns[end].code == (BPF_JMP | BPF_JA))
		g->insns[end].off = g->cnt - end - 1;
	else
		g->insns[end].imm = g->cnt - end - 1;
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
	while (ops-- && g->cnt < GEN_MAX_INSNS * (1 + g->subprog) / 3) {
		if (g->h && !gen_rnd(g, 3)) {
			g->h->op(g);
			continue;
		}
		switch (gen_rnd(g, 19)) {
		case 0 ... 1:
			if (gen_may(g, GEN_READ))
				gen_load(g);
			break;
		case 2 ... 3:
			if (gen_may(g, GEN_WRITE))
				gen_store(g);
			break;
		case 4 ... 5:
			if (gen_may(g, GEN_READ_WRITE))
				gen_atomic(g);
			break;
		case 6 ... 8:
			if (gen_may(g, GEN_READ_WRITE))
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
			if (g->caps == GEN_PRIV && g->depth == 1 && !gen_rnd(g, 2))
				gen_loop(g);
			else if (gen_may(g, GEN_READ))
				gen_join(g);
			break;
		case 16 ... 17:
			if (gen_may(g, GEN_READ_WRITE))
				gen_pair(g);
			break;
		case 18:
			if (gen_may(g, GEN_READ_WRITE))
				gen_self(g);
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

/* Look up what addresses are computed from, into a frame that has nothing yet. */
static inline void gen_begin(struct percpu_gen *g)
{
	int i;

	gen_emit(g, BPF_ST_MEM(BPF_W, BPF_REG_10, GEN_KEY_OFF, 0));
	gen_emit(g, BPF_ST_MEM(BPF_DW, BPF_REG_10, GEN_BUF_OFF, 0));
	for (i = 0; i < GEN_MAPS; i++) {
		gen_site(g, GEN_SITE_MAP, BPF_REG_1, i, 0);
		gen_emit(g, BPF_MOV64_REG(BPF_REG_2, BPF_REG_10));
		gen_emit(g, BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, GEN_KEY_OFF));
		gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem));
		gen_emit(g, BPF_JMP_IMM(BPF_JNE, BPF_REG_0, 0, 1));
		gen_emit(g, BPF_EXIT_INSN());
		gen_emit(g, BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_0, GEN_BASE_OFF(i)));
	}
	/* no register is known, the first scalar is one that the verifier doesn't know */
	gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_get_smp_processor_id));
	memset(&g->s, 0, sizeof(g->s));
	gen_clobber(g);
}

/* Generate a program. @progs_fd is an empty array of programs, @h tells how it is hostile. */
static inline void percpu_gen(struct percpu_gen *g, unsigned long long seed, int progs_fd,
			      enum gen_caps caps, const struct gen_hostile *h)
{
	int subprog, i;

	memset(g, 0, sizeof(*g));
	g->rnd = seed;
	g->caps = caps;
	g->type = BPF_PROG_TYPE_SOCKET_FILTER;
	g->progs_fd = progs_fd;
	g->h = h;
	g->bad = h ? gen_rnd(g, 2) * 2 : 0;
	g->map = gen_rnd(g, GEN_MAPS);

	gen_emit(g, BPF_STX_MEM(BPF_DW, BPF_REG_10, BPF_REG_1, GEN_CTX_OFF));
	gen_begin(g);
	/* the verifier also follows what may run speculatively if not privileged */
	gen_block(g, caps == GEN_PRIV ? 4 + gen_rnd(g, 20) : 3 + gen_rnd(g, 8));
	gen_end(g);

	/* a subprogram gets an address as its argument, and looks up those in a frame of its own */
	if (g->call_cnt) {
		subprog = g->cnt;
		for (i = 0; i < g->call_cnt; i++)
			g->insns[g->calls[i]].imm = subprog - g->calls[i] - 1;
		gen_emit(g, BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_1, 0));
		gen_emit(g, BPF_ALU64_IMM(BPF_ADD, BPF_REG_0, 1));
		gen_emit(g, BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_0, 0));
		g->subprog = true;
		gen_begin(g);
		gen_block(g, 1 + gen_rnd(g, 5));
		gen_end(g);
	}
}

/* Fill in how to get from an address in any copy to the same place in this CPU's or another's. */
static inline void gen_fill_cpu(enum gen_variant variant, enum gen_site kind, int reg, int cpu,
				int map, int fd, int off, struct bpf_insn *insn)
{
	bool this_cpu = kind == GEN_SITE_THIS;
	int func = variant == GEN_LOOKUP ? BPF_FUNC_map_lookup_percpu_elem :
		   this_cpu ? BPF_FUNC_this_cpu_ptr : BPF_FUNC_per_cpu_ptr;

	if (this_cpu && variant == GEN_LOOKUP) {
		insn[0] = BPF_LDX_MEM(BPF_DW, BPF_REG_0, BPF_REG_10, GEN_BASE_OFF(map));
		insn[1] = BPF_ALU64_IMM(BPF_ADD, BPF_REG_0, off);
		insn[2] = BPF_MOV64_IMM(BPF_REG_1, 0);
		return;
	}
	if (variant == GEN_LOOKUP) {
		gen_ld_imm64(insn, BPF_REG_1, BPF_PSEUDO_MAP_FD, fd, 0);
		insn[2] = BPF_MOV64_REG(BPF_REG_2, BPF_REG_10);
		insn[3] = BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, GEN_KEY_OFF);
		insn[4] = BPF_MOV64_IMM(BPF_REG_3, cpu);
		insn += 5;
	} else {
		*insn++ = BPF_MOV64_REG(BPF_REG_1, reg);
		if (!this_cpu) {
			*insn++ = BPF_MOV64_IMM(BPF_REG_2, cpu);
			*insn++ = BPF_MOV64_IMM(BPF_REG_3, 0);
			*insn++ = BPF_MOV64_IMM(BPF_REG_4, 0);
			*insn++ = BPF_MOV64_IMM(BPF_REG_5, 0);
		}
		off = 0;
	}
	*insn++ = BPF_EMIT_CALL(func);
	if (!this_cpu)
		*insn++ = BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2);
	*insn = BPF_ALU64_IMM(BPF_ADD, BPF_REG_0, off);
}

/* Fill in what is special about one variant. */
static inline void percpu_gen_variant(const struct percpu_gen *g, enum gen_variant variant,
				      const struct gen_maps *maps, struct bpf_insn *insns)
{
	int i;

	memcpy(insns, g->insns, g->cnt * sizeof(*insns));
	for (i = 0; i < g->site_cnt; i++) {
		int map = g->sites[i].map, off = maps->base[map] + g->sites[i].off;
		struct bpf_insn *insn = &insns[g->sites[i].idx];
		int reg = insn->dst_reg;

		if (g->sites[i].kind == GEN_SITE_MAP) {
			gen_ld_imm64(insn, reg, BPF_PSEUDO_MAP_FD, maps->fds[map], 0);
		} else if (g->sites[i].kind != GEN_SITE_ADDR) {
			gen_fill_cpu(variant, g->sites[i].kind, reg, g->sites[i].cpu, map,
				     maps->fds[map], off, insn);
		} else if (variant == GEN_LOOKUP) {
			insn[0] = BPF_LDX_MEM(BPF_DW, reg, BPF_REG_10, GEN_BASE_OFF(map));
			insn[1] = BPF_ALU64_IMM(BPF_ADD, reg, off);
		} else if (g->sites[i].by_idx) {
			gen_ld_imm64(insn, reg, BPF_PSEUDO_MAP_IDX_VALUE, map, off);
		} else {
			gen_ld_imm64(insn, reg, BPF_PSEUDO_MAP_VALUE, maps->fds[map], off);
		}
	}
}

#endif
