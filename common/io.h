// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_IO_H
#define SBX_IO_H

#include "err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Opens path beneath dirfd with openat2(2): no way up, no symbolic or magic link, no other mount.
 * Always O_CLOEXEC | O_NONBLOCK | O_NOCTTY. Returns a descriptor or -1 with errno.
 */
int io_open(int dirfd, const char *path, int flags, mode_t mode);
/* As io_open, and only a regular file; ELOOP, EISDIR and the like otherwise. */
int io_open_regular(int dirfd, const char *path, int flags);
/* Opens a directory beneath dirfd for reading names. */
int io_open_dir(int dirfd, const char *path);

/* Writes all; returns 0, or -1 with errno. */
int io_write_all(int fd, const void *buf, size_t len);
/* Reads up to max bytes, to end of file, into a heap buffer with a NUL behind; EFBIG when more come. */
char *io_read_all(int fd, size_t max, size_t *ret_len);
/* The same for a regular file beneath dirfd. */
char *io_read_file(int dirfd, const char *path, size_t max, size_t *ret_len);
/* Writes a small file of proc or cgroup in one write(2). Returns 0, or -1 with errno. */
int io_write_file(int dirfd, const char *path, const char *text);
/* Makes a file whole or not at all: temporary name, fsync when sync, rename. 0 or -1 with errno. */
int io_replace_file(int dirfd, const char *name, const void *buf, size_t len, bool sync);
/* Makes a new file whole or not at all, with nothing left after a crash; EEXIST when it is there. */
int io_create_file(int dirfd, const char *name, const void *buf, size_t len, bool sync);
/* mkdir with mode 0700, no error when it is there. */
int io_mkdir(int dirfd, const char *name);
/*
 * Removes name beneath dirfd with all that it holds, never following a link, in bounded memory and
 * bounded stack however deep the tree is. Directories without permission are made readable first.
 * Returns 0 (also when there was nothing), or -1 with errno.
 */
int io_remove_tree(int dirfd, const char *name);
/* Milliseconds of CLOCK_MONOTONIC. */
int64_t io_now_ms(void);
int64_t io_now_us(void);

#endif
