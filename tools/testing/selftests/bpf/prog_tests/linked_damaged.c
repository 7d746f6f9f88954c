// SPDX-License-Identifier: GPL-2.0
/* Objects that are damaged are linked or rejected, nothing else */

#include <sys/mman.h>
#include <test_progs.h>
#include <bpf/btf.h>
#include "bpf/libbpf_internal.h"
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

static Elf64_Sym *find_sym(char *buf, const char *name)
{
	char *strs = buf + find_sec(buf, ".strtab")->sh_offset;
	Elf64_Shdr *symtab = find_sec(buf, ".symtab");
	Elf64_Sym *sym = (void *)buf + symtab->sh_offset;
	int i;

	for (i = 0; i < symtab->sh_size / sizeof(*sym); i++)
		if (strcmp(strs + sym[i].st_name, name) == 0)
			return &sym[i];
	return NULL;
}

/* The first type of that kind, and name if it matters */
static struct btf_type *find_type(char *buf, __u32 kind, const char *name, __u32 *id)
{
	Elf64_Shdr *sec = find_sec(buf, ".BTF");
	struct btf *btf = btf__new(buf + sec->sh_offset, sec->sh_size);
	const struct btf_type *t;
	void *found = NULL;
	__u32 size;

	for (*id = 1; (t = btf__type_by_id(btf, *id)); ++*id) {
		if (btf_kind(t) != kind ||
		    (name && strcmp(btf__name_by_offset(btf, t->name_off), name) != 0))
			continue;
		found = buf + sec->sh_offset + ((void *)t - btf__raw_data(btf, &size));
		break;
	}
	btf__free(btf);
	return found;
}

/* Change a string of BTF into one that is not longer; returns its offset. */
static __u32 replace_str(char *buf, const char *from, const char *to)
{
	Elf64_Shdr *sec = find_sec(buf, ".BTF");
	struct btf_header *hdr = (void *)buf + sec->sh_offset;
	char *strs = (char *)hdr + hdr->hdr_len + hdr->str_off, *str;

	str = memmem(strs, hdr->str_len, from, strlen(from) + 1);
	strcpy(str, to);
	return str - strs;
}

/* Link one object, or two. */
static int link_bufs(char *buf, char *buf2, size_t size)
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
	if (!err && buf2)
		err = bpf_linker__add_buf(linker, buf2, size, NULL);
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

/* Weak definitions can be linked with each other. */
static void make_weak(char *buf)
{
	Elf64_Shdr *symtab = find_sec(buf, ".symtab");
	Elf64_Sym *sym = (void *)buf + symtab->sh_offset;
	int i;

	for (i = 0; i < symtab->sh_size / sizeof(*sym); i++)
		if (ELF64_ST_BIND(sym[i].st_info) == STB_GLOBAL && sym[i].st_shndx)
			sym[i].st_info = ELF64_ST_INFO(STB_WEAK, ELF64_ST_TYPE(sym[i].st_info));
}

/* An instruction behind the section's end */
static void relo_outside(char *buf)
{
	Elf64_Rel *rel = (void *)buf + find_sec(buf, ".relraw_tp")->sh_offset;

	rel->r_offset = find_sec(buf, "raw_tp")->sh_size;
}

/* An instruction that would be changed, if there were any */
static void relo_nobits(char *buf)
{
	*find_sym(buf, "LINUX_KERNEL_VERSION") = (Elf64_Sym) {
		.st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION),
		.st_shndx = 1,
	};
	find_sec(buf, "?raw_tp")->sh_type = SHT_NOBITS;
}

/* A section that only BTF has is called like another object's relocations. */
static void relo_ephemeral(char *buf)
{
	__u32 id;

	*find_sec(buf, ".relraw_tp") = *find_sec(buf, ".rel?raw_tp");
	find_type(buf, BTF_KIND_DATASEC, ".ksyms", &id)->name_off =
		replace_str(buf, "__ARRAY_SIZE_TYPE__", ".relraw_tp");
}

/* Sections that are linked once, and have no contents to compare */
static void license_ephemeral(char *buf)
{
	replace_str(buf, ".kconfig", "version");
}

static void license_nobits(char *buf)
{
	find_sec(buf, "license")->sh_type = SHT_NOBITS;
}

