// SPDX-License-Identifier: Apache-2.0
/*
 * Process 1: the writable places. One tmpfs of bounded bytes and inodes holds the upper layer of the
 * workspace, /tmp and /dev/shm, so one limit covers all. Inputs in directories are copied: an
 * overlay in a user namespace cannot rename a directory of its lower layer (EXDEV). On kernels
 * whose tmpfs has no user attributes (before 6.6) it cannot rename new ones either, so there, as
 * where there is no overlay, every input is copied while the inputs fit.
 */
#include "cleanup.h"
#include "io.h"
#include "jail.h"
#include "mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { COPY_DEPTH = 40, INODES_OURS = 64 };

static int copy_file(int from, int to, const char *name)
{
	AUTO_FD int in = io_open_regular(from, name, O_RDONLY);
	AUTO_FD int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
				 0600);
	struct stat st;
	off_t left;

	if (in < 0 || out < 0 || fstat(in, &st) < 0)
		return -1;
	for (left = st.st_size; left > 0;) {
		ssize_t n = sendfile(out, in, NULL, (size_t)left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		left -= n;
	}
	return 0;
}

/* The tree is sbx's own hard links: made a moment ago, bounded in depth by the rules of names. */
static int copy_tree(int from, int to, int depth)
{
	int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *de;

	if (!dir || depth > COPY_DEPTH) {
		errno = dir ? ELOOP : errno;
		return -1;
	}
	while ((de = readdir(dir))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		AUTO_FD int sub = io_open_dir(from, de->d_name);
		if (sub < 0) {
			if (copy_file(from, to, de->d_name) < 0)
				return -1;
			continue;
		}
		if (mkdirat(to, de->d_name, 0755) < 0 && errno != EEXIST)
			return -1;
		AUTO_FD int sub_to = io_open_dir(to, de->d_name);
		if (sub_to < 0 || copy_tree(sub, sub_to, depth + 1) < 0)
			return -1;
	}
	return 0;
}

static int copy_inputs(int upper, const char *name, struct err *err)
{
	AUTO_FD int from = io_open_dir(SPEC_FD_INPUT, name);

	if (from < 0)
		return errno == ENOENT ? 0 : err_sys(err, ERR_INTERNAL, "open the inputs");
	if (copy_tree(from, upper, 0) == 0)
		return 0;
	(void)err_sys(err, ERR_LIMIT, "bring the inputs into the workspace");
	if (err->sys == ENOSPC)
		(void)err_hint(
			err,
			"the inputs in directories do not fit into scratch_bytes or scratch_files");
	return -1;
}

static int has_user_attributes(int dir)
{
	return fsetxattr(dir, "user.sbx", "1", 1, 0) == 0 && fremovexattr(dir, "user.sbx") == 0;
}

/* lowerdir=in is relative: the working directory came along into the new mount namespace. */
static int mount_overlay(int root, uint64_t attributes)
{
	static const char *const options[] = { "lowerdir",         "in",      "upperdir",
					       "/tmp/.scratch/up", "workdir", "/tmp/.scratch/work",
					       "userxattr",        NULL,      NULL };
	AUTO_FD int overlay = mount_new("overlay", attributes, options);

	return overlay < 0 ? -1 : mount_attach(overlay, root, "mnt/data");
}

static int bind_part(int scratch, const char *part, int root, const char *target, struct err *err)
{
	AUTO_FD int fd = mount_clone(scratch, part);

	if (fd < 0 || mount_attach(fd, root, target) < 0)
		return err_sys(err, ERR_ISOLATION, "mount '/%s' in the jail", target);
	return 0;
}

static int make_scratch(const struct spec *spec, int root, uint64_t attributes, struct err *err)
{
	static const struct {
		const char *name;
		mode_t mode;
	} parts[] = { { "up", 0755 }, { "work", 0700 }, { "tmp", 01777 }, { "shm", 01777 } };
	char size[32], inodes[32];
	const char *options[] = { "size", size, "nr_inodes", inodes, "mode", "700", NULL };
	size_t i;

	(void)snprintf(size, sizeof(size), "%lld", (long long)spec->scratch_bytes);
	(void)snprintf(inodes, sizeof(inodes), "%lld",
		       (long long)spec->scratch_files + INODES_OURS);
	AUTO_FD int fd = mount_new("tmpfs", attributes, options);
	if (fd < 0 || mkdirat(root, ".scratch", 0700) < 0 || mount_attach(fd, root, ".scratch") < 0)
		return err_sys(err, ERR_ISOLATION, "mount the scratch space");
	AUTO_FD int scratch = openat(root, ".scratch", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (scratch < 0)
		return err_sys(err, ERR_ISOLATION, "open the scratch space");
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (mkdirat(scratch, parts[i].name, 0700) < 0 ||
		    fchmodat(scratch, parts[i].name, parts[i].mode, 0) < 0)
			return err_sys(err, ERR_ISOLATION, "prepare the scratch space");
	return take_fd(&scratch);
}

static int make_dirs(int root, struct err *err)
{
	static const char *const dirs[] = { "mnt", "mnt/data", "tmp", "dev/shm", "home" };
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (mkdirat(root, dirs[i], 0755) < 0 && errno != EEXIST)
			return err_sys(err, ERR_ISOLATION, "make '/%s'", dirs[i]);
	if (symlinkat("/mnt/data", root, "home/user") < 0 ||
	    symlinkat("/mnt/data", root, "workspace") < 0)
		return err_sys(err, ERR_ISOLATION, "link the workspace");
	return 0;
}

int workspace_make(struct jail *jail, int root, struct err *err)
{
	const struct spec *spec = jail->spec;
	uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			      (spec->exec_writable ? 0 : MOUNT_ATTR_NOEXEC);
	bool want = strcmp(spec->workspace, "copy") != 0;
	AUTO_FD int scratch = -1;

	if (make_dirs(root, err) < 0)
		return -1;
	scratch = make_scratch(spec, root, attributes, err);
	if (scratch < 0)
		return -1;
	jail->upper = openat(scratch, "up", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (jail->upper < 0)
		return err_sys(err, ERR_ISOLATION, "open the upper layer");
	if (copy_inputs(jail->upper, "dirs", err) < 0)
		return -1;
	jail->dirs_copied = 1;
	if (want &&
	    (has_user_attributes(jail->upper) || spec->input_bytes > spec->scratch_bytes / 2)) {
		jail->overlay = mount_overlay(root, attributes) == 0;
		if (!jail->overlay && !strcmp(spec->workspace, "overlay")) {
			(void)err_sys(err, ERR_ISOLATION, "mount the overlay of the workspace");
			return err_hint(err,
					"set \"workspace\": \"auto\" to copy the inputs instead");
		}
	}
	if (!jail->overlay && (copy_inputs(jail->upper, "in", err) < 0 ||
			       bind_part(scratch, "up", root, "mnt/data", err) < 0))
		return -1;
	if (bind_part(scratch, "tmp", root, "tmp", err) < 0 ||
	    bind_part(scratch, "shm", root, "dev/shm", err) < 0)
		return -1;
	(void)close(take_fd(&scratch));
	/* the mounts made from it live on; the way over the whole of it goes */
	if (fchdir(root) < 0 || umount2(".scratch", MNT_DETACH) < 0 ||
	    unlinkat(root, ".scratch", AT_REMOVEDIR) < 0)
		return err_sys(err, ERR_ISOLATION, "close the scratch space");
	return 0;
}
