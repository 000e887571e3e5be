// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_FSCK_H
#define SBX_FSCK_H

#include "err.h"
#include "json.h"

struct call;

/*
 * Checks every session of the store: manifests, sizes and hashes of stored files, the index, the
 * users' sums. With repair the index and sums are rebuilt and files that no revision names removed.
 * ERR_CORRUPT when something is wrong that was not repaired; *ret is set in any case but -1.
 */
int fsck_run(struct call *call, bool repair, json_t **ret, struct err *err);

#endif
