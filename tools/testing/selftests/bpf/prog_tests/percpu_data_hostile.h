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

/* Is it certain that the program gets here? */
static inline bool gen_certain(const struct percpu_gen *g)
{
	return g->depth == 1 && !g->subprog && !g->leaks && !g->varies;
}

/* What is here must be rejected if it's certain that the program gets here. */
static inline void gen_wrong(struct percpu_gen *g)
{
	if (gen_certain(g))
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

/* A size, a number, flags */
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
}

static inline void gen_stack_addr(struct percpu_gen *g, int reg, int off)
{
	gen_emit(g, BPF_MOV64_REG(reg, BPF_REG_10));
	gen_emit(g, BPF_ALU64_IMM(BPF_ADD, reg, off));
}

/* The maps in the order of their descriptors */
#define GEN_MAP_ARGS "fihrxyqT"

/*
 * Arguments of a helper or kfunc, a letter for each: 'a' an address of the size
 * that the next 's' is, 'A' that of 8 aligned bytes, 'b' and 'k' the buffer and
 * the key on the stack, 'c' the context, 'd' a dynptr of an address, 'D' where
 * one may be stored, 'f' a constant string, 'i' the array, 'h' the hash map, 'r'
 * the ring buffer, 'x' and 'y' percpu maps, 'q' the queue, 'T' the tasks' storage,
 * 'm' a map of the program itself, 't' a task, 'n' a number, and digits for themselves.
 */
static inline void gen_args(struct percpu_gen *g, const char *args)
{
	int size = gen_rnd(g, 9) * 4, reg, map, off;
	const char *fd;

	if (strchr(args, 'd')) {
		gen_addr_off(g, BPF_REG_1, gen_rnd(g, GEN_MAPS), gen_rnd(g, GEN_WINDOW / 16) * 8);
		gen_emit(g, BPF_MOV64_IMM(BPF_REG_2, 16));
		gen_emit(g, BPF_MOV64_IMM(BPF_REG_3, 0));
		gen_stack_addr(g, BPF_REG_4, GEN_DYNPTR_OFF);
		gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_dynptr_from_mem));
	}
	if (strchr(args, 't'))
		gen_emit(g, BPF_EMIT_CALL(BPF_FUNC_get_current_task_btf));
	for (reg = BPF_REG_1; *args >= '0'; args++, reg++) {
		map = gen_rnd(g, GEN_MAPS);
		fd = strchr(GEN_MAP_ARGS, *args);
		if (fd) {
			gen_ld_imm64(&g->insns[g->cnt], reg, *fd == 'f' ? BPF_PSEUDO_MAP_VALUE :
				     BPF_PSEUDO_MAP_FD, g->h->fds[fd - GEN_MAP_ARGS], 0);
			g->cnt += 2;
			continue;
		}
		switch (*args) {
		case 'a':
		case 'A':
			off = gen_rnd(g, (GEN_WINDOW - 32) / 8) * 8;
			if (gen_rnd(g, 16)) {
				gen_addr_off(g, reg, map, off);
				break;
			}
			gen_edge_to(g, reg, map, *args == 'A' ? 8 : size);
			/* some read more from there than the verifier checks */
			g->varies = true;
			break;
		case 's':
			gen_emit(g, BPF_MOV64_IMM(reg, gen_rnd(g, 16) ? size : gen_const(g)));
			break;
		case 'b':
			gen_stack_addr(g, reg, GEN_BUF_OFF);
			break;
		case 'k':
			gen_stack_addr(g, reg, GEN_KEY_OFF);
			break;
		case 'd':
		case 'D':
			gen_stack_addr(g, reg, GEN_DYNPTR_OFF);
			break;
		case 'c':
			gen_emit(g, BPF_LDX_MEM(BPF_DW, reg, BPF_REG_10, GEN_CTX_OFF));
			break;
		case 'm':
			gen_site(g, GEN_SITE_MAP, reg, map, 0);
			break;
		case 't':
			gen_emit(g, BPF_MOV64_REG(reg, BPF_REG_0));
			break;
		case 'n':
			gen_any_scalar(g, reg);
			break;
		default:
			gen_emit(g, BPF_MOV64_IMM(reg, *args - '0'));
		}
	}
}

/* A call with arguments; remember if one is an address, and it's certain that the call is made. */
static inline void gen_args_call(struct percpu_gen *g, const char *args, struct bpf_insn call,
				 bool *took)
{
	bool certain = gen_certain(g);

	gen_args(g, args);
	gen_emit(g, call);
	gen_clobber(g);
	if (certain && strpbrk(args, "aAd") && g->took_cnt < ARRAY_SIZE(g->took))
		g->took[g->took_cnt++] = took;
}

