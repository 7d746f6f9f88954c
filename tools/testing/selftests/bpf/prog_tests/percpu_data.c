// SPDX-License-Identifier: GPL-2.0
/* The kernel side of global per-CPU data: map values with an address on each CPU */

#include <linux/filter.h>
#include "percpu_data_helpers.h"
#include "sysctl_helpers.h"
#include "percpu_data.skel.h"

#define BPF_ADDR_PERCPU		(-1)

#define TWO_ELEMENTS	"direct value access to percpu_array map needs 1 element, not 2"
#define NOT_CONST_STR	"R3 points to percpu_array map which cannot be used as const string"

/*
 * The two forms to load the address of a map value: by the map's fd, or by an
 * index into an array of fds. load_prog() makes the index the same as the fd.
 */
static const __u8 forms[] = { BPF_PSEUDO_MAP_VALUE, BPF_PSEUDO_MAP_IDX_VALUE };

#define LD_VALUE(reg, form, map_fd, off) BPF_LD_IMM64_RAW_FULL(reg, form, 0, 0, map_fd, off)

static char log_buf[16 * 1024];
static int nr_cpus;
static int zero;

static int create_map(__u32 value_size, __u32 max_entries, __u32 map_flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = map_flags);

	return bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "percpu_data", sizeof(int), value_size,
			      max_entries, &opts);
}

static int load_prog(const struct bpf_insn *insns, size_t cnt, int map_fd)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_level = 1);
	int prog_fd, *fd_array;

	if (!ASSERT_GE(map_fd, 0, "map_fd"))
		return -EBADF;
	fd_array = calloc(map_fd + 1, sizeof(*fd_array));
	if (!ASSERT_OK_PTR(fd_array, "fd_array"))
		return -ENOMEM;
	fd_array[map_fd] = map_fd;
	opts.fd_array = fd_array;
	opts.log_buf = log_buf;
	opts.log_size = sizeof(log_buf);
	log_buf[0] = 0;
	prog_fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns, cnt, &opts);
	free(fd_array);
	return prog_fd;
}

/* Run a raw tracepoint program on a CPU and return what it returns. */
static int run_on(int prog_fd, int cpu)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu);

	if (!ASSERT_OK(bpf_prog_test_run_opts(prog_fd, &opts), "test_run"))
		return -1;
	return opts.retval;
}

static bool is_online(int cpu)
{
	return runs_of(cpu);
}

static void run_on_each(int prog_fd)
{
	for (int cpu = 0; cpu < nr_cpus; cpu++)
		if (is_online(cpu))
			ASSERT_EQ(run_on(prog_fd, cpu), 0, "retval");
}

/*
 * A dump shows what was loaded, and the instruction that was added. Without
 * that instruction, the program had better not run. If all constants are
 * blinded, neither is to be seen.
 */
static bool check_dump(int prog_fd, int idx, int map_fd, __u8 reg, __u32 off)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), cnt;
	struct bpf_insn *insns;
	bool added = false;

	if (is_jit_blinding())
		return true;
	if (!ASSERT_OK(bpf_map_get_info_by_fd(map_fd, &info, &len), "map_info") ||
	    !ASSERT_OK(get_xlated_program(prog_fd, &insns, &cnt), "xlated"))
		return false;

	if (ASSERT_GT(cnt, idx + 2, "cnt")) {
		ASSERT_EQ(insns[idx].code, BPF_LD | BPF_IMM | BPF_DW, "ld_imm64");
		ASSERT_EQ((__u8)insns[idx].src_reg, BPF_PSEUDO_MAP_VALUE, "pseudo");
		ASSERT_EQ((__u8)insns[idx].dst_reg, reg, "reg");
		ASSERT_EQ(insns[idx].imm, info.id, "map id");
		ASSERT_EQ(insns[idx + 1].imm, off, "off");
		added = ASSERT_EQ(insns[idx + 2].code, BPF_ALU64 | BPF_MOV | BPF_X, "mov") &&
			ASSERT_EQ(insns[idx + 2].off, BPF_ADDR_PERCPU, "percpu") &&
			ASSERT_EQ((__u8)insns[idx + 2].dst_reg, reg, "dst") &&
			ASSERT_EQ((__u8)insns[idx + 2].src_reg, reg, "src");
	}
	free(insns);
	return added;
}

