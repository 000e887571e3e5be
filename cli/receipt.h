// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_RECEIPT_H
#define SBX_RECEIPT_H

#include "exec.h"

enum { RECEIPT_INPUTS = 1000 }; /* so many are listed; inputs_count tells all */

/* What a run was, without a byte of what it printed: an object of the caller's. */
json_t *receipt_make(struct exec *exec, json_t *answer);
/* SHA-256 of an object's text with its members in order: of a profile, of an environment. */
void receipt_hash(json_t *object, char *ret);

#endif