/* A function that is in none of the sections */
static void sym_abs(char *buf)
{
	find_sym(buf, "count")->st_shndx = SHN_ABS;
}

/* Relocations by a section's symbol refer to none of the sections. */
static void sym_section_abs(char *buf)
{
	*find_sym(buf, "LINUX_KERNEL_VERSION") = (Elf64_Sym) {
		.st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION),
		.st_shndx = SHN_ABS,
	};
}

/* More than an int can hold, which has only zeros of it */
static void large(char *buf)
{
	find_sec(buf, ".bss")->sh_size = 1ULL << 32;
}

static void large_together(char *buf)
{
	find_sec(buf, ".bss")->sh_size = INT_MAX;
}

static void two_btfs(char *buf)
{
	find_sec(buf, ".BTF.ext")->sh_name = find_sec(buf, ".BTF")->sh_name;
}

static void two_btf_exts(char *buf)
{
	*find_sec(buf, "license") = *find_sec(buf, ".BTF.ext");
}

/* Types that have no end */
static void typedef_of_itself(char *buf)
{
	struct btf_type *t;
	__u32 id;

	t = find_type(buf, BTF_KIND_PTR, NULL, &id);
	t->info = btf_type_info(BTF_KIND_TYPEDEF, 0, 0);
	t->type = id;
}

static void const_circle(char *buf)
{
	__u32 id, volatile_id;

	find_type(buf, BTF_KIND_CONST, NULL, &id);
	find_type(buf, BTF_KIND_VOLATILE, NULL, &volatile_id)->type = id;
}

/* The chain is followed before the type that refers to nothing is looked at. */
static void const_of_nothing(char *buf)
{
	__u32 id;

	find_type(buf, BTF_KIND_VOLATILE, NULL, &id)->type = INT_MAX;
}

static void return_of_nothing(char *buf)
{
	__u32 id;

	find_type(buf, BTF_KIND_FUNC_PROTO, NULL, &id)->type = INT_MAX;
}

static void ptr_to_itself(char *buf)
{
	struct btf_type *t;
	__u32 id;

	t = find_type(buf, BTF_KIND_PTR, NULL, &id);
	t->type = id;
}

static void param_of_itself(char *buf)
{
	struct btf_type *t;
	__u32 id;

	t = find_type(buf, BTF_KIND_FUNC_PROTO, NULL, &id);
	btf_params(t)->type = id;
}

/* An array's description is as large as that of one member. */
static void struct_in_itself(char *buf)
{
	struct btf_type *t;
	__u32 id;

	t = find_type(buf, BTF_KIND_ARRAY, NULL, &id);
	t->info = btf_type_info(BTF_KIND_STRUCT, 1, 0);
	*btf_members(t) = (struct btf_member) { .type = id };
}

/* An extern's section does not go into the result, but another object's does. */
static void btf_of_no_data(char *buf)
{
	replace_str(buf, ".kconfig", ".symtab");
}

static struct btf_ext_header *find_ext(char *buf)
{
	return (void *)buf + find_sec(buf, ".BTF.ext")->sh_offset;
}

/* Instructions of the first section are said to be in one that does not go into the result. */
static struct btf_ext_info_sec *ext_of_no_insns(char *buf, __u32 info_off)
{
	struct btf_ext_header *hdr = find_ext(buf);
	struct btf_ext_info_sec *sec = (void *)hdr + hdr->hdr_len + info_off + sizeof(__u32);

	sec->sec_name_off = replace_str(buf, ".kconfig", ".symtab");
	return sec;
}

static void func_of_no_insns(char *buf)
{
	ext_of_no_insns(buf, find_ext(buf)->func_info_off);
}

static void line_of_no_insns(char *buf)
{
	ext_of_no_insns(buf, find_ext(buf)->line_info_off);
}

/* As there are no CO-RE relocations, make one of the first line, which is as large. */
static void core_relo_of_no_insns(char *buf)
{
	struct btf_ext_header *hdr = find_ext(buf);
	struct btf_ext_info_sec *sec = ext_of_no_insns(buf, hdr->line_info_off);

	sec->num_info = 1;
	((struct bpf_core_relo *)sec->data)->type_id = 1;
	hdr->core_relo_off = hdr->line_info_off;
	hdr->core_relo_len = sizeof(__u32) + sizeof(*sec) + sizeof(struct bpf_core_relo);
	hdr->line_info_len = 0;
}

