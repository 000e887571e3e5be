// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_FILTER_HASH_H
#define SBX_FILTER_HASH_H

/* "CALLS:SHA256" of a filter that was compiled in, as sbx-jail has it; "unknown" for no such name. */
const char *filter_describe(const char *name, int notify);
/* True when there is a filter of that name. */
int filter_is(const char *name);

#endif
