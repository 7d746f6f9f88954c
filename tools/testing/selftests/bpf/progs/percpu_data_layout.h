/* SPDX-License-Identifier: GPL-2.0 */
#pragma once

/* A skeleton doesn't define types that have a name. */
struct percpu_list {
	__u32 n;
	__u32 vals[];
};
