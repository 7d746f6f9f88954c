// SPDX-License-Identifier: GPL-2.0
/* Generate each kind of skeleton of an object that may be damaged */

#include "../../../../bpf/bpftool/gen.c"
#include <sys/syscall.h>
#include "fuzz.h"

/* What gen.c needs of the rest of bpftool */
const char *bin_name = "bpftool";
json_writer_t *json_wtr;
bool json_output, verifier_logs, use_loader, sign_progs;

void p_err(const char *fmt, ...)
{
	char buf[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
}

void usage(void)
{
	abort();
}

bool is_prefix(const char *pfx, const char *str)
{
	return !strncmp(str, pfx, strlen(pfx));
}

int cmd_select(const struct cmd *cmds, int argc, char **argv,
	       int (*help)(int argc, char **argv))
{
	return -1;
}

void jsonw_null(json_writer_t *self)
{
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	char path[64], *argv[] = { path, "name", "fuzz", NULL };
	int fd;

	if (size < EI_NIDENT)
		return -1;
	fuzz_start(data);
	fd = syscall(__NR_memfd_create, "object", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, data, size) != (ssize_t)size)
		abort();
	use_loader = false;
	do_skeleton(3, argv);
	do_subskeleton(3, argv);
	use_loader = true;
	do_skeleton(3, argv);
	close(fd);
	fuzz_end();
	return 0;
}
