// SPDX-License-Identifier: Apache-2.0
/* Ways around the root: dots, links, magic links. Each looks for what only a host has. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UP "../../../../../../../../../../../../../../../.."
#define ABSENT "ENOENT|EACCES"

static const char *const host_only[] = {
	"etc/shadow", "etc/sudoers", "etc/fstab", "etc/ssh", "boot", "root", "srv", "media",
	"var/log", "var/lib/dpkg", "var/lib/rpm", "lost+found",
};

/* 0 if anything of the host exists below base, else the first error. */
static int host_below(const char *base)
{
	char path[2 * DIR_MAX_LEN];
	struct stat st;
	int first = 0;

	for (size_t i = 0; i < NELEM(host_only); i++) {
		if (stat(join(path, sizeof(path), base, host_only[i]), &st) == 0)
			return 0;
		if (!first)
			first = errno;
	}
	return first;
}

static int run_route(struct attempt *t)
{
	return host_below(t->probe->path);
}

static int run_from_work(struct attempt *t)
{
	if (t->work[0] == '\0' || chdir(t->work) < 0)
		return broken(t, "no scratch directory");
	return host_below(t->probe->path);
}

static int run_symlink(struct attempt *t)
{
	char path[DIR_MAX_LEN];

	if (t->work[0] == '\0' ||
	    symlink(t->probe->path, join(path, sizeof(path), t->work, "link")) < 0)
		return broken(t, "no symbolic link");
	return host_below(path);
}

static int run_symlink_shadow(struct attempt *t)
{
	char path[DIR_MAX_LEN];

	if (t->work[0] == '\0' ||
	    symlink("/etc/shadow", join(path, sizeof(path), t->work, "link")) < 0)
		return broken(t, "no symbolic link");
	return answer(open(path, O_RDONLY | O_CLOEXEC));
}

static int run_descriptor_up(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	int fd = open(t->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return broken(t, "no scratch directory");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/" UP, fd);
	return host_below(path);
}

static int run_others_root(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	pid_t pids[64];
	size_t n = others(t, pids, NELEM(pids));
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pids[i], t->probe->path);
		int r = host_below(path);
		if (r == 0)
			return 0;
		if (!first)
			first = r;
	}
	return first;
}

static int run_open(struct attempt *t)
{
	return answer(open(t->probe->path, O_RDONLY | O_CLOEXEC));
}

static int run_openat2(struct attempt *t)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = (unsigned)t->probe->a[0] };

	return answer(syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how)));
}

/* EXDEV: not one file system, so no name in the workspace can stand for it. */
static int run_hard_link(struct attempt *t)
{
	char path[DIR_MAX_LEN];

	if (t->work[0] == '\0')
		return broken(t, "no scratch directory");
	return answer(link(t->probe->path, join(path, sizeof(path), t->work, "link")));
}

static int run_link_descriptor(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	int fd = open(t->probe->path, O_PATH | O_CLOEXEC);

	if (fd < 0 || t->work[0] == '\0')
		return broken(t, "nothing to link");
	return answer(linkat(fd, "", AT_FDCWD, join(path, sizeof(path), t->work, "link"),
			     AT_EMPTY_PATH));
}

/* A chroot without chdir leaves the working directory outside: dots lead out. */
static int run_chroot_escape(struct attempt *t)
{
	if (ns_own(t, 0) < 0)
		return BROKEN;
	if (t->work[0] == '\0' || chdir("/") < 0)
		return broken(t, "no scratch directory");
	if (chroot(t->work) < 0)
		return errno;
	return host_below(".");
}

static int run_cwd(struct attempt *t)
{
	char path[4096];
	long n = syscall(SYS_getcwd, path, sizeof(path));

	(void)t;
	if (n < 0)
		return errno;
	return path[0] == '/' ? NOTHING : 0;
}

static const struct probe probes[] = {
	{ "path-dots-shadow", NULL, "ENOENT", DIFFERS, "a password file above the root",
	  .run = run_open, .path = UP "/etc/shadow" },
	{ "path-dots", NULL, ABSENT, DONE, "host files through dots from the working directory",
	  .run = run_route, .path = UP },
	{ "path-dots-workspace", NULL, ABSENT, DONE, "host files through dots from the workspace",
	  .run = run_from_work, .path = UP },
	{ "path-absolute", NULL, ABSENT, DONE, "host files by absolute path",
	  .run = run_route, .path = "" },
	{ "path-self-root", NULL, ABSENT, DONE, "host files through /proc/self/root",
	  .run = run_route, .path = "/proc/self/root/" UP },
	{ "path-self-cwd", NULL, ABSENT, DONE, "host files through /proc/self/cwd",
	  .run = run_route, .path = "/proc/self/cwd/" UP },
	{ "path-thread-root", NULL, ABSENT, DONE, "host files through /proc/thread-self/root",
	  .run = run_route, .path = "/proc/thread-self/root" },
	{ "path-other-root", NULL, ABSENT, DONE, "host files through the root of another process",
	  .run = run_others_root, .path = "root" },
	{ "path-other-cwd", NULL, ABSENT, DONE, "host files through the cwd of another process",
	  .run = run_others_root, .path = "cwd/" UP },
	{ "path-descriptor-up", NULL, ABSENT, DONE, "host files upwards from a descriptor",
	  .run = run_descriptor_up },
	{ "path-openat2-in-root", NULL, "ENOSYS|EPERM", DONE, "openat2 has pointer arguments",
	  .run = run_openat2, .a = { RESOLVE_IN_ROOT } },
	{ "path-cwd-unreachable", "S0-34", "nothing", NEEDS_ROOT,
	  "a working directory left outside the root; has no twin", .run = run_cwd },
	{ "link-symbolic-root", NULL, ABSENT, DONE, "a symbolic link in the workspace to /",
	  .run = run_symlink, .path = "/" },
	{ "link-symbolic-dots", NULL, ABSENT, DONE, "a symbolic link in the workspace upwards",
	  .run = run_symlink, .path = UP },
	{ "link-symbolic-self-root", NULL, ABSENT, DONE, "a symbolic link to a magic link",
	  .run = run_symlink, .path = "/proc/self/root" },
	{ "link-symbolic-shadow", NULL, "ENOENT", DIFFERS, "a symbolic link to a password file",
	  .run = run_symlink_shadow },
	{ "link-hard-passwd", "S0-30", "EXDEV|EPERM|EROFS|EACCES|ENOENT", NEEDS_ROOT,
	  "a second name for a file of the root; a host refuses it by ownership",
	  .run = run_hard_link, .path = "/etc/passwd" },
	{ "link-hard-program", "S0-30", "EXDEV|EPERM|EROFS|EACCES|ENOENT", NEEDS_ROOT,
	  "a second name for a program; a host refuses it by ownership",
	  .run = run_hard_link, .path = "/usr/bin/env" },
	{ "link-hard-descriptor", "S0-30", "EXDEV|EPERM|ENOENT|EACCES", NEEDS_ROOT,
	  "a name for an open file; a host refuses it by ownership",
	  .run = run_link_descriptor, .path = "/usr/bin/env" },
	{ "chroot-escape", "S0-34", W_CALL, DONE, "out of a chroot by a left working directory",
	  .run = run_chroot_escape },
};

GROUP(group_traversal, "traversal", "S0-28", probes);
