/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

#include <elf.h>
#include <string.h>
#include <linux/kernel.h>
#include <bpf/libbpf.h>

static inline unsigned int rnd(unsigned long long *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

/* Change a few bytes of section headers, or of what is in a section. */
static inline void damage(char *buf, size_t size, unsigned long long *seed)
{
	static const __u32 vals[] = { 0, 1, 4, 8, 20, 0x7fffffff, 0x80000000, 0xfffffff8, -1 };
	Elf64_Ehdr *ehdr = (void *)buf;
	Elf64_Shdr *shdrs = (void *)buf + ehdr->e_shoff, sec;
	int n, nr_secs = ehdr->e_shnum;
	size_t off;

	for (n = 1 + rnd(seed) % 4; n; n--) {
		memcpy(&sec, &shdrs[1 + rnd(seed) % (nr_secs - 1)], sizeof(sec));
		if (rnd(seed) % 4 == 0)
			off = (char *)shdrs - buf + rnd(seed) % (nr_secs * sizeof(sec));
		else if (sec.sh_size && sec.sh_type != SHT_NOBITS)
			off = sec.sh_offset + rnd(seed) % sec.sh_size;
		else
			off = rnd(seed) % size;

		off &= -4;
		if (off + 4 > size)
			continue;
		if (rnd(seed) % 2)
			memcpy(buf + off, &vals[rnd(seed) % ARRAY_SIZE(vals)], 4);
		else
			buf[off + rnd(seed) % 4] += rnd(seed) % 2 ? 1 : rnd(seed);
	}
}

static inline int ignore_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}
