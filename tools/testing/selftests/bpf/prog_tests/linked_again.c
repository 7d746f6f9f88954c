// SPDX-License-Identifier: GPL-2.0
/* What objects are linked to does not depend on their order, nor on having been linked before */

#include "linker_helpers.h"

enum { DECL, NOSEC, DEF, WEAK, NR_OBJS };

static const char * const names[] = {
	[DECL] = "./linked_again_decl.bpf.o",
	[NOSEC] = "./linked_again_nosec.bpf.o",
	[DEF] = "./linked_again_def.bpf.o",
	[WEAK] = "./linked_again_weak.bpf.o",
};

/* A variable's value, where BTF says that it is. */
static long read_var(const struct bpf_object *obj, const struct bpf_map *map, const char *name)
{
	int off, zero = 0;
	long vals[8];

	if (!ASSERT_LE(bpf_map__value_size(map), sizeof(vals), "value_size") ||
	    !ASSERT_OK(bpf_map__lookup_elem(map, &zero, sizeof(zero), vals,
					    bpf_map__value_size(map), 0), "lookup"))
		return -1;

	off = var_offset(obj, map, name);
	return off < 0 ? -1 : vals[off / sizeof(long)];
}

/* Run each program once, then each variable tells who has counted it. */
static void check_counts(struct bpf_object *obj, const int *objs, int cnt)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct bpf_map *data, *runs;
	struct bpf_program *prog;
	int i, zero = 0, nr_nosec = 0;
	bool has_def = false;
	long run = 0;

	if (!ASSERT_OK(bpf_object__load(obj), "load"))
		return;
	bpf_object__for_each_program(prog, obj)
		ASSERT_OK(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), "run");

	data = bpf_object__find_map_by_name(obj, ".data.again");
	runs = bpf_object__find_map_by_name(obj, "runs");
	if (!ASSERT_OK_PTR(data, "data") || !ASSERT_OK_PTR(runs, "runs"))
		return;

	for (i = 0; i < cnt; i++) {
		switch (objs[i]) {
		case DECL:
			ASSERT_EQ(read_var(obj, data, "own"), 5 + 1, "own");
			break;
		case NOSEC:
			nr_nosec++;
			break;
		case DEF:
			ASSERT_EQ(read_var(obj, data, "first_def"), 6 + 1, "first_def");
			has_def = true;
			break;
		case WEAK:
			ASSERT_EQ(read_var(obj, data, "first_weak"), 6 + 1, "first_weak");
			break;
		}
	}
	ASSERT_EQ(read_var(obj, data, "shared"), (has_def ? 7 : 1000) + cnt, "shared");
	ASSERT_OK(bpf_map__lookup_elem(runs, &zero, sizeof(zero), &run, sizeof(run), 0), "lookup");
	ASSERT_EQ(run, cnt - nr_nosec, "runs");
}

static void check(const int *fds, const int *objs, int cnt)
{
	struct bpf_object *obj = NULL;
	int fd;

	fd = link_fds(fds, cnt);
	if (!ASSERT_OK_FD(fd, "link"))
		return;
	obj = open_fd(fd);
	if (ASSERT_OK_PTR(obj, "open"))
		check_counts(obj, objs, cnt);
	bpf_object__close(obj);
	close(fd);
}

/* The compiler's objects, then each linked by itself, then again, and last one by one. */
static void check_order(const int *objs, int cnt)
{
	int i, times, fd, next[2], fds[NR_OBJS];

	for (i = 0; i < cnt; i++) {
		fds[i] = open(names[objs[i]], O_RDONLY | O_CLOEXEC);
		if (!ASSERT_OK_FD(fds[i], names[objs[i]]))
			goto out;
	}
	check(fds, objs, cnt);
	for (times = 0; times < 2; times++) {
		for (i = 0; i < cnt; i++) {
			fd = link_fds(&fds[i], 1);
			if (!ASSERT_OK_FD(fd, "link_alone"))
				goto out;
			close(fds[i]);
			fds[i] = fd;
		}
		check(fds, objs, cnt);
	}
	for (i = 1; i < cnt; i++) {
		next[0] = fds[0];
		next[1] = fds[i];
		fd = link_fds(next, 2);
		if (!ASSERT_OK_FD(fd, "link_next"))
			break;
		close(fds[0]);
		fds[0] = fd;
	}
	if (i == cnt) {
		struct bpf_object *obj = open_fd(fds[0]);

		if (ASSERT_OK_PTR(obj, "open_next"))
			check_counts(obj, objs, cnt);
		bpf_object__close(obj);
	}
	i = cnt;
out:
	while (--i >= 0)
		close(fds[i]);
}

/* What nobody defines must not be taken for what the section starts with. */
static void check_unresolved(const char *name, const char *msg)
{
	int fd, linked;
	struct bpf_object *obj;
	char *log;

	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (!ASSERT_OK_FD(fd, "open"))
		return;
	linked = link_fds(&fd, 1);
	if (!ASSERT_OK_FD(linked, "link") ||
	    !ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		goto out;
	obj = open_fd(linked);
	log = stop_libbpf_log_capture();
	ASSERT_ERR_PTR(obj, "open_linked");
	ASSERT_HAS_SUBSTR(log, msg, "log");
	free(log);
	bpf_object__close(obj);
out:
	if (linked >= 0)
		close(linked);
	close(fd);
}

void test_linked_again(void)
{
	static const struct {
		const char *name;
		int objs[NR_OBJS];
		int cnt;
	} orders[] = {
		{ "decl_def", { DECL, DEF }, 2 },
		{ "def_decl", { DEF, DECL }, 2 },
		{ "decl_weak", { DECL, WEAK }, 2 },
		{ "weak_decl", { WEAK, DECL }, 2 },
		{ "decl_def_weak", { DECL, DEF, WEAK }, 3 },
		{ "decl_weak_def", { DECL, WEAK, DEF }, 3 },
		{ "def_decl_weak", { DEF, DECL, WEAK }, 3 },
		{ "def_weak_decl", { DEF, WEAK, DECL }, 3 },
		{ "weak_decl_def", { WEAK, DECL, DEF }, 3 },
		{ "weak_def_decl", { WEAK, DEF, DECL }, 3 },
		{ "nosec_def", { NOSEC, DEF }, 2 },
		{ "def_nosec", { DEF, NOSEC }, 2 },
		{ "nosec_weak", { NOSEC, WEAK }, 2 },
		{ "nosec_decl_weak_def", { NOSEC, DECL, WEAK, DEF }, 4 },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++)
		if (test__start_subtest(orders[i].name))
			check_order(orders[i].objs, orders[i].cnt);
	if (test__start_subtest("unresolved"))
		check_unresolved(names[DECL], "is not defined: link the object");
	if (test__start_subtest("unresolved_nosec"))
		check_unresolved(names[NOSEC], "extern 'shared' (in no section) is not defined");
}
