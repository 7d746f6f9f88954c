// SPDX-License-Identifier: GPL-2.0
/* Static linking of objects that have per-CPU data */

#include <sys/stat.h>
#include "linker_helpers.h"
#include "percpu_data_helpers.h"
#include "percpu_data_linked.skel.h"

#define OBJ1 "./percpu_data_linked1.bpf.o"
#define OBJ2 "./percpu_data_linked2.bpf.o"
#define OBJ_DECL "./percpu_data_linked_decl.bpf.o"
#define OBJ_TYPE "./percpu_data_linked_type.bpf.o"
#define OBJ_SEC "./percpu_data_linked_sec.bpf.o"

/* What all build systems do: bpftool links, twice, and makes a skeleton of it. */
static void test_skeleton(void)
{
	int cpu, nr_cpus = libbpf_num_possible_cpus(), nr_ran = 0;
	struct percpu_data_linked__percpu_linked named;
	struct percpu_data_linked__percpu vars;
	struct percpu_data_linked *skel;

	skel = percpu_data_linked__open_and_load();
	if (!ASSERT_OK_PTR(skel, "open_and_load"))
		return;

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		bool ran = ran_on_cpu(bpf_program__fd(skel->progs.count1), cpu) &&
			   ran_on_cpu(bpf_program__fd(skel->progs.count_decl), cpu) &&
			   ran_on_cpu(bpf_program__fd(skel->progs.count2), cpu);

		nr_ran += ran;
		if (!read_cpu(skel->maps.percpu, cpu, &vars) ||
		    !read_cpu(skel->maps.percpu_linked, cpu, &named))
			break;
		ASSERT_EQ(vars.odd, 1 + ran, "odd");
		ASSERT_EQ(vars.seen_same_name1, ran ? 11 : -1, "same_name1");
		ASSERT_EQ(vars.seen_same_name2, ran ? 21 : -1, "same_name2");
		ASSERT_EQ(vars.aligned, 23 + ran, "aligned");
		ASSERT_EQ(vars.declared, 24 + 2 * ran, "declared");
		ASSERT_EQ(vars.undecided, 25 + 3 * ran, "undecided");
		ASSERT_EQ(vars.weak, 26 + 2 * ran, "weak");
		ASSERT_EQ(named.named_first, 12 + ran, "named_first");
		ASSERT_EQ(named.named_second, 27 + ran, "named_second");
		ASSERT_EQ(named.named_declared, 28 + 2 * ran, "named_declared");
	}
	ASSERT_EQ(skel->data_linked->data_first, 11 + nr_ran, "data_first");
	ASSERT_EQ(skel->data_linked->data_second, 21 + nr_ran, "data_second");
	ASSERT_EQ(skel->data_linked->data_declared, 22 + 2 * nr_ran, "data_declared");
	percpu_data_linked__destroy(skel);
}

/* Link object files; return the result, or NULL and what libbpf says. */
static void *link_objs(const char *const files[], int nr_files, size_t *size, char **log)
{
	int i, fd, err = 0;
	struct bpf_linker *linker;
	void *buf = NULL;
	struct stat st;

	*log = NULL;
	fd = memfd_create("linked", 0);
	if (!ASSERT_OK_FD(fd, "memfd"))
		return NULL;
	linker = bpf_linker__new_fd(fd, NULL);
	if (!ASSERT_OK_PTR(linker, "linker") || start_libbpf_log_capture())
		goto out;

	for (i = 0; i < nr_files; i++)
		err = err ?: bpf_linker__add_file(linker, files[i], NULL);
	err = err ?: bpf_linker__finalize(linker);
	*log = stop_libbpf_log_capture();
	if (err || !ASSERT_OK(fstat(fd, &st), "fstat"))
		goto out;

	*size = st.st_size;
	buf = malloc(st.st_size);
	if (!ASSERT_OK_PTR(buf, "malloc") ||
	    !ASSERT_EQ(pread(fd, buf, st.st_size, 0), st.st_size, "pread")) {
		free(buf);
		buf = NULL;
	}
out:
	bpf_linker__free(linker);
	close(fd);
	return buf;
}

/* A variable's value, where BTF says that it is. */
static int read_var(struct bpf_object *obj, const char *sec, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, sec);
	int off, val = -1, zero = 0;
	char copy[64];

	if (!ASSERT_OK_PTR(map, sec) ||
	    !ASSERT_LE(bpf_map__value_size(map), sizeof(copy), "value_size"))
		return -1;
	if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY)
		read_cpu(map, 0, copy);
	else
		bpf_map__lookup_elem(map, &zero, sizeof(zero), copy, bpf_map__value_size(map), 0);

	off = var_offset(obj, map, name);
	if (off >= 0)
		memcpy(&val, copy + off, sizeof(val));
	return val;
}