/* Count in the second of three words, through one register. */
static void check_reg(int map_fd, __u8 form, __u8 reg)
{
	__u8 tmp = reg == BPF_REG_6 ? BPF_REG_7 : BPF_REG_6;
	struct bpf_insn insns[] = {
		LD_VALUE(reg, form, map_fd, 8),
		BPF_LDX_MEM(BPF_DW, tmp, reg, 0),
		BPF_ALU64_IMM(BPF_ADD, tmp, 1),
		BPF_STX_MEM(BPF_DW, reg, tmp, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	__u64 (*copies)[3];
	int prog_fd, cpu;

	copies = calloc(nr_cpus, sizeof(*copies));
	if (!ASSERT_OK_PTR(copies, "calloc"))
		return;
	for (cpu = 0; cpu < nr_cpus; cpu++)
		copies[cpu][1] = 1000 * cpu;
	ASSERT_OK(bpf_map_update_elem(map_fd, &zero, copies, 0), "update");
	free(copies);

	prog_fd = load_prog(insns, ARRAY_SIZE(insns), map_fd);
	if (!ASSERT_GE(prog_fd, 0, "load"))
		return;
	if (check_dump(prog_fd, 0, map_fd, reg, 8))
		run_on_each(prog_fd);
	close(prog_fd);

	copies = read_copies(map_fd);
	if (!copies)
		return;
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		ASSERT_EQ(copies[cpu][0], 0, "word in front");
		ASSERT_EQ(copies[cpu][1], 1000 * cpu + is_online(cpu), "count");
		ASSERT_EQ(copies[cpu][2], 0, "word behind");
	}
	free(copies);
}

static void test_registers(void)
{
	int map_fd = create_map(3 * sizeof(__u64), 1, 0);

	if (!ASSERT_GE(map_fd, 0, "map"))
		return;
	for (int i = 0; i < ARRAY_SIZE(forms); i++)
		for (int reg = BPF_REG_0; reg <= BPF_REG_9; reg++)
			check_reg(map_fd, forms[i], reg);
	close(map_fd);
}

/* Write a byte at an offset, return what loading that program returns. */
static int write_byte(int map_fd, __u8 form, __u32 off)
{
	struct bpf_insn insns[] = {
		LD_VALUE(BPF_REG_1, form, map_fd, off),
		BPF_ST_MEM(BPF_B, BPF_REG_1, 0, 0x5a),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	int prog_fd = load_prog(insns, ARRAY_SIZE(insns), map_fd);

	if (prog_fd < 0)
		return prog_fd;
	if (check_dump(prog_fd, 0, map_fd, BPF_REG_1, off))
		run_on_each(prog_fd);
	close(prog_fd);
	return 0;
}

static void check_offsets(__u32 value_size)
{
	int map_fd, cpu, i;
	__u8 *copies;

	map_fd = create_map(value_size, 1, 0);
	if (!ASSERT_GE(map_fd, 0, "map"))
		return;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		ASSERT_OK(write_byte(map_fd, forms[i], 0), "first byte");
		ASSERT_OK(write_byte(map_fd, forms[i], value_size - 1), "last byte");
		ASSERT_EQ(write_byte(map_fd, forms[i], value_size), -EINVAL, "one past");
		ASSERT_HAS_SUBSTR(log_buf, "invalid access to map value pointer", "log");
		ASSERT_EQ(write_byte(map_fd, forms[i], -1), -EINVAL, "far past");
	}

	copies = read_copies(map_fd);
	for (cpu = 0; copies && cpu < nr_cpus; cpu++) {
		__u8 *copy = copy_of(map_fd, copies, cpu);

		for (i = 0; i < value_size; i++)
			if (copy[i] != (is_online(cpu) && (!i || i == value_size - 1) ? 0x5a : 0))
				break;
		ASSERT_EQ(i, value_size, "bytes");
	}
	free(copies);
	close(map_fd);
}

static void test_offsets(void)
{
	check_offsets(8);
	check_offsets(13);	/* elements are padded to 16 bytes */
	check_offsets(MAX_VALUE_SIZE);
}

#define EDGES_SIZE 32768

/*
 * On both sides of what an instruction can hold on one CPU or another: load, add
 * and store, with the distance from @base in the address or in the accesses.
 */
static void check_edges(int base, __u8 size, int bytes, bool in_access)
{
	static const int edges[] = { 128, 256, 2048, 4096, 8192, 16384, EDGES_SIZE - 8 };
	int map_fd = create_map(EDGES_SIZE, 1, 0), prog_fd, cpu, cnt, val;
	int lsb = htons(1) == 1 ? bytes - 1 : 0;
	const struct bpf_insn first[] = {
		LD_VALUE(BPF_REG_1, BPF_PSEUDO_MAP_VALUE, map_fd, base),
	};
	const struct bpf_insn last[] = {
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	char *expected = calloc(1, EDGES_SIZE), *copies = NULL;
	struct bpf_insn insns[128];

	if (!ASSERT_GE(map_fd, 0, "map") || !ASSERT_OK_PTR(expected, "calloc"))
		goto out;

	memcpy(insns, first, sizeof(first));
	cnt = ARRAY_SIZE(first);
	for (val = 0; val < 2 * ARRAY_SIZE(edges); val++) {
		int off = edges[val / 2] - (val & 1 ? bytes : 0);
		int disp = in_access ? off - base : 0;
		const struct bpf_insn place[] = {
			LD_VALUE(BPF_REG_2, BPF_PSEUDO_MAP_VALUE, map_fd, off - disp),
			BPF_ST_MEM(size, BPF_REG_2, disp, 40),
			BPF_LDX_MEM(size, BPF_REG_3, BPF_REG_2, disp),
			BPF_ALU64_IMM(BPF_ADD, BPF_REG_3, val),
			BPF_STX_MEM(size, BPF_REG_2, BPF_REG_3, disp),
			/* let the next address have its distance from that in R1 */
			BPF_MOV64_IMM(BPF_REG_2, 0),
		};

		memcpy(insns + cnt, place, sizeof(place));
		cnt += ARRAY_SIZE(place);
		expected[off + lsb] = 40 + val;
	}
	memcpy(insns + cnt, last, sizeof(last));
	cnt += ARRAY_SIZE(last);

	prog_fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns, cnt, NULL);
	if (!ASSERT_GE(prog_fd, 0, "load"))
		goto out;
	run_on_each(prog_fd);
	close(prog_fd);

	copies = read_copies(map_fd);
	for (cpu = 0; copies && cpu < nr_cpus; cpu++)
		if (is_online(cpu))
			ASSERT_OK(memcmp(copy_of(map_fd, copies, cpu), expected, EDGES_SIZE),
				  "copy");
out:
	free(copies);
	free(expected);
	close(map_fd);
}

static void test_edges(void)
{
	static const __u8 sizes[] = { BPF_B, BPF_H, BPF_W, BPF_DW };

	for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (int in_access = 0; in_access < 2; in_access++) {
			check_edges(0, sizes[i], 1 << i, in_access);
			check_edges(EDGES_SIZE - 8, sizes[i], 1 << i, in_access);
		}
	}
}

