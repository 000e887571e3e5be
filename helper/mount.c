// SPDX-License-Identifier: Apache-2.0
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

int mount_clone(int dirfd, const char *path)
{
	return (int)syscall(SYS_open_tree, dirfd, path,
			    OPEN_TREE_CLONE | O_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
}

int mount_flags(int fd, uint64_t set)
{
	struct mount_attr attr = { .attr_set = set };

	return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
			    sizeof(attr));
}

int mount_attach(int fd, int dirfd, const char *target)
{
	return (int)syscall(SYS_move_mount, fd, "", dirfd, target, MOVE_MOUNT_F_EMPTY_PATH);
}

int mount_new(const char *type, uint64_t attributes, const char *const *options)
{
	int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), fd = -1, saved;
	size_t i;

	if (fs < 0)
		return -1;
	for (i = 0; options[i]; i += 2) {
		unsigned int how = options[i + 1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

		if (syscall(SYS_fsconfig, fs, how, options[i], options[i + 1], 0) < 0)
			goto undo_fs;
	}
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		goto undo_fs;
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
undo_fs:
	saved = errno;
	(void)close(fs);
	errno = saved;
	return fd;
}
