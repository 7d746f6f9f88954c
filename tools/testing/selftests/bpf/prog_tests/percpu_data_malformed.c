// SPDX-License-Identifier: GPL-2.0
/* Objects whose .percpu section contradicts its BTF or its symbols */

#include <libelf.h>
#include "elf_damage.h"
#include "percpu_data_helpers.h"
#include "percpu_data_fields.skel.h"
#include "percpu_data_malformed.skel.h"

#define NR_DAMAGED 3000

/* A copy of the object's file, to be edited in place, and where things are in it. */
struct image {
	char *buf;
	size_t size;
	Elf64_Shdr *sec;		/* .percpu */
	Elf64_Shdr *btf_sec;
	int sec_idx;
	struct btf_type *datasec;	/* of .percpu */
	struct btf_var_secinfo *vars;
	Elf64_Sym *first, *second;	/* of its first two variables */
};

static Elf64_Shdr *find_sec(struct image *img, const char *name, int *idx)
{
	Elf64_Ehdr *ehdr = (void *)img->buf;
	Elf64_Shdr *shdrs = (void *)img->buf + ehdr->e_shoff;
	char *strs = img->buf + shdrs[ehdr->e_shstrndx].sh_offset;
	int i;

	for (i = 1; i < ehdr->e_shnum; i++) {
		if (strcmp(strs + shdrs[i].sh_name, name) == 0) {
			if (idx)
				*idx = i;
			return &shdrs[i];
		}
	}
	return NULL;
}

static Elf64_Sym *find_sym(struct image *img, const char *name)
{
	Elf64_Shdr *symtab = find_sec(img, ".symtab", NULL);
	Elf64_Shdr *strtab = find_sec(img, ".strtab", NULL);
	Elf64_Sym *sym = (void *)img->buf + symtab->sh_offset;
	int i;

	for (i = 0; i < symtab->sh_size / sizeof(*sym); i++, sym++)
		if (strcmp(img->buf + strtab->sh_offset + sym->st_name, name) == 0)
			return sym;
	return NULL;
}

static bool read_image(struct image *img)
{
	const void *bytes = percpu_data_malformed__elf_bytes(&img->size);
	const struct btf_type *t;
	const void *raw;
	struct btf *btf;
	__u32 raw_size;

	img->buf = malloc(img->size);
	if (!ASSERT_OK_PTR(img->buf, "malloc"))
		return false;
	memcpy(img->buf, bytes, img->size);

	img->sec = find_sec(img, ".percpu", &img->sec_idx);
	img->btf_sec = find_sec(img, ".BTF", NULL);
	img->first = find_sym(img, "first");
	img->second = find_sym(img, "second");
	if (!ASSERT_TRUE(img->sec && img->btf_sec && img->first && img->second, "elf"))
		return false;

	btf = btf__new(img->buf + img->btf_sec->sh_offset, img->btf_sec->sh_size);
	if (!ASSERT_OK_PTR(btf, "btf"))
		return false;
	raw = btf__raw_data(btf, &raw_size);
	t = btf__type_by_id(btf, btf__find_by_name_kind(btf, ".percpu", BTF_KIND_DATASEC));
	if (!ASSERT_OK_PTR(t, "datasec")) {
		btf__free(btf);
		return false;
	}
	img->datasec = (void *)img->buf + img->btf_sec->sh_offset + ((void *)t - raw);
	img->vars = btf_var_secinfos(img->datasec);
	btf__free(btf);
	return ASSERT_EQ(img->vars[0].offset, img->first->st_value, "first");
}

/* What is wrong, and what libbpf says about it. */
static void btf_larger(struct image *img)
{
	img->datasec->size += 8;
}

static void btf_smaller(struct image *img)
{
	img->datasec->size -= 8;
}

static void elf_smaller(struct image *img)
{
	img->sec->sh_size -= 4;
}

static void elf_empty(struct image *img)
{
	img->sec->sh_size = 0;
}

static void overlap(struct image *img)
{
	img->vars[1].offset = img->vars[0].offset + 2;
}

static void var_outside(struct image *img)
{
	img->vars[1].offset = img->datasec->size;
	img->second->st_value = 0;
}

static void var_too_long(struct image *img)
{
	img->vars[btf_vlen(img->datasec) - 1].size += 1;
}

static void var_huge(struct image *img)
{
	img->vars[btf_vlen(img->datasec) - 1].size = 0xffffffff;
}

static void var_too_short(struct image *img)
{
	img->vars[0].size = 2;
}

static void swapped(struct image *img)
{
	img->vars[0].offset = img->second->st_value;
	img->vars[1].offset = img->first->st_value;
}

static void other_sec(struct image *img)
{
	img->first->st_shndx++;
}

static void sym_outside(struct image *img)
{
	img->second->st_value = img->sec->sh_size;
}

static void sym_too_long(struct image *img)
{
	img->second->st_size = -1;
}

