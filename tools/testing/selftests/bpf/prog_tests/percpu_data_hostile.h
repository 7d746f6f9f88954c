/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hostile programs around per-CPU accesses
 *
 * They are made by percpu_gen(), which calls gen_hostile() for what ordinary
 * programs don't have: other CPUs' copies, arguments of helpers and kfuncs,
 * accesses at the bounds and past them, addresses treated as they must not be.
 * Most of them are to be rejected. What is accepted must do the same as on
 * looked-up addresses, unless it lets addresses leak, which differ.
 */
#ifndef __PERCPU_DATA_HOSTILE_H
#define __PERCPU_DATA_HOSTILE_H

#include "percpu_data_gen.h"

/* Any offset in a value, most of them close to where an access of @size bytes is at a bound. */
static inline int gen_edge(struct percpu_gen *g, int map, int size)
{
	int end = g->h->value_size[map];

	switch (gen_rnd(g, 16)) {
	case 0 ... 6:
		return end - size - 3 + (int)gen_rnd(g, 5);
	case 7 ... 8:
		return end - 1 + (int)gen_rnd(g, 3);
	case 9 ... 11:
		return 1 - (int)gen_rnd(g, 2 + size);
	case 12:
		return 0x7fffffff - (int)gen_rnd(g, 2);
	case 13:
		return (1 << 29) - 1 + (int)gen_rnd(g, 3);
	case 14:
		return -0x8000 + (int)gen_rnd(g, 0x10000);
	default:
		return (int)gen_rnd(g, end);
	}
}

/* Load the address of an offset in the value, which may be outside. */
static inline void gen_edge_to(struct percpu_gen *g, int reg, int map, int size)
{
	int off = gen_edge(g, map, size);

	/* a direct value is inside; one that was looked up may leave it if it is not used there */
	if (off < 0 || off >= g->h->value_size[map])
		g->damaged = true;
	gen_addr_off(g, reg, map, off - g->h->base[map]);
}

static inline void gen_none(struct percpu_gen *g, int reg)
{
	gen_set(g, reg, GEN_NONE);
}

/* An access that the verifier may well reject */
static inline void gen_any_access(struct percpu_gen *g, int reg, int size, int off)
{
	static const int ops[] = {
		BPF_ADD, BPF_AND | BPF_FETCH, BPF_XCHG,
#ifndef __s390__	/* its JIT has neither */
		BPF_LOAD_ACQ, BPF_STORE_REL,
#endif
		BPF_CMPXCHG,
	};
	int val, nr = ARRAY_SIZE(ops) - (g->s.regs[0].type != GEN_SCALAR || reg == BPF_REG_0);

	switch (gen_rnd(g, 5)) {
	case 0:
		gen_emit(g, BPF_ST_MEM(size, reg, off, gen_const(g)));
		break;
	case 1:
		val = gen_scalar(g);
		if (val != reg)
			gen_emit(g, BPF_STX_MEM(size, reg, val, off));
		break;
	case 2:
		val = gen_scalar(g);
		if (val != reg && !(g->locked & (1 << val)))
			gen_emit(g, BPF_ATOMIC_OP(size, ops[gen_rnd(g, nr)], reg, val, off));
		gen_none(g, val);
		break;
	default:
		val = gen_pick(g, GEN_NONE);
		gen_emit(g, BPF_LDX_MEM(size, val, reg, off));
		gen_set(g, val, GEN_SCALAR);
	}
}

/* What is here must be rejected if it's certain that the program gets here. */
static inline void gen_wrong(struct percpu_gen *g)
{
	if (g->depth == 1 && !g->subprog && !g->leaks)
		g->wrong = true;
}

/* An access at a bound: by its own offset, or by that of the address */
static inline void gen_bound(struct percpu_gen *g)
{
	int map = gen_rnd(g, GEN_MAPS), reg = gen_pick(g, GEN_NONE), size = gen_size(g), off = 0;

	if (gen_rnd(g, 2)) {
		gen_edge_to(g, reg, map, gen_bytes(size));
	} else {
		gen_addr_off(g, reg, map, gen_rnd(g, GEN_WINDOW));
		off = (short)(gen_edge(g, map, gen_bytes(size)) - g->h->base[map] -
			      g->s.regs[reg].off);
	}
	gen_any_access(g, reg, size, off);
	/* the rest of the program stays inside of its window */
	gen_none(g, reg);
}

