// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_NAMES_H
#define SBX_NAMES_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>

struct config;

enum { NAME_BYTES = 512, NAME_PART_BYTES = 200, NAME_DEPTH = 20 };

/* The rule that a name of a file breaks, as a reason for people; NULL when it is a good one. */
const char *name_fault(const char *name, size_t len);
/* A user's name, by the pattern of the store or, when configured, 24 hex digits. */
bool name_is_user(const struct config *config, const char *user);
/* The extension for the stored file: lower case, letters and digits, at most 15, or "bin". */
void name_extension(const char *name, char *ret, size_t size);

#endif