static void no_sym(struct image *img)
{
	img->first->st_name = 0;
}

static void no_var(struct image *img)
{
	img->vars[0].type = 1;
}

static const struct {
	const char *name;
	void (*edit)(struct image *img);
	const char *msg;
} cases[] = {
	{ "btf_larger", btf_larger, "section has 20 bytes, but its BTF datasec has 28" },
	{ "btf_smaller", btf_smaller, "section has 20 bytes, but its BTF datasec has 12" },
	{ "elf_smaller", elf_smaller,
	  "symbol 'third' (offset 8, size 12) is outside of section of 16 bytes" },
	{ "elf_empty", elf_empty, "in section '.percpu'" },
	{ "overlap", overlap, "variable 'second' at offset 2 overlaps with the one before it" },
	{ "var_outside", var_outside, "variable 'second' (offset 20, size 4) is outside" },
	{ "var_too_long", var_too_long,
	  "variable 'third' (offset 8, size 13) is outside of section of 20 bytes" },
	{ "var_huge", var_huge, "variable 'third' (offset 8, size 4294967295) is outside" },
	{ "var_too_short", var_too_short,
	  "variable 'first' of 2 bytes is smaller than its type" },
	{ "swapped", swapped, "variable 'second' at offset 0 has no symbol there" },
	{ "other_sec", other_sec, "variable 'first' at offset 0 has no symbol there" },
	{ "sym_outside", sym_outside,
	  "symbol 'second' (offset 20, size 4) is outside of section of 20 bytes" },
	{ "sym_too_long", sym_too_long,
	  "symbol 'second' (offset 4, size 18446744073709551615) is outside" },
	{ "no_sym", no_sym, "failed to find ELF symbol for VAR 'first'" },
	{ "no_var", no_var, "unexpected non-VAR type found" },
};

/* What libbpf says of an object that it rejects */
static char *rejection(const struct image *img)
{
	struct bpf_object *obj;
	char *log;

	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		return NULL;
	obj = bpf_object__open_mem(img->buf, img->size, NULL);
	log = stop_libbpf_log_capture();
	ASSERT_ERR_PTR(obj, "open");
	bpf_object__close(obj);
	return log;
}

static void test_case(int i)
{
	struct image img = {};
	char *log;

	if (!read_image(&img))
		goto out;
	cases[i].edit(&img);

	log = rejection(&img);
	if (!ASSERT_OK_PTR(log, "log"))
		goto out;
	ASSERT_HAS_SUBSTR(log, "'.percpu'", "section");
	ASSERT_HAS_SUBSTR(log, cases[i].msg, "msg");
	free(log);
out:
	free(img.buf);
}

/* A function that ends within the instruction that has the address of a variable */
static void test_truncated(void)
{
	struct image img = {};
	char *log;

	if (!read_image(&img))
		goto out;
	find_sec(&img, "raw_tp", NULL)->sh_size = sizeof(struct bpf_insn);
	find_sym(&img, "count")->st_size = sizeof(struct bpf_insn);

	log = rejection(&img);
	if (!ASSERT_OK_PTR(log, "log"))
		goto out;
	ASSERT_HAS_SUBSTR(log, "relo against 'first' for insns[0] (LDIMM64) is truncated", "msg");
	free(log);
out:
	free(img.buf);
}

/* No BTF is no contradiction. */
static void test_no_btf(void)
{
	struct bpf_object *obj = NULL;
	struct image img = {};
	struct bpf_map *map;
	int copy[5];

	if (!read_image(&img))
		goto out;
	/* a section that libbpf doesn't look at */
	find_sec(&img, ".BTF.ext", NULL)->sh_type = SHT_STRTAB;
	img.btf_sec->sh_type = SHT_STRTAB;

	obj = bpf_object__open_mem(img.buf, img.size, NULL);
	if (!ASSERT_OK_PTR(obj, "open") || !ASSERT_NULL(bpf_object__btf(obj), "btf") ||
	    !ASSERT_OK(bpf_object__load(obj), "load"))
		goto out;
	map = bpf_object__find_map_by_name(obj, ".percpu");
	if (!ASSERT_OK_PTR(map, "map"))
		goto out;
	ran_on_cpu(bpf_program__fd(bpf_object__next_program(obj, NULL)), 0);
	if (read_cpu(map, 0, copy))
		ASSERT_EQ(copy[1], 2 + 1, "second");
out:
	bpf_object__close(obj);
	free(img.buf);
}

/* Objects as the compiler makes them, with something that per-CPU data can't have. */
static void check_invalid(const char *file, const char *msg)
{
	struct bpf_object *obj;
	char *log;

	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		return;
	obj = bpf_object__open_file(file, NULL);
	log = stop_libbpf_log_capture();
	ASSERT_ERR_PTR(obj, "open");
	ASSERT_HAS_SUBSTR(log, msg, "msg");
	bpf_object__close(obj);
	free(log);
}