/* An offset that is not known, but checked, or masked: enough or too little */
static inline void gen_range(struct percpu_gen *g)
{
	int map = gen_rnd(g, GEN_MAPS), idx = gen_scalar(g), size = gen_size(g), reg, max, jump;
	static const int ops[] = { BPF_JGT, BPF_JGE, BPF_JSGT, BPF_JSGE };
	struct gen_state before = g->s;

	if (g->locked & (1 << idx))
		return;
	reg = gen_pick(g, GEN_NONE);
	if (reg == idx)
		return;
	gen_addr_off(g, reg, map, gen_rnd(g, GEN_WINDOW / 8) * 8);
	max = g->h->value_size[map] - g->h->base[map] - g->s.regs[reg].off - gen_bytes(size) - 1 +
	      (int)gen_rnd(g, 4);
	if (!gen_rnd(g, 3)) {
		gen_emit(g, BPF_ALU64_IMM(BPF_AND, idx, max));
		jump = -1;
	} else {
		if (!gen_rnd(g, 4))
			gen_emit(g, BPF_ALU32_IMM(BPF_AND, idx, max));
		jump = g->cnt;
		gen_emit(g, BPF_JMP_IMM(ops[gen_rnd(g, gen_rnd(g, 4) ? 2 : 4)], idx, max, 0));
	}
	if (gen_rnd(g, 2)) {
		gen_emit(g, BPF_ALU64_REG(BPF_ADD, reg, idx));
	} else {
		gen_emit(g, BPF_ALU64_REG(BPF_ADD, idx, reg));
		gen_emit(g, BPF_MOV64_REG(reg, idx));
	}
	gen_none(g, idx);
	gen_any_access(g, reg, size, gen_rnd(g, 4) ? 0 : (int)gen_rnd(g, 3) - 1);
	if (jump >= 0)
		g->insns[jump].off = g->cnt - jump - 1;
	gen_merge(&g->s, &before);
	gen_none(g, idx);
	gen_none(g, reg);
}

/* The same place in this CPU's copy, in R0 */
static inline void gen_this_cpu(struct percpu_gen *g, int src, int map, int off)
{
	gen_site(g, GEN_SITE_THIS, src, map, off);
	gen_emit(g, (struct bpf_insn) {});
	gen_clobber(g);
	g->s.regs[0] = (struct gen_reg) { .type = GEN_ADDR, .map = map, .off = off };
}

/* The copy of another CPU, or NULL: in the end an address in R0 that may be in any copy */
static inline void gen_other_cpu(struct percpu_gen *g)
{
	int src = gen_rnd(g, 2) ? gen_pick(g, GEN_ADDR) : -1, map, off, idx;

	if (g->locked & 0x3f || g->caps < GEN_BPF)
		return;
	if (src >= 0 && g->s.regs[src].var)
		return;
	if (src < 0) {
		src = BPF_REG_1;
		gen_addr_to(g, src);
	}
	map = g->s.regs[src].map;
	off = g->s.regs[src].off;
	if (!gen_rnd(g, 4)) {
		gen_this_cpu(g, src, map, off);
		return;
	}
	idx = g->site_cnt;
	gen_site(g, GEN_SITE_CPU, src, map, off);
	g->sites[idx].cpu = (int)gen_rnd(g, g->h->nr_cpus + 3) - 1;
	g->cnt += GEN_CPU_LEN - 2;
	gen_emit(g, BPF_JMP_A(2));
	/* on the other way, where there is no such CPU */
	gen_addr_off(g, BPF_REG_0, map, off);
	gen_clobber(g);
	g->s.regs[0] = (struct gen_reg) { .type = GEN_ADDR, .map = map, .off = off };
	if (!gen_rnd(g, 3))
		gen_this_cpu(g, BPF_REG_0, map, off);
}

/* What a helper or kfunc could want for a pointer, most likely an address */
static inline void gen_any_ptr(struct percpu_gen *g, int reg)
{
	int map = gen_rnd(g, GEN_MAPS), fd;

	switch (gen_rnd(g, 8)) {
	case 0 ... 2:
		gen_addr_off(g, reg, map, gen_rnd(g, GEN_WINDOW / 8) * 8);
		break;
	case 3:
		gen_edge_to(g, reg, map, 8);
		break;
	case 4:
		gen_emit(g, BPF_LDX_MEM(BPF_DW, reg, BPF_REG_10, GEN_CTX_OFF));
		break;
	case 5:
		gen_emit(g, BPF_MOV64_REG(reg, BPF_REG_10));
		gen_emit(g, BPF_ALU64_IMM(BPF_ADD, reg, gen_rnd(g, 2) ? GEN_BUF_OFF : GEN_KEY_OFF));
		break;
	case 6:
		gen_site(g, GEN_SITE_MAP, reg, map, 0);
		break;
	case 7:
		fd = gen_rnd(g, GEN_FD_NONE);
		gen_ld_imm64(&g->insns[g->cnt], reg, fd == GEN_FD_STR ? BPF_PSEUDO_MAP_VALUE :
			     BPF_PSEUDO_MAP_FD, g->h->fds[fd], 0);
		g->cnt += 2;
		break;
	}
	gen_none(g, reg);
}

