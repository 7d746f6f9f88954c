// SPDX-License-Identifier: GPL-2.0
/* A kernel that takes what it gets, and mutations that keep objects readable */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/bpf.h>
#include <bpf/libbpf.h>
#include "libbpf_internal.h"
#include "fuzz.h"

#define MAX_VALUE	(1024 * 1024)
#define MAX_PERCPU	(32 << 10)

size_t LLVMFuzzerMutate(__u8 *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(__u8 *data, size_t size, size_t max_size, unsigned int seed);
int LLVMFuzzerInitialize(int *argc, char ***argv);
long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, ...);
void *__real_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __real_munmap(void *addr, size_t len);
int __wrap_munmap(void *addr, size_t len);

static unsigned int calls, failing;
static int fds;
static long mapped;

static size_t pages(size_t len)
{
	return (len + getpagesize() - 1) / getpagesize();
}

/*
 * A map is a file, so that its FD can be duplicated and mapped. Its position, which duplicates
 * share, is the size of a value, and above that, whether each CPU has one.
 */
static int map_create(const union bpf_attr *attr)
{
	bool percpu = attr->map_type == BPF_MAP_TYPE_PERCPU_ARRAY;
	int fd;

	if (attr->value_size > (percpu ? MAX_PERCPU : MAX_VALUE)) {
		errno = E2BIG;
		return -1;
	}
	/* libbpf updates these with FDs */
	switch (attr->map_type) {
	case BPF_MAP_TYPE_PROG_ARRAY:
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
		if (attr->value_size != sizeof(int)) {
			errno = EINVAL;
			return -1;
		}
	}
	fd = memfd_create("map", MFD_CLOEXEC);
	if (fd < 0 || lseek(fd, attr->value_size | (off_t)percpu << 32, SEEK_SET) < 0 ||
	    ftruncate(fd, pages(attr->value_size) * getpagesize() * libbpf_num_possible_cpus()))
		abort();
	return fd;
}

/* Read or write all of the memory that a kernel would. */
static int map_value(const union bpf_attr *attr, bool update)
{
	void *value = (void *)(unsigned long)attr->value;
	off_t pos = lseek(attr->map_fd, 0, SEEK_CUR), size = (__u32)pos;

	if (pos < 0)
		return -1;
	if (pos >> 32 && !(attr->flags & (BPF_F_CPU | BPF_F_ALL_CPUS)))
		size = (size + 7) / 8 * 8 * libbpf_num_possible_cpus();
	return (update ? pwrite(attr->map_fd, value, size, 0) :
			 pread(attr->map_fd, value, size, 0)) == size ? 0 : -1;
}

static int fake_bpf(enum bpf_cmd cmd, const union bpf_attr *attr)
{
	if (failing && ++calls == failing) {
		errno = EPERM;
		return -1;
	}
	switch (cmd & ~BPF_COMMON_ATTRS) {
	case BPF_MAP_CREATE:
		return map_create(attr);
	case BPF_MAP_UPDATE_ELEM:
		return map_value(attr, true);
	case BPF_MAP_LOOKUP_ELEM:
		return map_value(attr, false);
	case BPF_PROG_LOAD:
	case BPF_BTF_LOAD:
		return memfd_create("bpf", MFD_CLOEXEC);
	case BPF_MAP_FREEZE:
	case BPF_PROG_BIND_MAP:
		return 0;
	default:
		errno = EINVAL;
		return -1;
	}
}