/* Replace a name in BTF by one that is not longer. */
static bool rename_type(char *buf, size_t size, const char *from, const char *to)
{
	char *name = memmem(buf, size, from, strlen(from) + 1);

	if (!ASSERT_OK_PTR(name, from))
		return false;
	strcpy(name, to);
	return true;
}

/* As the kernel sees it: wherever it is in an array or in a struct in a struct. */
static void check_field(const char *var, const char *from, const char *field, const char *to)
{
	struct bpf_object *obj;
	const void *bytes;
	char msg[128];
	size_t size;
	char *buf, *log;

	bytes = percpu_data_fields__elf_bytes(&size);
	buf = malloc(size);
	if (!ASSERT_OK_PTR(buf, "malloc"))
		return;
	memcpy(buf, bytes, size);
	if (!rename_type(buf, size, from, to))
		goto out;
	if (!ASSERT_OK(start_libbpf_log_capture(), "log_capture"))
		goto out;
	obj = bpf_object__open_mem(buf, size, NULL);
	log = stop_libbpf_log_capture();
	if (var) {
		snprintf(msg, sizeof(msg),
			 "sec '.percpu.%s': variable '%s' has a %s, which per-CPU data can't have",
			 var, var, field);
		ASSERT_ERR_PTR(obj, "open");
		ASSERT_HAS_SUBSTR(log, msg, "msg");
	} else {
		ASSERT_OK_PTR(obj, "open");
	}
	bpf_object__close(obj);
	free(log);
out:
	free(buf);
}

static void test_fields(void)
{
	static const char * const names[] = {
		"bpf_spin_lock", "bpf_res_spin_lock", "bpf_timer", "bpf_wq", "bpf_task_work",
		"bpf_list_head", "bpf_rb_root",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		check_field("plain", "type_in_a_variable", names[i], names[i]);
		check_field("nested", "type_in_a_nested_array", names[i], names[i]);
		/* no elements, nothing to be managed */
		check_field(NULL, "type_in_an_empty_array", names[i], names[i]);
		/* .data can have them */
		check_field(NULL, "type_in_plain_data", names[i], names[i]);
	}
	check_field("tagged", "type_tag_of_pointer", "__uptr", "uptr");
	check_field(NULL, "type_tag_of_pointer", "", "kptr");
	check_field(NULL, "type_in_a_nested_array", "", "bpf_refcount");
}

/* Only a variable that lies inside can be read and written. */
static bool vars_are_inside(const struct bpf_object *obj)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, ".percpu");
	int i, type_id = map ? bpf_map__btf_value_type_id(map) : 0;
	const struct btf_var_secinfo *vsi;
	const struct btf_type *t;

	if (!type_id)
		return true;
	t = btf__type_by_id(bpf_object__btf(obj), type_id);
	for (i = 0, vsi = btf_var_secinfos(t); i < btf_vlen(t); i++, vsi++)
		if ((__u64)vsi->offset + vsi->size > bpf_map__value_size(map))
			return false;
	return true;
}

/* Many of these are refused, none may crash. */
static void test_damaged(void)
{
	int i, nr_opened = 0, nr_refused = 0, nr_outside = 0;
	libbpf_print_fn_t old_print;
	unsigned long long seed = 1;
	struct image img = {};
	struct bpf_object *obj;
	const void *bytes;
	size_t size;

	if (!read_image(&img))
		goto out;
	bytes = percpu_data_malformed__elf_bytes(&size);

	old_print = libbpf_set_print(ignore_log);
	for (i = 0; i < NR_DAMAGED; i++) {
		memcpy(img.buf, bytes, size);
		damage(img.buf, img.size, &seed);
		obj = bpf_object__open_mem(img.buf, img.size, NULL);
		if (obj) {
			nr_opened++;
			nr_outside += !vars_are_inside(obj);
		} else {
			nr_refused++;
		}
		bpf_object__close(obj);
	}
	libbpf_set_print(old_print);

	ASSERT_EQ(nr_outside, 0, "outside");
	/* the damage is neither too little nor too much to be of use */
	ASSERT_GT(nr_opened, NR_DAMAGED / 10, "opened");
	ASSERT_GT(nr_refused, NR_DAMAGED / 10, "refused");
out:
	free(img.buf);
}

void test_percpu_data_malformed(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (test__start_subtest(cases[i].name))
			test_case(i);
	if (test__start_subtest("pointer"))
		check_invalid("./percpu_data_invalid_pointer.bpf.o",
			      "sec '.percpu': initial value of variable 'where' is an address");
	if (test__start_subtest("lock"))
		check_invalid("./percpu_data_invalid_lock.bpf.o",
			      "sec '.percpu.locked': variable 'locked' has a bpf_spin_lock");
	if (test__start_subtest("fields"))
		test_fields();
	if (test__start_subtest("truncated"))
		test_truncated();
	if (test__start_subtest("no_btf"))
		test_no_btf();
	if (test__start_subtest("damaged"))
		test_damaged();
}