/*
 * Any kfunc with the arguments that it wants, but for an address in place of one
 * pointer, or any helper with anything.
 */
static inline void gen_any_call(struct percpu_gen *g)
{
	struct gen_kfunc *kfunc = g->h->kfunc_cnt && gen_rnd(g, 4) ?
				  &g->h->kfuncs[gen_rnd(g, g->h->kfunc_cnt)] : NULL;
	static const char any[] = "aaaaaaAAcbkdDtmmnnnnnnnnnnfihrxy";
	/* each may call others, those of the first one are few */
	static const enum bpf_prog_type types[] = {
		BPF_PROG_TYPE_SOCKET_FILTER, BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_RAW_TRACEPOINT,
		BPF_PROG_TYPE_SYSCALL,
	};
	char args[GEN_ARGS + 1] = {};
	int i, func;

	if (g->locked & 0x3f)
		return;
	/* all programs that may call those of one array are of a type */
	if (g->caps == GEN_PRIV && !g->tail_call)
		g->type = types[kfunc ? 1 + gen_rnd(g, ARRAY_SIZE(types) - 1) :
				gen_rnd(g, ARRAY_SIZE(types))];
	/* with a context of its own */
	if (g->type == BPF_PROG_TYPE_RAW_TRACEPOINT || g->type == BPF_PROG_TYPE_SYSCALL)
		g->no_run = true;
	if (kfunc) {
		strcpy(args, kfunc->args);
		i = gen_rnd(g, GEN_ARGS);
		if (i < strlen(args) && !strchr("ns", args[i]))
			args[i] = 'a';
		gen_args_call(g, args, BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL,
						    0, kfunc->id), &kfunc->took);
		/* some of them reboot */
		g->no_run = true;
	} else {
		for (i = 0; i < GEN_ARGS; i++)
			args[i] = any[gen_rnd(g, sizeof(any) - 1)];
		func = 1 + gen_rnd(g, __BPF_FUNC_MAX_ID - 1);
		gen_args_call(g, args, BPF_EMIT_CALL(func), &g->h->helpers_took[func]);
	}
	g->varies = true;
	gen_none(g, BPF_REG_0);
}

/*
 * Helpers with the arguments that they want, which depend on nothing but these.
 * A '!' stands for a result that is not to be compared, '-' for what no verifier
 * should accept, '+' for a helper of classifiers.
 */
