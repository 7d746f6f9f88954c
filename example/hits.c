// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <unistd.h>
#include "hits.skel.h"

int main(void)
{
	int cpu, err, nr_cpus = libbpf_num_possible_cpus();
	struct hits__percpu copy;
	struct hits *skel;
	long sum = 0;

	skel = hits__open();
	if (!skel)
		return 1;
	skel->percpu->step = 2;                 /* count in twos, on every CPU */

	if (hits__load(skel) || hits__attach(skel))
		return 1;
	sleep(1);
	for (cpu = 0; nr_cpus; cpu++) {
		err = hits__read_percpu(skel, cpu, &copy);
		if (err == -ERANGE)             /* there is no CPU of that number */
			continue;
		if (err)
			return 1;
		printf("CPU %d: %ld\n", cpu, copy.hits);
		sum += copy.hits;
		nr_cpus--;
	}
	printf("all CPUs: %ld\n", sum);
	hits__destroy(skel);
	return 0;
}