long __wrap_syscall(long nr, ...)
{
	long arg[6];
	va_list args;
	int i;

	va_start(args, nr);
	for (i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (nr == __NR_bpf)
		return fake_bpf(arg[0], (void *)arg[1]);
	return __real_syscall(nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	void *p = __real_mmap64(addr, len, prot, flags, fd, off);

	if (p != MAP_FAILED && !(flags & MAP_FIXED))
		mapped += pages(len);
	return p;
}

int __wrap_munmap(void *addr, size_t len)
{
	int err = __real_munmap(addr, len);

	if (!err)
		mapped -= pages(len);
	return err;
}

static int count_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

void fuzz_start(const __u8 *data)
{
	calls = 0;
	failing = data[FUZZ_FAIL];
	fds = count_fds();
	mapped = 0;
}

void fuzz_end(void)
{
	int left = count_fds() - fds;

	if (!left && !mapped)
		return;
	fprintf(stderr, "leaked: %d FDs and %ld mapped pages\n", left, mapped);
	abort();
}

/* Have all messages formatted, and read by no one. */
static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	char buf[1024];

	return vsnprintf(buf, sizeof(buf), format, args);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int i;

	libbpf_set_print(print);
	/* what is kept from here on depends on no input */
	for (i = 0; i < __FEAT_CNT; i++)
		feat_supported(NULL, i);
	libbpf_num_possible_cpus();
	return 0;
}

static unsigned int seed;

static size_t rnd(size_t n)
{
	return n ? rand_r(&seed) % n : 0;
}

static bool is_object(const __u8 *data, size_t size)
{
	const Elf64_Ehdr *hdr = (void *)data;

	return size >= sizeof(*hdr) && !memcmp(data, ELFMAG, SELFMAG) &&
	       hdr->e_shoff >= sizeof(*hdr) && hdr->e_shoff <= size &&
	       hdr->e_shnum <= (size - hdr->e_shoff) / sizeof(Elf64_Shdr);
}

/* Where the first object in data ends: its section headers come last. */
size_t fuzz_object_size(const __u8 *data, size_t size)
{
	const Elf64_Ehdr *hdr = (void *)data;

	if (!is_object(data, size))
		return size;
	return hdr->e_shoff + hdr->e_shnum * sizeof(Elf64_Shdr);
}

static void change_word(__u8 *data, size_t size, size_t off, size_t len)
{
	size_t width = 1 << rnd(4);
	__u64 val = 0;

	if (len < width)
		return;
	off += rnd(len / width) * width;
	memcpy(&val, data + off, width);
	switch (rnd(5)) {
	case 0:
		val += rnd(17) - 8;
		break;
	case 1:
		val = rnd(256);
		break;
	case 2:
		val ^= 1ULL << rnd(8 * width);
		break;
	case 3: /* near a power of two */
		val = (1ULL << rnd(8 * width)) + rnd(3) - 1;
		break;
	case 4: /* what stands elsewhere */
		memcpy(&val, data + rnd(size / width) * width, width);
		break;
	}
	memcpy(data + off, &val, width);
}

/* Repeat some bytes of a section, or take them out, and mend all offsets. */
static size_t resize(__u8 *data, size_t size, size_t total, size_t max_size, Elf64_Shdr *sec)
{
	size_t len = 4 * (1 + rnd(8)), off = sec->sh_offset + 4 * rnd(sec->sh_size / 4), i;
	ssize_t diff = rnd(2) ? len : -len;
	Elf64_Ehdr *hdr = (void *)data;
	Elf64_Shdr *secs = (void *)data + hdr->e_shoff;

	if (len > sec->sh_size || off + len > sec->sh_offset + sec->sh_size ||
	    off + len > hdr->e_shoff || total + len > max_size)
		return total;
	for (i = 0; i < hdr->e_shnum; i++)
		if (secs[i].sh_offset > off)
			secs[i].sh_offset += diff;
	sec->sh_size += diff;
	hdr->e_shoff += diff;
	if (diff > 0)
		memmove(data + off + len, data + off, total - off);
	else
		memmove(data + off, data + off + len, total - off - len);
	return total + diff;
}

static size_t mutate(__u8 *data, size_t total, size_t max_size)
{
	size_t size = fuzz_object_size(data, total), off, len;
	Elf64_Ehdr *hdr = (void *)data;
	Elf64_Shdr *sec;

	/* another one of several objects */
	if (size < total && rnd(2))
		return size + mutate(data + size, total - size, max_size - size);
	if (!is_object(data, size) || !hdr->e_shnum)
		return LLVMFuzzerMutate(data, total, max_size);

	off = hdr->e_shoff + rnd(hdr->e_shnum) * sizeof(*sec);
	sec = (void *)data + off;
	len = sec->sh_offset <= size ? size - sec->sh_offset : 0;
	if (len > sec->sh_size)
		len = sec->sh_size;

	switch (rnd(16)) {
	case 0:
		data[EI_PAD + rnd(EI_NIDENT - EI_PAD)] = rnd(2) ? rnd(16) : rnd(256);
		break;
	case 1 ... 3:
		change_word(data, size, off, sizeof(*sec));
		break;
	case 4:
		return resize(data, size, total, max_size, sec);
	case 5 ... 8:
		if (len)
			LLVMFuzzerMutate(data + sec->sh_offset, len, len);
		break;
	default:
		change_word(data, size, sec->sh_offset, len);
	}
	return total;
}

size_t LLVMFuzzerCustomMutator(__u8 *data, size_t size, size_t max_size, unsigned int new_seed)
{
	int n;

	seed = new_seed;
	if (!rnd(50))
		return LLVMFuzzerMutate(data, size, max_size);
	for (n = 1 + rnd(3); n; n--)
		size = mutate(data, size, max_size);
	return size;
}
