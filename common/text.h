// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_TEXT_H
#define SBX_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length in bytes of the valid UTF-8 sequence at s (1 to 4), 0 if there is none; never reads past end. */
size_t text_sequence(const char *s, const char *end);
bool text_is_utf8(const char *s, size_t len);
/* A heap copy with U+FFFD for each byte that is no UTF-8, and a NUL behind; NULL without memory. */
char *text_utf8(const char *s, size_t len, size_t *ret_len);
/* How many bytes at the end of s begin a sequence that more bytes could complete (0 to 3). */
size_t text_unfinished(const char *s, size_t len);
/* Copies s with control characters (C0, DEL, C1) and broken bytes as '?'; always ends with NUL. */
void text_clean(const char *s, char *buf, size_t size);
/* Strict decimal count, nothing before or behind; false unless min <= value <= max. */
bool text_count(const char *s, int64_t min, int64_t max, int64_t *ret);
/* A count with an optional unit: K, M, G (powers of 1024). */
bool text_size(const char *s, int64_t min, int64_t max, int64_t *ret);
/* A duration in ms: "250ms", "10s", "2m", "1h", "7d"; a bare number is seconds. */
bool text_duration(const char *s, int64_t min, int64_t max, int64_t *ret_ms);
/* RFC 3339 in UTC with milliseconds, from ms since 1970; buf needs 32 bytes. */
const char *text_time(int64_t ms, char *buf);
int64_t text_now_ms(void); /* ms since 1970 */

#endif