/* Linked once, BTF has to tell where the variables are already. */
static void check_linked(const char *const files[])
{
	struct bpf_object *obj = NULL;
	struct bpf_program *prog;
	size_t size;
	void *buf;
	char *log;

	buf = link_objs(files, 3, &size, &log);
	if (!ASSERT_OK_PTR(buf, "link")) {
		fprintf(stderr, "%s\n", log);
		goto out;
	}
	obj = bpf_object__open_mem(buf, size, NULL);
	if (!ASSERT_OK_PTR(obj, "open") || !ASSERT_OK(bpf_object__load(obj), "load"))
		goto out;

	bpf_object__for_each_program(prog, obj)
		ran_on_cpu(bpf_program__fd(prog), 0);

	ASSERT_EQ(read_var(obj, ".percpu", "declared"), 24 + 2, "declared");
	ASSERT_EQ(read_var(obj, ".percpu", "undecided"), 25 + 3, "undecided");
	ASSERT_EQ(read_var(obj, ".percpu", "weak"), 26 + 2, "weak");
	ASSERT_EQ(read_var(obj, ".percpu", "seen_same_name1"), 11, "same_name1");
	ASSERT_EQ(read_var(obj, ".percpu", "seen_same_name2"), 21, "same_name2");
	ASSERT_EQ(read_var(obj, ".data.linked", "data_first"), 11 + 1, "data_first");
	ASSERT_EQ(read_var(obj, ".data.linked", "data_second"), 21 + 1, "data_second");
	ASSERT_EQ(read_var(obj, ".data.linked", "data_declared"), 22 + 2, "data_declared");
	ASSERT_EQ(read_var(obj, ".percpu.linked", "named_first"), 12 + 1, "named_first");
	ASSERT_EQ(read_var(obj, ".percpu.linked", "named_second"), 27 + 1, "named_second");
	ASSERT_EQ(read_var(obj, ".percpu.linked", "named_declared"), 28 + 2, "named_declared");
out:
	bpf_object__close(obj);
	free(buf);
	free(log);
}

/* What build systems do that put each object through the linker by itself, once or twice. */
static void check_relinked(const char *const files[])
{
	char paths[3][32];
	const char *const relinked[] = { paths[0], paths[1], paths[2] };
	int i, times, fd, fds[3];

	for (i = 0; i < 3; i++) {
		fds[i] = open(files[i], O_RDONLY | O_CLOEXEC);
		if (!ASSERT_OK_FD(fds[i], files[i]))
			goto out;
	}
	for (times = 0; times < 2; times++) {
		for (i = 0; i < 3; i++) {
			fd = link_fds(&fds[i], 1);
			if (!ASSERT_OK_FD(fd, "link_alone"))
				goto out_all;
			close(fds[i]);
			fds[i] = fd;
			snprintf(paths[i], sizeof(paths[i]), "/proc/self/fd/%d", fd);
		}
		check_linked(relinked);
	}
out_all:
	i = 3;
out:
	while (--i >= 0)
		close(fds[i]);
}

static void check_rejected(const char *file, const char *msg)
{
	size_t size;
	void *buf;
	char *log;

	buf = link_objs(&file, 1, &size, &log);
	ASSERT_ERR_PTR(buf ?: ERR_PTR(-EINVAL), "link");
	ASSERT_HAS_SUBSTR(log, msg, "msg");
	free(buf);
	free(log);
}

/* Whichever comes first, the message is about the variable and both files. */
static void check_mismatch(const char *file1, const char *file2, const char *msg)
{
	const char *const files[] = { file1, file2 };
	size_t size;
	void *buf;
	char *log;

	buf = link_objs(files, 2, &size, &log);
	ASSERT_ERR_PTR(buf ?: ERR_PTR(-EINVAL), "link");
	ASSERT_HAS_SUBSTR(log, msg, "msg");
	free(buf);
	free(log);
}

void test_percpu_data_linked(void)
{
	if (test__start_subtest("skeleton"))
		test_skeleton();
	if (test__start_subtest("once"))
		check_linked((const char *const []){ OBJ1, OBJ_DECL, OBJ2 });
	if (test__start_subtest("once_swapped"))
		check_linked((const char *const []){ OBJ2, OBJ_DECL, OBJ1 });
	if (test__start_subtest("relinked"))
		check_relinked((const char *const []){ OBJ1, OBJ_DECL, OBJ2 });
	if (test__start_subtest("relinked_swapped"))
		check_relinked((const char *const []){ OBJ2, OBJ_DECL, OBJ1 });
	if (test__start_subtest("pointer"))
		check_rejected("./percpu_data_invalid_pointer.bpf.o",
			       "sec '.percpu': initial value of variable 'where' in");
	if (test__start_subtest("type")) {
		check_mismatch(OBJ1, OBJ_TYPE, "incompatible int 'int' size 4 and 8");
		check_mismatch(OBJ1, OBJ_TYPE,
			       "global 'declared': '" OBJ1 "' and '" OBJ_TYPE "' don't agree");
		check_mismatch(OBJ_TYPE, OBJ1,
			       "global 'declared': '" OBJ_TYPE "' and '" OBJ1 "' don't agree");
	}
	if (test__start_subtest("section")) {
		check_mismatch(OBJ1, OBJ_SEC,
			       "global 'declared': section mismatch, '.percpu' in '" OBJ1
			       "' and '.percpu.other' in '" OBJ_SEC "'");
		check_mismatch(OBJ_SEC, OBJ1,
			       "global 'declared': section mismatch, '.percpu.other' in '" OBJ_SEC
			       "' and '.percpu' in '" OBJ1 "'");
	}
	if (test__start_subtest("conflict"))
		check_mismatch(OBJ2, OBJ2, "definition in '" OBJ2 "' and '" OBJ2 "'");
}
