// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_MIME_H
#define SBX_MIME_H

#include "err.h"

#include <sys/types.h>

struct config;
struct entry;

/* A helper that is started when the first type is asked for. Zero-initialise; mime_done() ends it. */
struct mime {
	const struct config *config;
	int socket; /* valid when pid is not 0 */
	pid_t pid;
};

/* The MIME type of an open regular file by its content; of a text also by its name. Never fails:
 * what cannot be told is application/octet-stream. */
void mime_type(struct mime *mime, int fd, const char *name, char *ret, size_t size);
void mime_done(struct mime *mime);

/* ERR_POLICY unless a file of this name, type and size may come in. Types that say so by their bytes
 * must be what their extension says; texts say nothing. */
int mime_allowed(const struct config *config, const struct entry *entry, struct err *err);

#endif
