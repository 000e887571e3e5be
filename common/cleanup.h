// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_CLEANUP_H
#define SBX_CLEANUP_H

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

/* Released by scope: initialise where declared, with -1 or NULL. */
#define AUTO_FD __attribute__((cleanup(cleanup_fd)))
#define AUTO_FREE __attribute__((cleanup(cleanup_free)))
#define AUTO_DIR __attribute__((cleanup(cleanup_dir)))

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* what matters was fsynced or is only read */
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* Hands a descriptor on: the scope no longer owns it. */
static inline int take_fd(int *fd)
{
	int n = *fd;

	*fd = -1;
	return n;
}

#define take_ptr(p) \
	({ \
		__typeof__(*(p)) taken_ = *(p); \
		*(p) = NULL; \
		taken_; \
	})

#endif