static void test_too_large(void)
{
	ASSERT_EQ(create_map(MAX_VALUE_SIZE + 1, 1, 0), -E2BIG, "map");
}

/* Only a map with one element has one value that an instruction can name. */
static void test_two_elements(void)
{
	int map_fd = create_map(8, 2, 0);

	if (!ASSERT_GE(map_fd, 0, "map"))
		return;
	for (int i = 0; i < ARRAY_SIZE(forms); i++) {
		ASSERT_EQ(write_byte(map_fd, forms[i], 0), -EOPNOTSUPP, "load");
		ASSERT_HAS_SUBSTR(log_buf, TWO_ELEMENTS, "log");
	}
	close(map_fd);
}

/* Fill a map that programs may only read, odd or even CPUs first, and freeze it. */
static int create_frozen_map(__u32 max_entries, int odd)
{
	int map_fd, cpu, key;
	__u64 *copies;

	map_fd = create_map(sizeof(*copies), max_entries, BPF_F_RDONLY_PROG);
	copies = calloc(nr_cpus, sizeof(*copies));
	if (!ASSERT_GE(map_fd, 0, "map") || !ASSERT_OK_PTR(copies, "calloc"))
		goto out;

	for (cpu = 0; cpu < nr_cpus; cpu++)
		copies[cpu] = (cpu + odd) & 1;
	for (key = 0; key < max_entries; key++)
		ASSERT_OK(bpf_map_update_elem(map_fd, &key, copies, 0), "update");
	ASSERT_OK(bpf_map_freeze(map_fd), "freeze");
out:
	free(copies);
	return map_fd;
}

/* A branch on the value has to be there at run time, for both outcomes. */
static void check_not_folded(const struct bpf_insn *insns, size_t cnt, int map_fd, int odd)
{
	int prog_fd = load_prog(insns, cnt, map_fd);

	if (!ASSERT_GE(prog_fd, 0, "load"))
		return;
	for (int cpu = 0; cpu < nr_cpus; cpu++)
		if (is_online(cpu))
			ASSERT_EQ(run_on(prog_fd, cpu), (cpu + odd) & 1 ? 1001 : 1000, "retval");
	close(prog_fd);
}