/* The same for a size, a number, flags */
static inline void gen_any_scalar(struct percpu_gen *g, int reg)
{
	switch (gen_rnd(g, 4)) {
	case 0:
		gen_emit(g, BPF_MOV64_IMM(reg, gen_edge(g, gen_rnd(g, GEN_MAPS), 1)));
		break;
	case 1:
		gen_emit(g, BPF_LDX_MEM(BPF_DW, reg, BPF_REG_10, GEN_BUF_OFF));
		break;
	default:
		gen_emit(g, BPF_MOV64_IMM(reg, gen_rnd(g, 5) * 4));
	}
	gen_none(g, reg);
}

/* Any helper or kfunc with anything as its arguments */
static inline void gen_any_call(struct percpu_gen *g)
{
	int kfunc = g->h->kfunc_cnt && gen_rnd(g, 2) ? gen_rnd(g, g->h->kfunc_cnt) : -1, reg;
	unsigned int ptrs = kfunc >= 0 && gen_rnd(g, 8) ? g->h->kfuncs[kfunc].ptrs :
			    gen_rnd(g, 32);
	/* each may call others */
	static const enum bpf_prog_type types[] = {
		BPF_PROG_TYPE_SOCKET_FILTER, BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_RAW_TRACEPOINT,
		BPF_PROG_TYPE_SYSCALL,
	};

	if (g->locked & 0x3f)
		return;
	if (g->caps == GEN_PRIV)
		g->type = types[gen_rnd(g, ARRAY_SIZE(types))];
	/* with a context of its own */
	if (g->type == BPF_PROG_TYPE_RAW_TRACEPOINT || g->type == BPF_PROG_TYPE_SYSCALL)
		g->no_run = true;
	for (reg = BPF_REG_1; reg <= BPF_REG_5; reg++) {
		if (ptrs & 1 << (reg - BPF_REG_1))
			gen_any_ptr(g, reg);
		else
			gen_any_scalar(g, reg);
	}
	if (kfunc >= 0) {
		/* some of them reboot */
		g->no_run = true;
		gen_emit(g, BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0,
					 g->h->kfuncs[kfunc].id));
	} else {
		gen_emit(g, BPF_EMIT_CALL(1 + gen_rnd(g, __BPF_FUNC_MAX_ID)));
	}
	g->leaks = true;
	gen_clobber(g);
	gen_none(g, BPF_REG_0);
}

/*
 * Helpers with the arguments that they want, which depend on nothing but these:
 * 'a' an address of the size that the next 's' is, 'A' that of 8 aligned bytes,
 * 'b' the buffer on the stack, 'c' the context, 'f' a constant string, '0' a
 * zero, '8' and '4' sizes, 'i' the array, 'h' the hash map, 'r' the ring buffer.
 * A '!' stands for a result that is not to be compared, '-' for what no
 * verifier should accept.
 */
