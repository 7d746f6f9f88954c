// SPDX-License-Identifier: GPL-2.0
/* veristat sets per-CPU variables as it sets all other global ones */

#include <test_progs.h>

static char output[64 * 1024];

/*
 * Load an object with veristat; return its exit status, and what it prints in output.
 * To dump the program that it has loaded, veristat runs the bpftool that it finds: let
 * that dump what the map starts with.
 */
static int run_veristat(const char *args)
{
	/* flavors of test_progs run in a directory of their own */
	const char *dir = access("./veristat", X_OK) ? ".." : ".";
	char cmd[512];
	size_t len;
	FILE *f;

	snprintf(cmd, sizeof(cmd),
		 "tmp=$(mktemp -d); "
		 "echo 'exec %1$s/tools/sbin/bpftool map dump name .percpu' >$tmp/bpftool; "
		 "chmod +x $tmp/bpftool; "
		 "PATH=$tmp:$PATH %1$s/veristat --dump percpu_data_malformed.bpf.o %2$s 2>&1; "
		 "status=$?; rm -r $tmp; exit $status", dir, args);
	f = popen(cmd, "r");
	if (!ASSERT_OK_PTR(f, "popen"))
		return -1;
	len = fread(output, 1, sizeof(output) - 1, f);
	output[len] = '\0';
	return pclose(f);
}

void test_percpu_data_veristat(void)
{
	if (!ASSERT_TRUE(!access("./veristat", X_OK) || !access("../veristat", X_OK), "veristat"))
		return;

	if (test__start_subtest("set")) {
		ASSERT_EQ(run_veristat("-G 'first = -7' -G 'third[2] = 6'"), 0, "status");
		ASSERT_HAS_SUBSTR(output, "success", "verdict");
		ASSERT_NULL(strstr(output, "failure"), "no_failure");
		ASSERT_HAS_SUBSTR(output, "\"first\": -7", "first");
		ASSERT_HAS_SUBSTR(output, "\"third\": [3,0,6", "third");
	}
	if (test__start_subtest("out_of_range")) {
		ASSERT_NEQ(run_veristat("-G 'first = 0x100000000'"), 0, "status");
		ASSERT_HAS_SUBSTR(output, "value 4294967296 is out of range", "msg");
	}
	if (test__start_subtest("out_of_bounds")) {
		ASSERT_NEQ(run_veristat("-G 'third[3] = 1'"), 0, "status");
		ASSERT_HAS_SUBSTR(output, "Array index 3 is out of bounds", "msg");
	}
}