static void test_frozen(void)
{
	int map_fd, i;

	/* both, since there may be one CPU only */
	for (int odd = 0; odd < 2; odd++) {
		map_fd = create_frozen_map(1, odd);
		for (i = 0; i < ARRAY_SIZE(forms); i++) {
			struct bpf_insn insns[] = {
				LD_VALUE(BPF_REG_1, forms[i], map_fd, 0),
				BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_1, 0),
				BPF_MOV64_IMM(BPF_REG_0, 1000),
				BPF_JMP_IMM(BPF_JEQ, BPF_REG_1, 0, 1),
				BPF_MOV64_IMM(BPF_REG_0, 1001),
				BPF_EXIT_INSN(),
			};

			check_not_folded(insns, ARRAY_SIZE(insns), map_fd, odd);
		}
		close(map_fd);
	}
}

/* The verifier must not try to read a looked-up value either. */
static void test_frozen_lookup(void)
{
	for (int max_entries = 1; max_entries <= 2; max_entries++) {
		int map_fd = create_frozen_map(max_entries, 0);
		struct bpf_insn insns[] = {
			BPF_ST_MEM(BPF_W, BPF_REG_10, -4, max_entries - 1),
			BPF_MOV64_REG(BPF_REG_2, BPF_REG_10),
			BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, -4),
			BPF_LD_MAP_FD(BPF_REG_1, map_fd),
			BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem),
			BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 4),
			BPF_LDX_MEM(BPF_DW, BPF_REG_1, BPF_REG_0, 0),
			BPF_MOV64_IMM(BPF_REG_0, 1000),
			BPF_JMP_IMM(BPF_JEQ, BPF_REG_1, 0, 1),
			BPF_MOV64_IMM(BPF_REG_0, 1001),
			BPF_EXIT_INSN(),
		};

		check_not_folded(insns, ARRAY_SIZE(insns), map_fd, 0);
		close(map_fd);
	}
}

/* A frozen map would do as a constant string, if it were not per CPU. */
static void test_frozen_const_str(void)
{
	int map_fd = create_frozen_map(1, 0);

	for (int i = 0; i < ARRAY_SIZE(forms); i++) {
		struct bpf_insn insns[] = {
			BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0),
			BPF_MOV64_REG(BPF_REG_1, BPF_REG_10),
			BPF_ALU64_IMM(BPF_ADD, BPF_REG_1, -8),
			BPF_MOV64_IMM(BPF_REG_2, 8),
			LD_VALUE(BPF_REG_3, forms[i], map_fd, 0),
			BPF_EMIT_CALL(BPF_FUNC_strncmp),
			BPF_EXIT_INSN(),
		};

		ASSERT_EQ(load_prog(insns, ARRAY_SIZE(insns), map_fd), -EACCES, "load");
		ASSERT_HAS_SUBSTR(log_buf, NOT_CONST_STR, "log");
	}
	close(map_fd);

	/* not as a looked-up value either, whatever the number of elements */
	for (int max_entries = 1; max_entries <= 2; max_entries++) {
		struct bpf_insn insns[] = {
			BPF_ST_MEM(BPF_DW, BPF_REG_10, -8, 0),
			BPF_MOV64_REG(BPF_REG_2, BPF_REG_10),
			BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, -8),
			BPF_LD_MAP_FD(BPF_REG_1, map_fd = create_frozen_map(max_entries, 0)),
			BPF_EMIT_CALL(BPF_FUNC_map_lookup_elem),
			BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 5),
			BPF_MOV64_REG(BPF_REG_1, BPF_REG_10),
			BPF_ALU64_IMM(BPF_ADD, BPF_REG_1, -8),
			BPF_MOV64_IMM(BPF_REG_2, 8),
			BPF_MOV64_REG(BPF_REG_3, BPF_REG_0),
			BPF_EMIT_CALL(BPF_FUNC_strncmp),
			BPF_EXIT_INSN(),
		};

		ASSERT_EQ(load_prog(insns, ARRAY_SIZE(insns), map_fd), -EACCES, "load lookup");
		ASSERT_HAS_SUBSTR(log_buf, NOT_CONST_STR, "log of lookup");
		close(map_fd);
	}
}

