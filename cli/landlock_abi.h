// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_LANDLOCK_ABI_H
#define SBX_LANDLOCK_ABI_H

/* The Landlock ABI of this kernel as this process sees it; 0: none, whatever the reason. */
int landlock_abi_here(void);

#endif
