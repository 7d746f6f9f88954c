// SPDX-License-Identifier: GPL-2.0
/* Link objects that may be damaged, open what comes out, and link it again */

#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <bpf/libbpf.h>
#include "fuzz.h"

#define MAX_OBJECTS 4

struct object {
	void *data;
	size_t size;
};

/* Link objects, in reverse if step is -1. */
static int link_objects(const struct object *obj, int nr, int step, struct object *out)
{
	int i, err = -1, fd = memfd_create("linked", MFD_CLOEXEC);
	struct bpf_linker *linker;
	struct stat st;

	linker = bpf_linker__new_fd(fd, NULL);
	if (!linker)
		goto out;
	for (i = 0; i < nr; i++, obj += step)
		if (bpf_linker__add_buf(linker, obj->data, obj->size, NULL))
			goto out;
	if (bpf_linker__finalize(linker) || fstat(fd, &st))
		goto out;
	out->size = st.st_size;
	out->data = malloc(out->size);
	err = pread(fd, out->data, out->size, 0) == out->size ? 0 : -1;
	if (err)
		free(out->data);
out:
	bpf_linker__free(linker);
	close(fd);
	return err;
}

static void try(const struct object *obj, int nr, int step)
{
	struct object once, twice;

	if (link_objects(obj, nr, step, &once))
		return;
	bpf_object__close(bpf_object__open_mem(once.data, once.size, NULL));
	if (!link_objects(&once, 1, 1, &twice))
		free(twice.data);
	free(once.data);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	struct object obj[MAX_OBJECTS];
	int i, nr = 0;

	if (size < EI_NIDENT)
		return -1;
	while (size && nr < MAX_OBJECTS) {
		obj[nr].size = fuzz_object_size(data, size);
		obj[nr].data = malloc(obj[nr].size);
		memcpy(obj[nr].data, data, obj[nr].size);
		data += obj[nr].size;
		size -= obj[nr++].size;
	}
	fuzz_start(obj[0].data);
	try(obj, nr, 1);
	if (nr > 1)
		try(obj + nr - 1, nr, -1);
	fuzz_end();
	for (i = 0; i < nr; i++)
		free(obj[i].data);
	return 0;
}
