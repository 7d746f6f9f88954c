/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs of percpu_data_load.c and their user space agree on */

enum { CTX_PROCESS, CTX_SOFTIRQ, CTX_HARDIRQ, CTX_NMI, NR_CTX };

enum {
	SECTION_PROCESS = 1, SECTION_SOFTIRQ, SECTION_HARDIRQ, SECTION_NMI, SECTION_USER,
};

#define INIT		1000
#define NR_SLOTS	32
#define NR_WORDS	4096
#define NR_USER_WORDS	64

/* The upper half of a word says where it belongs. */
#define TAG(section, cpu) (0x5aULL << 56 | (__u64)(section) << 48 | (__u64)(cpu) << 32)
#define TAG_MASK	(~0ULL << 32)
