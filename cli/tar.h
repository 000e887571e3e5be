// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_TAR_H
#define SBX_TAR_H

#include "store.h"

/* Writes a revision as a POSIX pax archive (pax(1)): names of any length, sizes beyond 8 GiB. */
int tar_write(const struct session *session, const struct revision *revision, int out,
	      struct err *err);

/* Plain ustar pieces of an archive of ours: a header (time in ms since 1970), what fills the last
 * block behind size bytes, the two empty blocks of the end. 0, or -1 with errno. */
int tar_put(int out, const char *name, int64_t size, int64_t time_ms);
int tar_pad(int out, int64_t size);
int tar_end(int out);

/* What a JSON document of an export may have. */
#define TAR_JSON_MAX ((int64_t)64 << 20)

struct tar_entry {
	char name[101]; /* bytes of the archive: compare it, never open it */
	int64_t size;
};

/*
 * The next header of an archive that nobody vouches for: 1, 0 at its end, -1 with ERR_REQUEST. Plain
 * files only: links, devices, directories and extended headers are refused, and so is a cut archive.
 */
int tar_next(int fd, struct tar_entry *ret, struct err *err);
/* The bytes of the entry with a NUL behind, heap, and what fills its block; NULL with err. */
char *tar_read(int fd, const struct tar_entry *entry, int64_t max, struct err *err);
int tar_skip_pad(int fd, int64_t size, struct err *err);

#endif