static inline void gen_helper(struct percpu_gen *g)
{
	static const struct {
		int func;
		const char *args;
	} helpers[] = {
		{ BPF_FUNC_strtol, "as0A" },
		{ BPF_FUNC_strtoul, "as0A" },
		{ BPF_FUNC_strtol, "b80A" },
		{ BPF_FUNC_strncmp, "asf" },
		{ BPF_FUNC_strncmp, "b8a-" },
		{ BPF_FUNC_snprintf, "asfA8" },
		{ BPF_FUNC_snprintf, "asaA8-" },
		{ BPF_FUNC_snprintf, "b8fA8" },
		{ BPF_FUNC_skb_load_bytes, "c0as" },
		{ BPF_FUNC_skb_load_bytes, "a0b8-" },
		{ BPF_FUNC_get_current_comm, "as" },
		{ BPF_FUNC_map_lookup_elem, "ha!" },
		{ BPF_FUNC_map_lookup_elem, "ia!" },
		{ BPF_FUNC_map_update_elem, "iaA0" },
		{ BPF_FUNC_map_update_elem, "haA0!" },
		{ BPF_FUNC_map_delete_elem, "ha!" },
		{ BPF_FUNC_ringbuf_output, "ras0!" },
		{ BPF_FUNC_probe_read_kernel, "asA" },
		{ BPF_FUNC_probe_read_kernel_str, "asA" },
		{ BPF_FUNC_spin_lock, "a-" },
		{ BPF_FUNC_timer_init, "ai0-" },
		{ BPF_FUNC_kptr_xchg, "a0-" },
		{ BPF_FUNC_per_cpu_ptr, "b0-" },
		{ BPF_FUNC_this_cpu_ptr, "c-" },
		{ BPF_FUNC_tail_call, "c00-" },
	};
	int i = gen_rnd(g, ARRAY_SIZE(helpers)), reg = BPF_REG_1, map, size, off, fd;
	const char *arg;

	if (g->locked & 0x3f || (g->subprog && strchr(helpers[i].args, 'c')))
		return;
	if (strchr(helpers[i].args, '-') && g->bad-- <= 0)
		return;
	size = gen_rnd(g, 9) * 4;
	for (arg = helpers[i].args; *arg >= '0'; arg++, reg++) {
		switch (*arg) {
		case 'a':
		case 'A':
			map = gen_rnd(g, GEN_MAPS);
			off = gen_rnd(g, (GEN_WINDOW - 32) / 8) * 8;
			if (gen_rnd(g, 16)) {
				gen_addr_off(g, reg, map, off);
				break;
			}
			gen_edge_to(g, reg, map, *arg == 'A' ? 8 : size);
			/* some read more from there than the verifier checks */
			g->leaks = true;
			break;
		case 's':
			gen_emit(g, BPF_MOV64_IMM(reg, gen_rnd(g, 16) ? size : gen_const(g)));
			break;
		case 'b':
			gen_emit(g, BPF_MOV64_REG(reg, BPF_REG_10));
			gen_emit(g, BPF_ALU64_IMM(BPF_ADD, reg, GEN_BUF_OFF));
			break;
		case 'c':
			gen_emit(g, BPF_LDX_MEM(BPF_DW, reg, BPF_REG_10, GEN_CTX_OFF));
			break;
		case 'f':
			gen_ld_imm64(&g->insns[g->cnt], reg, BPF_PSEUDO_MAP_VALUE,
				     g->h->fds[GEN_FD_STR], 0);
			g->cnt += 2;
			break;
		case 'h':
		case 'i':
		case 'r':
			fd = g->h->fds[*arg == 'h' ? GEN_FD_HASH :
				       *arg == 'i' ? GEN_FD_ARRAY : GEN_FD_RINGBUF];
			gen_ld_imm64(&g->insns[g->cnt], reg, BPF_PSEUDO_MAP_FD, fd, 0);
			g->cnt += 2;
			break;
		default:
			gen_emit(g, BPF_MOV64_IMM(reg, *arg - '0'));
		}
	}
	gen_emit(g, BPF_EMIT_CALL(helpers[i].func));
	gen_clobber(g);
	if (*arg == '-')
		gen_wrong(g);
	if (*arg)
		gen_none(g, BPF_REG_0);
}

