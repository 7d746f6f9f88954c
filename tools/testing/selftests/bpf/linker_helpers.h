/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <sys/mman.h>
#include <test_progs.h>
#include <bpf/btf.h>

/* Link object files, which are given by their descriptors, and return the result's. */
static inline int link_fds(const int *fds, int cnt)
{
	struct bpf_linker *linker;
	int i, fd, err = 0;

	fd = memfd_create("linked", 0);
	if (fd < 0)
		return -errno;
	linker = bpf_linker__new_fd(fd, NULL);
	if (!linker) {
		err = -errno;
		goto out;
	}
	for (i = 0; i < cnt; i++)
		err = err ?: bpf_linker__add_fd(linker, fds[i], NULL);
	err = err ?: bpf_linker__finalize(linker);
out:
	bpf_linker__free(linker);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* Open an object file, which is given by its descriptor. */
static inline struct bpf_object *open_fd(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return bpf_object__open_file(path, NULL);
}

/* Where a variable is in the value of its section's map, or -1 */
static inline int var_offset(const struct bpf_object *obj, const struct bpf_map *map,
			     const char *name)
{
	const struct btf *btf = bpf_object__btf(obj);
	const struct btf_var_secinfo *vsi;
	const struct btf_type *t;
	int i, off = -1, nr_found = 0;

	t = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
	if (!ASSERT_TRUE(t && btf_is_datasec(t), "datasec"))
		return -1;
	for (i = 0, vsi = btf_var_secinfos(t); i < btf_vlen(t); i++, vsi++) {
		const struct btf_type *var = btf__type_by_id(btf, vsi->type);

		if (strcmp(btf__name_by_offset(btf, var->name_off), name))
			continue;
		nr_found++;
		off = vsi->offset;
	}
	ASSERT_EQ(nr_found, 1, name);
	return off;
}
