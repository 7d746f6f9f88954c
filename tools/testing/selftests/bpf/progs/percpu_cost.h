/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The work of percpu_cost.c on data in one PLACE. If that is a section, its
 * variables are here.
 */

#ifdef PLACE_SEC
#define GET_DATA()
#define HAS_DATA	true

long VAR(count) PLACE_SEC;
long VAR(a) PLACE_SEC;
long VAR(b) PLACE_SEC;
long VAR(c) PLACE_SEC;
long VAR(d) PLACE_SEC;
long VAR(hist)[16] PLACE_SEC;
long VAR(scratch)[4] PLACE_SEC;
#endif

WORK(count, PLACE)
{
	GET_DATA();

	if (!HAS_DATA)
		return 0;
	VAR(count)++;
	return 0;
}

WORK(four, PLACE)
{
	GET_DATA();

	if (!HAS_DATA)
		return 0;
	VAR(a)++;
	VAR(b)++;
	VAR(c)++;
	VAR(d)++;
	return 0;
}

WORK(hist, PLACE)
{
	GET_DATA();

	if (!HAS_DATA)
		return 0;
	VAR(hist)[i & 15]++;
	return 0;
}

WORK(scratch, PLACE)
{
	GET_DATA();

	if (!HAS_DATA)
		return 0;
	VAR(scratch)[0] = i;
	VAR(scratch)[1] = i;
	VAR(scratch)[2] = i;
	VAR(scratch)[3] = i;
	return 0;
}

WORK(branch, PLACE)
{
	if ((int)i >= 0) {
		GET_DATA();

		if (!HAS_DATA)
			return 0;
		VAR(count)++;
	}
	return 0;
}

WORK(loop, PLACE)
{
	GET_DATA();
	int j;

	if (!HAS_DATA)
		return 0;
#pragma clang loop unroll(disable)
	for (j = 0; j < 16; j++) {
		VAR(count)++;
		barrier();
	}
	return 0;
}

#undef PLACE
#undef PLACE_SEC
#undef GET_DATA
#undef HAS_DATA
#undef VAR
