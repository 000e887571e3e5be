// SPDX-License-Identifier: Apache-2.0
/* A manifest from a disk that somebody else has written to: its names obey the rules or it is broken. */
#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "names.h"
#include "store.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char place[] = "/dev/shm/sbx-fuzz.XXXXXX";

static int open_place(void)
{
	int dir;

	if (!mkdtemp(place) || (dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		abort();
	(void)mkdirat(dir, ".manifest", 0700);
	return dir;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct session session = { .dir = -1, .user_dir = -1 };
	struct revision revision;
	struct err err = { 0 };
	size_t i, at;
	int fd;

	if (session.dir < 0)
		session.dir = open_place();
	fd = openat(session.dir, ".manifest/1.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_all(fd, data, size) < 0)
		abort();
	(void)close(fd);
	if (revision_load(&session, 1, &revision, &err) < 0) {
		if (err.code != ERR_CORRUPT)
			abort();
		return 0;
	}
	for (i = 0; i < revision.count; i++) {
		const struct entry *e = &revision.entries[i];

		if (name_fault(e->name, strlen(e->name)) || !id_is(e->id) || e->size < 0 || strchr(e->extension, '/'))
			abort();
		if (i && strcmp(revision.entries[i - 1].name, e->name) >= 0)
			abort();
		(void)revision_conflicts(&revision, e->name, &at);
	}
	revision_done(&revision);
	return 0;
}