/* An address is not a number, and what looks like one is not an address. */
static inline void gen_abuse(struct percpu_gen *g)
{
	static const int ops[] = {
		BPF_MUL, BPF_OR, BPF_AND, BPF_XOR, BPF_LSH, BPF_RSH, BPF_DIV, BPF_SUB, BPF_ADD,
	};
	int reg = gen_addr(g), val = gen_pick(g, GEN_NONE), op = ops[gen_rnd(g, ARRAY_SIZE(ops))];

	if (g->locked & (1 << reg))
		return;
	switch (gen_rnd(g, 14)) {
	case 0:
		gen_alu_op(g, reg, gen_rnd(g, 2), op, -1);
		break;
	case 1:
		gen_alu_op(g, reg, gen_rnd(g, 2), op, gen_pick(g, GEN_ADDR));
		break;
	case 2:
		/* half of it to the stack, or all of it there and half of it back */
		if (gen_rnd(g, 2)) {
			gen_emit(g, BPF_STX_MEM(gen_size(g), BPF_REG_10, reg, GEN_SLOT_OFF(0)));
			gen_emit(g, BPF_LDX_MEM(BPF_DW, val, BPF_REG_10, GEN_SLOT_OFF(0)));
		} else {
			gen_emit(g, BPF_STX_MEM(BPF_DW, BPF_REG_10, reg, GEN_SLOT_OFF(0)));
			gen_emit(g, BPF_LDX_MEM(gen_size(g), val, BPF_REG_10, GEN_SLOT_OFF(0)));
		}
		g->s.slots[0].type = GEN_NONE;
		gen_none(g, val);
		break;
	case 3:
		/* out into a value, for others to read */
		val = gen_addr(g);
		gen_emit(g, BPF_STX_MEM(BPF_DW, val, reg, 0));
		g->leaks = true;
		break;
	case 4:
		val = gen_scalar(g);
		gen_emit(g, BPF_JMP_IMM(BPF_JSET, val, 4, 2));
		gen_emit(g, BPF_MOV64_REG(BPF_REG_0, reg));
		gen_emit(g, BPF_EXIT_INSN());
		g->leaks = true;
		break;
	case 5:
		gen_emit(g, BPF_MOV32_REG(val, reg));
		gen_any_access(g, val, gen_size(g), 0);
		gen_none(g, val);
		break;
	case 6:
		/* what the kernel makes of a direct value is not for users */
		gen_emit(g, BPF_RAW_INSN(BPF_ALU64 | BPF_MOV | BPF_X, reg, reg, -1, 0));
		break;
	case 7:
		/* instructions and modes that only the verifier makes */
		op = gen_size(g) | BPF_LDX | (1 + gen_rnd(g, 7)) << 5;
		gen_emit(g, BPF_RAW_INSN(op, val, reg, 0, gen_const(g)));
		g->leaks = true;
		gen_none(g, val);
		break;
	case 8:
		op = gen_size(g) | (gen_rnd(g, 2) ? BPF_ST : BPF_STX) | gen_rnd(g, 8) << 5;
		gen_emit(g, BPF_RAW_INSN(op, reg, gen_scalar(g), gen_rnd(g, 8), gen_rnd(g, 0x110)));
		g->leaks = true;
		break;
	case 9:
		gen_emit(g, BPF_RAW_INSN(BPF_ALU64 | BPF_MOV | BPF_X, val, reg,
					 8 << gen_rnd(g, 3), 0));
		gen_none(g, val);
		break;
	case 10:
		gen_emit(g, BPF_RAW_INSN(BPF_ALU64 | BPF_MOV | BPF_X, val, reg, 1, 1));
		gen_none(g, val);
		break;
	case 11:
		/* which of two is larger? */
		val = gen_pick_free(g, GEN_SCALAR);
		if (val < 0)
			return;
		gen_emit(g, BPF_JMP_REG(gen_rnd(g, 2) ? BPF_JGT : BPF_JSLT, reg,
					gen_pick(g, GEN_ADDR), 1));
		gen_emit(g, BPF_MOV64_IMM(val, 0));
		gen_none(g, val);
		break;
	case 12:
		gen_emit(g, BPF_ENDIAN(BPF_TO_BE, reg, 16 << gen_rnd(g, 3)));
		break;
	case 13:
		/* NULL as well as an address */
		if (g->locked & 0x3f)
			return;
		gen_emit(g, BPF_MOV64_REG(BPF_REG_1, reg));
		gen_emit(g, BPF_MOV64_IMM(BPF_REG_2, gen_const(g)));
		gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_per_cpu_ptr));
		gen_clobber(g);
		gen_any_access(g, BPF_REG_0, gen_size(g), 0);
		gen_none(g, BPF_REG_0);
		break;
	}
	gen_none(g, reg);
}

/* One call that is reached with addresses of two sections, or with one that is past its end */
static inline void gen_two_maps(struct percpu_gen *g)
{
	int val = gen_scalar(g), off = gen_edge(g, 0, 1);

	if (g->locked & 0x3f)
		return;
	if (gen_rnd(g, 2)) {
		gen_addr_off(g, BPF_REG_1, 0, 0);
		gen_emit(g, BPF_JMP_IMM(BPF_JSET, val, 4, 2));
		gen_addr_off(g, BPF_REG_1, gen_rnd(g, GEN_MAPS), gen_rnd(g, 2) * 8);
	} else {
		gen_addr_off(g, BPF_REG_1, 0, 0);
		gen_emit(g, BPF_ALU64_IMM(BPF_ADD, BPF_REG_1, off - g->h->base[0]));
		if (off < 0 || off >= g->h->value_size[0])
			gen_wrong(g);
	}
	gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_this_cpu_ptr));
	gen_clobber(g);
	gen_none(g, BPF_REG_0);
}

