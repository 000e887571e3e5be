// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_IDS_H
#define SBX_IDS_H

#include <stdbool.h>
#include <stddef.h>

enum { ID_SIZE = 37, ID_SHORT_SIZE = 22 }; /* with the NUL */

/* A new random UUIDv4, lower case. */
void id_new(char *ret);
/*
 * Reads either form, a UUIDv4 or its short form of 21 characters, into the long one. The short form
 * is the 122 random bits, most significant first, and four zero bits, as base64url.
 */
bool id_parse(const char *text, char *ret);
void id_shorten(const char *id, char *ret);
/* Has the form of an id: so an operand is one, not a name. */
bool id_is(const char *text);

#endif
