// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_MOUNT_H
#define SBX_MOUNT_H

#include <stdint.h>

/*
 * The mount calls that work on descriptors (Linux 5.2, mount_setattr 5.12), so that no path is
 * resolved twice. Each returns a descriptor or 0, and -1 with errno.
 */
int mount_clone(int dirfd, const char *path); /* open_tree(2), a detached recursive copy */
int mount_flags(int fd, uint64_t set); /* MOUNT_ATTR_*, recursive; none is ever cleared */
int mount_attach(int fd, int dirfd, const char *target);
/* A detached new file system; options are NULL-terminated pairs of key and value (NULL: a flag). */
int mount_new(const char *type, uint64_t attributes, const char *const *options);

#endif
