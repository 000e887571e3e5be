// SPDX-License-Identifier: Apache-2.0
/*
 * Process 1, while it makes the root: what the profile does not allow is covered. A directory by an
 * empty one, into which later mounts of the list put what is allowed; a file by /dev/null, which
 * nobody can execute, copy or map. No name is resolved through a link: one of an image would lead
 * out of it, since the jail's root is not the root of this process yet.
 */
#include "cleanup.h"
#include "jail.h"
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PLAIN (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static int open_seat(int root, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | flags,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, root, path + 1, &how, sizeof(how));
}

static int attach(int fd, int seat)
{
	return (int)syscall(SYS_move_mount, fd, "", seat, "",
			    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int cover_dir(const struct spec_mount *m, int root, struct err *err)
{
	static const char *const options[] = { "size", "1m",  "nr_inodes", "4096",
					       "mode", "755", NULL };
	AUTO_FD int seat = open_seat(root, m->target, O_DIRECTORY);

	if (seat < 0 && m->optional && errno == ENOENT)
		return 0;
	AUTO_FD int cover = seat < 0 ? -1 : mount_new("tmpfs", PLAIN, options);
	if (cover < 0 || attach(cover, seat) < 0)
		return err_sys(err, ERR_ISOLATION, "cover '%s'", m->target);
	return 0;
}

/* From here on nothing can be put into a cover; what is in it has flags of its own. */
static int seal(const struct spec_mount *m, int root)
{
	struct mount_attr attr = { .attr_set = PLAIN | MOUNT_ATTR_RDONLY };
	AUTO_FD int dir = open_seat(root, m->target, O_DIRECTORY);

	if (dir < 0)
		return m->optional && errno == ENOENT ? 0 : -1;
	return (int)syscall(SYS_mount_setattr, dir, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}

static int cover_file(const struct spec_mount *m, int root)
{
	AUTO_FD int seat = open_seat(root, m->target, 0);

	if (seat < 0)
		return m->optional && errno == ENOENT ? 0 : -1;
	AUTO_FD int mask = mount_clone(root, "dev/null");
	return mask < 0 ? -1 : attach(mask, seat);
}

int cover_rest(const struct spec *spec, int root, struct err *err)
{
	size_t i;

	for (i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		if (m->empty && (m->is_file ? cover_file(m, root) : seal(m, root)) < 0)
			return err_sys(err, ERR_ISOLATION, "cover '%s'", m->target);
	}
	return 0;
}
