// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <unistd.h>
#include "hits.skel.h"

int main(void)
{
	int cpu, nr_cpus = libbpf_num_possible_cpus();
	struct hits__percpu copy;
	struct hits *skel;
	long sum = 0;

	skel = hits__open();
	if (!skel)
		return 1;
	skel->percpu->hits = 1000; /* what each CPU starts with */
	if (hits__load(skel) || hits__attach(skel))
		return 1;
	sleep(1);
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (hits__read_percpu(skel, cpu, &copy))
			return 1;
		printf("CPU %d: %ld\n", cpu, copy.hits);
		sum += copy.hits;
	}
	printf("all CPUs: %ld\n", sum);
	hits__destroy(skel);
	return sum <= 1000 * nr_cpus; /* nothing was counted */
}