static int read_byte(int map_fd, __u8 form)
{
	struct bpf_insn insns[] = {
		LD_VALUE(BPF_REG_1, form, map_fd, 0),
		BPF_LDX_MEM(BPF_B, BPF_REG_0, BPF_REG_1, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	int prog_fd = load_prog(insns, ARRAY_SIZE(insns), map_fd);

	if (prog_fd < 0)
		return prog_fd;
	close(prog_fd);
	return 0;
}

static void test_access_flags(void)
{
	int ro_fd = create_map(8, 1, BPF_F_RDONLY_PROG);
	int wo_fd = create_map(8, 1, BPF_F_WRONLY_PROG);

	if (!ASSERT_GE(ro_fd, 0, "ro map") || !ASSERT_GE(wo_fd, 0, "wo map"))
		goto out;
	for (int i = 0; i < ARRAY_SIZE(forms); i++) {
		ASSERT_OK(read_byte(ro_fd, forms[i]), "read ro");
		ASSERT_EQ(write_byte(ro_fd, forms[i], 0), -EACCES, "write ro");
		ASSERT_HAS_SUBSTR(log_buf, "write into map forbidden", "log");
		ASSERT_OK(write_byte(wo_fd, forms[i], 0), "write wo");
		ASSERT_EQ(read_byte(wo_fd, forms[i]), -EACCES, "read wo");
		ASSERT_HAS_SUBSTR(log_buf, "read from map forbidden", "log");
	}
out:
	close(ro_fd);
	close(wo_fd);
}

static int runqueues_id(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id;

	if (!ASSERT_OK_PTR(btf, "vmlinux btf"))
		return -ENOENT;
	id = btf__find_by_name_kind(btf, "runqueues", BTF_KIND_VAR);
	btf__free(btf);
	ASSERT_GT(id, 0, "runqueues");
	return id;
}

/* Store where a CPU's copy lies, and where one of the kernel's per-CPU variables does. */
static int load_where(int map_fd, int var_id)
{
	struct bpf_insn insns[] = {
		BPF_LD_IMM64_RAW_FULL(BPF_REG_1, BPF_PSEUDO_BTF_ID, 0, 0, var_id, 0),
		BPF_EMIT_CALL(BPF_FUNC_this_cpu_ptr),
		LD_VALUE(BPF_REG_1, BPF_PSEUDO_MAP_VALUE, map_fd, 8),
		BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_0, -8),
		BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_1, 0),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};

	return load_prog(insns, ARRAY_SIZE(insns), map_fd);
}

/* How far a map's value lies from that variable, which is the same on each CPU. */
static __s64 distance(int map_fd, void *var_id)
{
	int prog_fd, cpu;
	__u64 *copies;
	__s64 dist = 0;

	prog_fd = load_where(map_fd, *(int *)var_id);
	if (!ASSERT_GE(prog_fd, 0, "load"))
		return 0;
	if (check_dump(prog_fd, 3, map_fd, BPF_REG_1, 8))
		run_on_each(prog_fd);
	close(prog_fd);

	copies = read_copies(map_fd);
	for (cpu = 0; copies && cpu < nr_cpus; cpu++) {
		__u64 *copy = copy_of(map_fd, copies, cpu);

		if (!is_online(cpu)) {
			ASSERT_EQ(copy[1], 0, "offline");
			continue;
		}
		if (!dist)
			dist = copy[1] - copy[0];
		ASSERT_EQ((__s64)(copy[1] - copy[0]), dist, "distance");
	}
	free(copies);
	return dist;
}

/*
 * The first chunk of per-CPU memory lies beside the kernel's own per-CPU
 * variables, so that the offsets in it look like the kernel's addresses. The
 * offsets in others do not.
 */
static void test_first_chunk(void)
{
	int var_id = runqueues_id();

	if (var_id > 0)
		check_chunk(true, 16, 0, distance, &var_id);
}

static void test_other_chunk(void)
{
	int var_id = runqueues_id();

	if (var_id > 0)
		check_chunk(false, MAX_VALUE_SIZE, 0, distance, &var_id);
}

static __u64 imm64(const struct bpf_insn *insn)
{
	return (__u64)insn[1].imm << 32 | (__u32)insn[0].imm;
}

/* A map's per-CPU offset: dumps hide it, but not that of the kernel's variable. */
static __u64 percpu_offset(int map_fd, int var_id)
{
	int prog_fd = load_where(map_fd, var_id);
	struct bpf_insn *insns;
	__u64 offset = 0;
	__u32 cnt;

	if (!ASSERT_GE(prog_fd, 0, "load"))
		return 0;
	if (ASSERT_OK(get_xlated_program(prog_fd, &insns, &cnt), "xlated")) {
		/* distance() is that of the second word */
		offset = imm64(insns) + distance(map_fd, &var_id) - 8;
		free(insns);
	}
	close(prog_fd);
	return offset;
}

