// SPDX-License-Identifier: GPL-2.0
/* Objects that are damaged are linked or rejected, nothing else */

#include <sys/mman.h>
#include <test_progs.h>
#include "data_sec_maps.skel.h"
#include "elf_damage.h"

#define NR_DAMAGED 2000

static Elf64_Shdr *find_sec(char *buf, const char *name)
{
	Elf64_Ehdr *ehdr = (void *)buf;
	Elf64_Shdr *shdrs = (void *)buf + ehdr->e_shoff;
	char *strs = buf + shdrs[ehdr->e_shstrndx].sh_offset;
	int i;

	for (i = 1; i < ehdr->e_shnum; i++)
		if (strcmp(strs + shdrs[i].sh_name, name) == 0)
			return &shdrs[i];
	return NULL;
}

static int link_buf(char *buf, size_t size)
{
	struct bpf_linker *linker;
	int fd, err;

	fd = memfd_create("linked", 0);
	if (fd < 0)
		return -errno;
	linker = bpf_linker__new_fd(fd, NULL);
	if (!linker) {
		close(fd);
		return -ENOMEM;
	}
	err = bpf_linker__add_buf(linker, buf, size, NULL);
	err = err ?: bpf_linker__finalize(linker);
	bpf_linker__free(linker);
	close(fd);
	return err;
}

static char *read_object(size_t *size)
{
	const void *bytes = data_sec_maps__elf_bytes(size);
	char *buf = malloc(*size);

	if (ASSERT_OK_PTR(buf, "malloc"))
		memcpy(buf, bytes, *size);
	return buf;
}

/* An instruction behind the section's end */
static void relo_outside(char *buf)
{
	Elf64_Rel *rel = (void *)buf + find_sec(buf, ".relraw_tp")->sh_offset;

	rel->r_offset = find_sec(buf, "raw_tp")->sh_size;
}

static void two_btfs(char *buf)
{
	find_sec(buf, ".BTF.ext")->sh_name = find_sec(buf, ".BTF")->sh_name;
}

/* .BTF.ext is about instructions in a section that does not go into the result. */
static void btf_ext_of_no_insns(char *buf)
{
	Elf64_Shdr *btf = find_sec(buf, ".BTF");
	char *name = memmem(buf + btf->sh_offset, btf->sh_size, "\0raw_tp", sizeof("\0raw_tp"));

	if (ASSERT_OK_PTR(name, "name"))
		strcpy(name + 1, ".BTF");
}

static void check_rejected(void (*edit)(char *buf), int exp_err)
{
	size_t size;
	char *buf;

	buf = read_object(&size);
	if (!buf)
		return;
	ASSERT_OK(link_buf(buf, size), "link");
	edit(buf);
	ASSERT_EQ(link_buf(buf, size), exp_err, "link_damaged");
	free(buf);
}

static void test_damaged(void)
{
	int i, nr_linked = 0, nr_rejected = 0;
	libbpf_print_fn_t old_print;
	unsigned long long seed = 1;
	size_t size;
	char *buf;

	buf = read_object(&size);
	if (!buf)
		return;

	old_print = libbpf_set_print(ignore_log);
	for (i = 0; i < NR_DAMAGED; i++) {
		memcpy(buf, data_sec_maps__elf_bytes(&size), size);
		damage(buf, size, &seed);
		if (link_buf(buf, size))
			nr_rejected++;
		else
			nr_linked++;
	}
	libbpf_set_print(old_print);

	/* the damage is neither too little nor too much to be of use */
	ASSERT_GT(nr_linked, NR_DAMAGED / 10, "linked");
	ASSERT_GT(nr_rejected, NR_DAMAGED / 10, "rejected");
	free(buf);
}

void test_linked_damaged(void)
{
	if (test__start_subtest("relo_outside"))
		check_rejected(relo_outside, -EINVAL);
	if (test__start_subtest("two_btfs"))
		check_rejected(two_btfs, -EOPNOTSUPP);
	if (test__start_subtest("btf_ext_of_no_insns"))
		check_rejected(btf_ext_of_no_insns, -EINVAL);
	if (test__start_subtest("damaged"))
		test_damaged();
}
