/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <sys/mman.h>
#include <test_progs.h>

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