/* A constant is not a per-CPU offset, even if it has the same value. */
static void test_dump_constant(void)
{
	int map_fd = create_map(16, 1, 0), var_id = runqueues_id(), prog_fd;
	struct bpf_insn *dump = NULL;
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), cnt;
	__u64 base;

	if (!ASSERT_GE(map_fd, 0, "map") || var_id <= 0)
		goto out;
	if (is_jit_blinding()) {
		test__skip();
		goto out;
	}
	base = percpu_offset(map_fd, var_id);
	if (!ASSERT_NEQ(base, 0, "base") ||
	    !ASSERT_OK(bpf_map_get_info_by_fd(map_fd, &info, &len), "map_info"))
		goto out;

	struct bpf_insn insns[] = {
		BPF_LD_IMM64(BPF_REG_1, base),
		LD_VALUE(BPF_REG_2, BPF_PSEUDO_MAP_VALUE, map_fd, 4),
		BPF_LD_IMM64(BPF_REG_2, base + 15),
		BPF_MOV64_REG(BPF_REG_2, BPF_REG_2),
		BPF_LD_IMM64(BPF_REG_3, base + 4),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};

	prog_fd = load_prog(insns, ARRAY_SIZE(insns), map_fd);
	if (!ASSERT_GE(prog_fd, 0, "load"))
		goto out;
	ASSERT_OK(get_xlated_program(prog_fd, &dump, &cnt), "xlated");
	close(prog_fd);
	if (!dump || !ASSERT_EQ(cnt, ARRAY_SIZE(insns) + 1, "cnt"))
		goto out;

	ASSERT_EQ((__u8)dump[0].src_reg, 0, "first constant");
	ASSERT_EQ(imm64(&dump[0]), base, "first value");
	ASSERT_EQ((__u8)dump[2].src_reg, BPF_PSEUDO_MAP_VALUE, "per-CPU data");
	ASSERT_EQ(dump[2].imm, info.id, "map id");
	ASSERT_EQ(dump[3].imm, 4, "off");
	ASSERT_EQ((__u8)dump[5].src_reg, 0, "constant in front of a move");
	ASSERT_EQ(imm64(&dump[5]), base + 15, "last value");
	ASSERT_EQ((__u8)dump[8].src_reg, 0, "same value");
	ASSERT_EQ(imm64(&dump[8]), base + 4, "value of per-CPU data");
out:
	free(dump);
	close(map_fd);
}

struct type_ids {
	int key;
	int value;	/* a structure */
	int section;	/* with a variable of that structure */
};

/* BTF whose value is an integer, or of a type that the kernel knows by its name. */
static struct btf *value_btf(const char *name, __u32 size, struct type_ids *ids)
{
	struct btf *btf = btf__new_empty();
	int field, var;

	if (!ASSERT_OK_PTR(btf, "btf"))
		return NULL;
	ids->key = btf__add_int(btf, "int", sizeof(int), BTF_INT_SIGNED);
	field = name ? btf__add_struct(btf, name, size) : ids->key;
	ids->value = btf__add_struct(btf, "value", size);
	btf__add_field(btf, "field", field, 0, 0);
	var = btf__add_var(btf, "var", BTF_VAR_GLOBAL_ALLOCATED, name ? field : ids->value);
	ids->section = btf__add_datasec(btf, ".percpu", size);
	btf__add_datasec_var_info(btf, var, 0, size);
	if (!ASSERT_OK(btf__load_into_kernel(btf), "btf load")) {
		btf__free(btf);
		return NULL;
	}
	return btf;
}

static int create_btf_map(struct btf *btf, int key_id, int value_id, __u32 size, __u32 max_entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .btf_fd = btf__fd(btf));

	opts.btf_key_type_id = key_id;
	opts.btf_value_type_id = value_id;
	return bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "percpu_data", sizeof(int), size,
			      max_entries, &opts);
}

static void test_btf(void)
{
	const char *path = "/sys/fs/bpf/percpu_data_btf";
	struct type_ids ids;
	char text[4096] = {};
	struct btf *btf;
	FILE *file;
	int map_fd;

	btf = value_btf(NULL, sizeof(int), &ids);
	if (!btf)
		return;

	ASSERT_EQ(create_btf_map(btf, 0, ids.section, sizeof(int), 2), -EINVAL, "two elements");
	ASSERT_EQ(create_btf_map(btf, 0, ids.value, sizeof(int), 1), -EINVAL, "not a section");
	map_fd = create_btf_map(btf, ids.key, ids.value, sizeof(int), 2);
	ASSERT_GE(map_fd, 0, "with a key");
	close(map_fd);

	map_fd = create_btf_map(btf, 0, ids.section, sizeof(int), 1);
	btf__free(btf);
	if (!ASSERT_GE(map_fd, 0, "keyless"))
		return;

	/* without a key, there is none to show */
	if (!ASSERT_OK(bpf_obj_pin(map_fd, path), "pin"))
		goto out;
	file = fopen(path, "r");
	if (ASSERT_OK_PTR(file, "open")) {
		fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
		ASSERT_HAS_SUBSTR(text, "\n{\n\tcpu0: section (\".percpu\")", "text");
	}
	unlink(path);
out:
	close(map_fd);
}

