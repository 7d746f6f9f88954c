// SPDX-License-Identifier: GPL-2.0
/* A weak definition of what linked_again_decl.c declares */

#define DEF __weak
#define FIRST first_weak
#define VALUE 1000
#define COUNT count_weak

#include "linked_again_def.c"