static inline void gen_hostile(struct percpu_gen *g)
{
	int reg;

	/* a program that has more than one or two bad ideas is rejected for the first one */
	if (gen_rnd(g, 4) == 0 && g->bad > 0) {
		g->bad--;
		switch (gen_rnd(g, 8)) {
		case 0 ... 1:
			gen_any_call(g);
			break;
		case 2 ... 4:
			gen_abuse(g);
			break;
		case 5:
			gen_two_maps(g);
			break;
		case 6:
			/* an address must be inside even if it is not used */
			reg = gen_pick(g, GEN_NONE);
			gen_edge_to(g, reg, gen_rnd(g, GEN_MAPS), 1);
			gen_none(g, reg);
			break;
		default:
			gen_bound(g);
		}
		return;
	}
	switch (gen_rnd(g, 4)) {
	case 0:
		gen_range(g);
		break;
	case 1:
		gen_helper(g);
		break;
	default:
		gen_other_cpu(g);
	}
}

/* Change anything in any instruction but those that variants and the kernel's results depend on. */
static inline void gen_mutate(struct percpu_gen *g)
{
	int i, idx = gen_rnd(g, g->cnt);
	struct bpf_insn *insn = &g->insns[idx];

	for (i = 0; i < g->site_cnt; i++)
		if (idx >= g->sites[i].idx && idx < g->sites[i].idx + GEN_CPU_LEN)
			return;
	if (!insn->code || insn->code == (BPF_JMP | BPF_CALL) ||
	    insn->code == (BPF_LD | BPF_IMM | BPF_DW))
		return;
	g->wrong = false;
	switch (gen_rnd(g, 6)) {
	case 0:
		insn->code ^= 1 << gen_rnd(g, 8);
		break;
	case 1:
		insn->dst_reg = gen_rnd(g, 16);
		break;
	case 2:
		insn->src_reg = gen_rnd(g, 16);
		break;
	case 3:
		insn->off += (int)gen_rnd(g, 17) - 8;
		break;
	case 4:
		insn->off = gen_const(g);
		break;
	case 5:
		insn->imm = gen_const(g);
		break;
	}
	/* addresses may get out, unless the verifier sees to it that they don't */
	if (g->caps == GEN_PRIV)
		g->leaks = true;
}

/* Damage the two-slot instruction of an address. The verifier has to notice, whatever follows. */
static inline void percpu_gen_damage(struct percpu_gen *g, struct bpf_insn *insns)
{
	int site, i, idx;

	site = gen_rnd(g, g->site_cnt);
	if (g->sites[site].kind != GEN_SITE_ADDR)
		return;
	idx = g->sites[site].idx;
	g->damaged = true;
	switch (gen_rnd(g, 12)) {
	case 0:
		insns[idx].off = gen_const(g) | 1;
		break;
	case 1:
		insns[idx + 1].code = 1 + gen_rnd(g, 255);
		break;
	case 2:
		insns[idx + 1].dst_reg = 1 + gen_rnd(g, 15);
		break;
	case 3:
		insns[idx + 1].src_reg = 1 + gen_rnd(g, 15);
		break;
	case 4:
		insns[idx + 1].off = gen_const(g) | 1;
		break;
	case 5:
		insns[idx].src_reg = 7 + gen_rnd(g, 9);
		break;
	case 6:
		insns[idx].dst_reg = 11 + gen_rnd(g, 5);
		break;
	case 7:
		/* an end, or a beginning, where the other half is */
		if (gen_rnd(g, 2))
			g->cnt = idx + 1;
		else
			insns[idx] = BPF_MOV64_IMM(BPF_REG_0, 0);
		break;
	case 8 ... 9:
		/* a jump in between, from anywhere */
		for (i = gen_rnd(g, g->cnt); !insns[i].code; i--)
			;
		insns[i] = BPF_JMP_A(idx - i);
		if (i == idx)
			insns[i].off = -1;
		break;
	case 10:
		/* what is no map, or a map that has no direct values */
		insns[idx].src_reg = BPF_PSEUDO_MAP_VALUE;
		insns[idx].imm = g->h->fds[GEN_FD_ARRAY + gen_rnd(g, GEN_FDS - GEN_FD_ARRAY)];
		break;
	case 11:
		insns[idx].src_reg = BPF_PSEUDO_MAP_IDX_VALUE;
		insns[idx].imm = GEN_MAPS;
		break;
	}
}

#endif