static inline void gen_helper(struct percpu_gen *g)
{
	static const struct {
		int func;
		const char *args;
		enum gen_caps caps;
	} helpers[] = {
		{ BPF_FUNC_strtol, "as0A" },
		{ BPF_FUNC_strtoul, "as0A" },
		{ BPF_FUNC_strtol, "b80A" },
		{ BPF_FUNC_strtol, "aa0A-" },
		{ BPF_FUNC_strncmp, "asf" },
		{ BPF_FUNC_strncmp, "b8a-" },
		{ BPF_FUNC_get_ns_current_pid_tgid, "00a8" },
		{ BPF_FUNC_snprintf, "asfA8", GEN_PRIV },
		{ BPF_FUNC_snprintf, "asaA8-", GEN_PRIV },
		{ BPF_FUNC_snprintf, "b8fA8", GEN_PRIV },
		{ BPF_FUNC_skb_load_bytes, "c0as" },
		{ BPF_FUNC_skb_load_bytes, "a0b8-" },
		{ BPF_FUNC_csum_diff, "a8a80+", GEN_BPF },
		{ BPF_FUNC_check_mtu, "c0A00+", GEN_BPF },
		{ BPF_FUNC_get_current_comm, "as", GEN_PRIV },
		{ BPF_FUNC_map_lookup_elem, "ab-" },
		{ BPF_FUNC_map_lookup_elem, "ha!" },
		{ BPF_FUNC_map_lookup_elem, "ia!" },
		{ BPF_FUNC_map_update_elem, "iaA0" },
		{ BPF_FUNC_map_update_elem, "haA0!" },
		{ BPF_FUNC_map_delete_elem, "ha!" },
		{ BPF_FUNC_map_pop_elem, "qA" },
		{ BPF_FUNC_map_peek_elem, "qA" },
		{ BPF_FUNC_task_storage_get, "TtA0!", GEN_PRIV },
		{ BPF_FUNC_task_storage_get, "Ta00-", GEN_BPF },
		{ BPF_FUNC_ringbuf_output, "ras0!" },
		{ BPF_FUNC_ringbuf_reserve, "ra0-" },
		{ BPF_FUNC_ringbuf_submit, "a0-" },
		{ BPF_FUNC_dynptr_from_mem, "as0D", GEN_BPF },
		{ BPF_FUNC_dynptr_from_mem, "b80a-", GEN_BPF },
		{ BPF_FUNC_dynptr_read, "asd00", GEN_BPF },
		{ BPF_FUNC_dynptr_read, "b8a00-", GEN_BPF },
		{ BPF_FUNC_dynptr_write, "d0as0", GEN_BPF },
		{ BPF_FUNC_dynptr_write, "a0b80-", GEN_BPF },
		{ BPF_FUNC_dynptr_data, "d08!", GEN_BPF },
		{ BPF_FUNC_ringbuf_reserve_dynptr, "r80a-", GEN_BPF },
		{ BPF_FUNC_ringbuf_submit_dynptr, "a0-", GEN_BPF },
		{ BPF_FUNC_probe_read_kernel, "asA", GEN_PRIV },
		{ BPF_FUNC_probe_read_kernel_str, "asA", GEN_PRIV },
		{ BPF_FUNC_spin_lock, "a-", GEN_BPF },
		{ BPF_FUNC_timer_init, "ai0-", GEN_BPF },
		{ BPF_FUNC_timer_start, "a00-", GEN_BPF },
		{ BPF_FUNC_kptr_xchg, "a0-", GEN_BPF },
		{ BPF_FUNC_loop, "4a00-", GEN_BPF },
		{ BPF_FUNC_skc_to_tcp_sock, "a-", GEN_PRIV },
		{ BPF_FUNC_sk_fullsock, "a+-", GEN_BPF },
		{ BPF_FUNC_per_cpu_ptr, "b0-", GEN_BPF },
		{ BPF_FUNC_this_cpu_ptr, "c-", GEN_BPF },
		{ BPF_FUNC_tail_call, "c00-" },
	};
	int i = gen_rnd(g, ARRAY_SIZE(helpers)), func = helpers[i].func;
	const char *args = helpers[i].args;
	bool wrong = strchr(args, '-');

	if (g->locked & 0x3f || (g->subprog && strchr(args, 'c')))
		return;
	if ((wrong || g->caps < helpers[i].caps) && g->bad-- <= 0)
		return;
	if (strchr(args, '+')) {
		if (g->tail_call || g->caps < GEN_BPF)
			return;
		g->type = BPF_PROG_TYPE_SCHED_CLS;
	}
	gen_args_call(g, args, BPF_EMIT_CALL(func), &g->h->helpers_took[func]);
	if (wrong)
		gen_wrong(g);
	if (strchr(args, '!'))
		g->hidden = true;
	if (wrong || g->hidden)
		gen_none(g, BPF_REG_0);
}

/* One call of any helper or kfunc in a program that has no other bad ideas */
static inline void gen_calls(struct percpu_gen *g)
{
	if (g->bad > 0) {
		g->bad = 0;
		gen_any_call(g);
	} else {
		gen_helper(g);
	}
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

/* Is an instruction part of what the variants differ in, or looks up where addresses begin? */
static inline bool gen_in_site(const struct percpu_gen *g, int idx, int from)
{
	static const int lens[] = {
		[GEN_SITE_ADDR] = 2, [GEN_SITE_MAP] = 8, [GEN_SITE_THIS] = 3,
		[GEN_SITE_CPU] = GEN_CPU_LEN,
	};
	int i;

	for (i = 0; i < g->site_cnt; i++)
		if (idx >= g->sites[i].idx + from &&
		    idx < g->sites[i].idx + lens[g->sites[i].kind])
			return true;
	return false;
}

/* Does it jump in there, or overwrite what was looked up? */
static inline bool gen_splits_site(const struct percpu_gen *g, int idx)
{
	const struct bpf_insn *insn = &g->insns[idx];
	int class = BPF_CLASS(insn->code);

	if (class == BPF_ST || class == BPF_STX)
		return insn->dst_reg == BPF_REG_10 && insn->off > GEN_CTX_OFF;
	if (class != BPF_JMP && class != BPF_JMP32)
		return false;
	idx += insn->code == (BPF_JMP32 | BPF_JA) ? insn->imm : insn->off;
	return gen_in_site(g, idx + 1, 1);
}

/* Change anything in any instruction but those that variants and the kernel's results depend on. */
static inline void gen_mutate(struct percpu_gen *g)
{
	int idx = gen_rnd(g, g->cnt);
	struct bpf_insn *insn = &g->insns[idx], old = *insn;

	if (gen_in_site(g, idx, 0))
		return;
	if (!insn->code || insn->code == (BPF_JMP | BPF_CALL) ||
	    insn->code == (BPF_LD | BPF_IMM | BPF_DW))
		return;
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
	if (gen_splits_site(g, idx)) {
		*insn = old;
		return;
	}
	g->wrong = false;
	g->took_cnt = 0;
	g->leaks = true;
	g->varies |= g->hidden;
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
