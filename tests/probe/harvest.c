// SPDX-License-Identifier: Apache-2.0
/* Traps for whoever collects the files afterwards. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NO_XATTR "EOPNOTSUPP|EPERM|ENOSYS"

static int run_xattr(struct attempt *t)
{
	if (t->work[0] == '\0')
		return broken(t, "no scratch directory");
	return answer(setxattr(t->work, t->probe->path, "y", 1, 0));
}

static int run_fcntl(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	int fd = file_new(t->work, "f", path, sizeof(path));

	if (fd < 0)
		return broken(t, "no scratch file");
	(void)close(fd);
	fd = open(t->probe->a[2] ? t->work : path, O_RDONLY | O_CLOEXEC);
	return answer(fcntl(fd, (int)t->probe->a[0], t->probe->a[1]));
}

static int run_pipe_size(struct attempt *t)
{
	int gate[2];

	if (pipe2(gate, O_CLOEXEC) < 0)
		return broken(t, "no pipe");
	return answer(fcntl(gate[0], F_SETPIPE_SZ, 1 << 20));
}

static int run_whiteout_rename(struct attempt *t)
{
	char from[DIR_MAX_LEN], to[DIR_MAX_LEN];
	int fd = file_new(t->work, "from", from, sizeof(from));

	if (fd < 0)
		return broken(t, "no scratch file");
	join(to, sizeof(to), t->work, "to");
	return answer(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_WHITEOUT));
}

/* A second name beyond the workspace would let a run keep a hand on what is collected. */
static int link_to(struct attempt *t, const char *dir)
{
	char from[DIR_MAX_LEN], to[DIR_MAX_LEN];
	int fd = file_new(t->work, "f", from, sizeof(from));

	if (fd < 0 || dir[0] == '\0')
		return broken(t, "no scratch file");
	(void)snprintf(to, sizeof(to), "%s/sbx-probe-link-%d", dir, (int)getpid());
	int r = answer(link(from, to));
	(void)unlink(to);
	return r;
}

static int run_link_tmp(struct attempt *t)
{
	return link_to(t, t->tmp);
}

static int run_link_shm(struct attempt *t)
{
	return link_to(t, "/dev/shm");
}

/*
 * An input, by the name of any file that was there before us: what a hard link of it shares with
 * the stored bytes cannot be seen from here, but a link that leaves the workspace can.
 */
static int run_input_link(struct attempt *t)
{
	char to[DIR_MAX_LEN];
	struct dirent *e;
	int r = NOTHING;
	DIR *dir = opendir(".");

	if (!dir || t->tmp[0] == '\0')
		return broken(t, "no directory");
	join(to, sizeof(to), t->tmp, "input");
	while (r == NOTHING && (e = readdir(dir)))
		if (e->d_type == DT_REG)
			r = answer(linkat(dirfd(dir), e->d_name, AT_FDCWD, to, 0));
	(void)unlink(to);
	(void)closedir(dir);
	return r;
}

#define XATTR(label, name, twin)                                                                   \
	{ label, NULL, NO_XATTR, twin, "extended attribute " name, .run = run_xattr, .path = name }
#define FCNTL(label, twin, why, ...)                                                               \
	{ label, NULL, "EPERM|EINVAL", twin, why, .run = run_fcntl, .a = { __VA_ARGS__ } }
#define IOCTL(label, request, value, twin, why)                                                    \
	{ label, NULL, "ENOTTY|EPERM", twin, why, .run = run_ioctl, .nr = (long)(request),         \
	  .a = { value } }

static const struct probe probes[] = {
	XATTR("xattr-overlay-opaque", "user.overlay.opaque", DIFFERS),
	XATTR("xattr-overlay-redirect", "user.overlay.redirect", DIFFERS),
	XATTR("xattr-trusted", "trusted.overlay.opaque", NEEDS_ROOT),
	XATTR("xattr-security", "security.probe", NEEDS_ROOT),
	XATTR("xattr-user", "user.probe", DIFFERS),
	FCNTL("lease", DONE, "a lease holds up who opens the file", F_SETLEASE, F_RDLCK),
	FCNTL("dnotify", DONE, "signals on changes of a directory", F_NOTIFY, DN_MODIFY, 1),
	FCNTL("fcntl-setsig", DONE, "another signal for input", F_SETSIG, SIGUSR1),
	{ "pipe-size", NULL, "EPERM|EINVAL", DONE, "more memory in a pipe",
	  .run = run_pipe_size },
	IOCTL("chattr-immutable", FS_IOC_SETFLAGS, FS_IMMUTABLE_FL, NEEDS_ROOT,
	      "a file that cannot be removed"),
	IOCTL("chattr-nodump", FS_IOC_SETFLAGS, FS_NODUMP_FL, DIFFERS, "attributes by ioctl"),
	IOCTL("fs-freeze", FIFREEZE, 0, NEEDS_ROOT, "a file system stopped"),
	IOCTL("fs-version", FS_IOC_GETVERSION, 0, DIFFERS, "an ioctl beyond the list"),
	{ "rename-whiteout", NULL, "EINVAL|EPERM|ENOSYS", DIFFERS, "a whiteout by rename",
	  .run = run_whiteout_rename },
	{ "link-to-tmp", NULL, "EXDEV|EPERM|EACCES", DONE, "a second name in /tmp",
	  .run = run_link_tmp },
	{ "link-to-shm", NULL, "EXDEV|EPERM|EACCES", NEEDS_ROOT,
	  "a second name in /dev/shm; a host has it on another file system too",
	  .run = run_link_shm },
	{ "link-input", "S0-27", "nothing|EXDEV|EPERM|EACCES", NEEDS_ROOT,
	  "a second name for an input; outside there is none", .run = run_input_link },
};

GROUP(group_harvest, "harvest", "S0-34", probes);
