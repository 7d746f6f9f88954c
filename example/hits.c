// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <unistd.h>
#include "hits.skel.h"

int main(void)
{
	struct hits *skel = hits__open();
	struct hits__percpu copy;
	long cpu, sum = 0;
	int key = 0;

	skel->percpu->hits = 1000; /* what each CPU starts with */
	if (hits__load(skel) || hits__attach(skel))
		return 1;
	sleep(1);
	for (cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++) {
		if (bpf_map__lookup_elem(skel->maps.percpu, &key, sizeof(key), &copy, sizeof(copy), BPF_F_CPU | cpu << 32))
			return 1;
		printf("CPU %ld: %ld\n", cpu, copy.hits);
		sum += copy.hits;
	}
	printf("all CPUs: %ld\n", sum);
	hits__destroy(skel);
	return sum <= 1000 * cpu; /* nothing was counted */
}
