// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_SINK_H
#define SBX_SINK_H

#include "json.h"

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes whatever a command prints, keeps head and tail within cap bytes, counts the rest. */
struct sink {
	int fd; /* read end of the pipe, -1 at its end */
	int live; /* descriptor that gets a copy at once, or -1 */
	const char *event; /* name of the events on stdout (--stream), or NULL */
	size_t cap;
	int64_t total;
	char *head, *tail; /* tail is a ring */
	char *buf; /* one read; on the heap, so that only what is read is touched */
	size_t head_len, tail_at, tail_len;
	char rest[4]; /* --stream: the begin of a character that is not whole yet */
	size_t rest_len;
	struct sha256_ctx hash; /* of all bytes, kept or not */
};

int sink_open(struct sink *sink, int fd, size_t cap);
/* Reads what is there; false at end of file. */
bool sink_drain(struct sink *sink);
/* The bytes that were kept, in order, heap; *ret_truncated when something is left out. */
char *sink_text(const struct sink *sink, size_t *ret_len, bool *ret_truncated);
/* SHA-256 of all that came, in hex: 65 bytes. */
void sink_hash(const struct sink *sink, char *ret);
void sink_flush(struct sink *sink);
void sink_done(struct sink *sink);
/* Writes one event of --stream to stdout; takes the reference. */
void sink_event(json_t *event);

#endif