/* Fields that values of percpu arrays cannot have, these cannot have either. */
static void test_special_fields(void)
{
	static const struct {
		const char *name;
		__u32 size;
	} fields[] = {
		{ "bpf_spin_lock", 4 },
		{ "bpf_res_spin_lock", 4 },
		{ "bpf_timer", 16 },
		{ "bpf_wq", 16 },
		{ "bpf_task_work", 8 },
	};
	struct type_ids ids;
	struct btf *btf;

	for (int i = 0; i < ARRAY_SIZE(fields); i++) {
		btf = value_btf(fields[i].name, fields[i].size, &ids);
		if (!btf)
			return;
		ASSERT_EQ(create_btf_map(btf, ids.key, ids.value, fields[i].size, 1), -EOPNOTSUPP,
			  "with a key");
		ASSERT_EQ(create_btf_map(btf, 0, ids.section, fields[i].size, 1), -EOPNOTSUPP,
			  fields[i].name);
		btf__free(btf);
	}
}

/* Instruction arrays follow the instructions to where they move. */
static void test_insn_array(void)
{
#if defined(__x86_64__) || defined(__powerpc__) || defined(__aarch64__)
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .fd_array_cnt = 1);
	static const __u32 orig_offs[] = { 0, 1, 3, 4, 5, 7 };
	static const __u32 xlated_offs[] = { 0, 1, 4, 5, 6, 9 };
	int map_fd = create_map(8, 1, 0), array_fd, prog_fd = -1, i;
	struct bpf_insn insns[] = {
		BPF_MOV64_IMM(BPF_REG_0, 0),
		LD_VALUE(BPF_REG_1, BPF_PSEUDO_MAP_VALUE, map_fd, 0),
		BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_1, 0),
		BPF_STX_MEM(BPF_DW, BPF_REG_1, BPF_REG_2, 0),
		LD_VALUE(BPF_REG_3, BPF_PSEUDO_MAP_VALUE, map_fd, 0),
		BPF_EXIT_INSN(),
	};
	struct bpf_insn_array_value val;
	char old[16];

	/* blinding constants takes more instructions */
	if (!ASSERT_OK(sysctl_set(JIT_HARDEN, old, "0"), "jit_harden"))
		goto close_map;
	array_fd = bpf_map_create(BPF_MAP_TYPE_INSN_ARRAY, "insns", 4, sizeof(val),
				  ARRAY_SIZE(orig_offs), NULL);
	if (!ASSERT_GE(map_fd, 0, "map") || !ASSERT_GE(array_fd, 0, "insn array"))
		goto out;
	for (i = 0; i < ARRAY_SIZE(orig_offs); i++) {
		memset(&val, 0, sizeof(val));
		val.orig_off = orig_offs[i];
		ASSERT_OK(bpf_map_update_elem(array_fd, &i, &val, 0), "update");
	}
	ASSERT_OK(bpf_map_freeze(array_fd), "freeze");

	opts.fd_array = &array_fd;
	prog_fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL, "GPL", insns,
				ARRAY_SIZE(insns), &opts);
	if (!ASSERT_GE(prog_fd, 0, "load"))
		goto out;
	for (i = 0; i < ARRAY_SIZE(orig_offs); i++) {
		if (ASSERT_OK(bpf_map_lookup_elem(array_fd, &i, &val), "lookup"))
			ASSERT_EQ(val.xlated_off, xlated_offs[i], "xlated_off");
	}
out:
	close(prog_fd);
	close(array_fd);
	ASSERT_OK(sysctl_set(JIT_HARDEN, NULL, old), "jit_harden");
close_map:
	close(map_fd);
#else
	test__skip();
#endif
}

static struct percpu_data *open_and_load(void)
{
	struct percpu_data *skel = percpu_data__open_and_load();

	ASSERT_OK_PTR(skel, "open_and_load");
	return skel;
}