static const struct {
	const char *name;
	void (*edit)(char *buf);
	int err;
	const char *msg;
	/* linked with the object as it was, not with itself */
	bool once;
} damages[] = {
	{ "relo_outside", relo_outside, -EINVAL, "points to missing symbol" },
	{ "relo_nobits", relo_nobits, -EINVAL, "points to missing symbol" },
	{ "relo_ephemeral", relo_ephemeral, -EINVAL,
	  "sections .relraw_tp are not compatible", true },
	{ "license_ephemeral", license_ephemeral, -EINVAL,
	  "contents of section 'version' are not supported" },
	{ "license_nobits", license_nobits, 0, "" },
	{ "sym_abs", sym_abs, -EINVAL, "points to missing section #65521" },
	{ "sym_section_abs", sym_section_abs, -EINVAL, "points to missing section #65521" },
	{ "large", large, -E2BIG, "sec '.bss': too large to be linked" },
	{ "large_together", large_together, -E2BIG, "sec '.bss': too large to be linked" },
	{ "two_btfs", two_btfs, -EOPNOTSUPP, "multiple .BTF sections" },
	{ "two_btf_exts", two_btf_exts, -EOPNOTSUPP, "multiple .BTF.ext sections" },
	{ "typedef_of_itself", typedef_of_itself, -EINVAL, "too many modifiers and typedefs" },
	{ "const_circle", const_circle, -EINVAL, "too many modifiers and typedefs" },
	{ "const_of_nothing", const_of_nothing, -EINVAL, "invalid referenced type ID 2147483647" },
	{ "return_of_nothing", return_of_nothing, -EINVAL,
	  "invalid referenced type ID 2147483647" },
	{ "ptr_to_itself", ptr_to_itself, -EINVAL, "global 'count': types are nested too deeply" },
	{ "param_of_itself", param_of_itself, -EINVAL,
	  "global 'count': types are nested too deeply" },
	{ "struct_in_itself", struct_in_itself, -EINVAL,
	  "global 'second': types are nested too deeply" },
	{ "btf_of_no_data", btf_of_no_data, 0, "", true },
	{ "func_of_no_insns", func_of_no_insns, -EINVAL,
	  "can't find section '.symtab' referenced from .BTF.ext" },
	{ "line_of_no_insns", line_of_no_insns, -EINVAL,
	  "can't find section '.symtab' referenced from .BTF.ext" },
	{ "core_relo_of_no_insns", core_relo_of_no_insns, -EINVAL,
	  "can't find section '.symtab' referenced from .BTF.ext" },
};

static void test_case(int nr)
{
	char *buf, *good, *log;
	size_t size;
	int err;

	buf = read_object(&size);
	good = read_object(&size);
	if (!buf || !good)
		goto out;
	make_weak(buf);
	make_weak(good);
	ASSERT_OK(link_bufs(buf, good, size), "link");

	damages[nr].edit(buf);
	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		goto out;
	err = link_bufs(buf, damages[nr].once ? good : buf, size);
	log = stop_libbpf_log_capture();
	ASSERT_EQ(err, damages[nr].err, "link_damaged");
	ASSERT_HAS_SUBSTR(log, damages[nr].msg, "log");
	free(log);
out:
	free(good);
	free(buf);
}

/* A struct that contains an array of a typedef of itself */
static void test_align(void)
{
	struct btf *btf = btf__new_empty();
	int id;

	if (!ASSERT_OK_PTR(btf, "new_empty"))
		return;
	btf__add_struct(btf, "outer", 4);
	btf__add_field(btf, "inner", 2, 0, 0);
	btf__add_array(btf, 3, 3, 1);
	btf__add_typedef(btf, "itself", 1);
	for (id = 1; id <= 3; id++) {
		errno = 0;
		ASSERT_EQ(btf__align_of(btf, id), 0, "align_of");
		ASSERT_EQ(errno, ELOOP, "errno");
	}
	btf__free(btf);
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
		if (link_bufs(buf, NULL, size))
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
	int i;

	for (i = 0; i < ARRAY_SIZE(damages); i++)
		if (test__start_subtest(damages[i].name))
			test_case(i);
	if (test__start_subtest("align"))
		test_align();
	if (test__start_subtest("damaged"))
		test_damaged();
}
