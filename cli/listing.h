// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_LISTING_H
#define SBX_LISTING_H

#include "json.h"
#include "store.h"

#include <stdio.h>

/* One file as ls, upload and stat show it. */
json_t *listing_entry(const struct call *call, const struct entry *entry);
/* Rows {name, size, mime, origin, id} for a person; control characters made harmless. */
void listing_show(json_t *files, FILE *out);

#endif