/* The more often a program runs on a CPU, the higher that CPU's counts. */
static void test_counts(void)
{
	struct percpu_data *skel = open_and_load();
	typeof(skel->percpu->counts) *counts;
	int cpu;

	if (!skel)
		return;
	run_unevenly(bpf_program__fd(skel->progs.count));

	counts = read_copies(bpf_map__fd(skel->maps.percpu));
	for (cpu = 0; counts && cpu < nr_cpus; cpu++) {
		int runs = runs_of(cpu);

		ASSERT_EQ(counts[cpu].cpu, runs ? cpu : 0, "cpu");
		ASSERT_EQ(counts[cpu].main, 100 + runs, "main");
		ASSERT_EQ(counts[cpu].subprog, runs, "subprog");
		ASSERT_EQ(counts[cpu].global_subprog, 2 * runs, "global_subprog");
		ASSERT_EQ(counts[cpu].callback, 45 * runs, "callback");
		ASSERT_EQ(counts[cpu].loop, 10 * runs, "loop");
	}
	free(counts);
	percpu_data__destroy(skel);
}

static void test_tail_call(void)
{
	struct percpu_data *skel = open_and_load();
	int callee_fd, cpu;
	typeof(skel->percpu->counts) *counts;

	if (!skel)
		return;
	callee_fd = bpf_program__fd(skel->progs.tail_callee);
	ASSERT_OK(bpf_map_update_elem(bpf_map__fd(skel->maps.jmp_table), &zero, &callee_fd, 0),
		  "jmp_table");
	run_on_each(bpf_program__fd(skel->progs.tail_caller));

	counts = read_copies(bpf_map__fd(skel->maps.percpu));
	for (cpu = 0; counts && cpu < nr_cpus; cpu++) {
		ASSERT_EQ(counts[cpu].tail_caller, is_online(cpu), "tail_caller");
		ASSERT_EQ(counts[cpu].tail_callee, is_online(cpu), "tail_callee");
	}
	free(counts);
	percpu_data__destroy(skel);
}

static void test_sleepable(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct percpu_data *skel = open_and_load();
	typeof(skel->percpu->counts) *counts;
	int cpu, sum = 0;

	if (!skel)
		return;
	for (int i = 0; i < 10; i++)
		ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.sleepable), &opts),
			  "test_run");

	counts = read_copies(bpf_map__fd(skel->maps.percpu));
	for (cpu = 0; counts && cpu < nr_cpus; cpu++)
		sum += counts[cpu].sleepable;
	ASSERT_EQ(sum, 10, "sleepable");
	free(counts);
	percpu_data__destroy(skel);
}

static void test_kptr(void)
{
	struct percpu_data *skel = open_and_load();
	typeof(skel->percpu_stash->stash) *stash;
	int cpu;

	if (!skel)
		return;
	for (int i = 0; i < 3; i++)
		run_on_each(bpf_program__fd(skel->progs.kptr));

	stash = read_copies(bpf_map__fd(skel->maps.percpu_stash));
	for (cpu = 0; stash && cpu < nr_cpus; cpu++) {
		ASSERT_EQ(stash[cpu].found, is_online(cpu) ? 2 : 0, "found");
		ASSERT_NULL(stash[cpu].mask, "kptr hidden from user space");
	}
	free(stash);
	percpu_data__destroy(skel);
}

void test_percpu_data(void)
{
	nr_cpus = libbpf_num_possible_cpus();
	if (!ASSERT_GT(nr_cpus, 0, "possible"))
		return;

	if (test__start_subtest("registers"))
		test_registers();
	if (test__start_subtest("offsets"))
		test_offsets();
	if (test__start_subtest("edges"))
		test_edges();
	if (test__start_subtest("too_large"))
		test_too_large();
	if (test__start_subtest("two_elements"))
		test_two_elements();
	if (test__start_subtest("frozen"))
		test_frozen();
	if (test__start_subtest("frozen_lookup"))
		test_frozen_lookup();
	if (test__start_subtest("frozen_const_str"))
		test_frozen_const_str();
	if (test__start_subtest("access_flags"))
		test_access_flags();
	if (test__start_subtest("first_chunk"))
		test_first_chunk();
	if (test__start_subtest("other_chunk"))
		test_other_chunk();
	if (test__start_subtest("dump_constant"))
		test_dump_constant();
	if (test__start_subtest("btf"))
		test_btf();
	if (test__start_subtest("special_fields"))
		test_special_fields();
	if (test__start_subtest("insn_array"))
		test_insn_array();
	if (test__start_subtest("counts"))
		test_counts();
	if (test__start_subtest("tail_call"))
		test_tail_call();
	if (test__start_subtest("sleepable"))
		test_sleepable();
	if (test__start_subtest("kptr"))
		test_kptr();
}
