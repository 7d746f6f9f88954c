/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzzers of libbpf and bpftool share */
#ifndef __FUZZ_H
#define __FUZZ_H

#include <elf.h>
#include <stddef.h>
#include <linux/types.h>

/* No one reads the rest of e_ident, so the fuzzers have their options there. */
enum {
	FUZZ_FAIL = EI_PAD,	/* which of the system calls fails, 0: none */
	FUZZ_OPTS,
	FUZZ_GROW,
};

void fuzz_start(const __u8 *data);
void fuzz_end(void);
size_t fuzz_object_size(const __u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

#endif
