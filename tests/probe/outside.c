// SPDX-License-Identifier: Apache-2.0
/* Files beyond the workspace: written, found, and devices. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_ONLY "EROFS|ENOENT"
#define GONE "ENOENT|EACCES|nothing"

/* Where a jail may be written to. */
static bool is_ours(const char *path)
{
	static const char *const places[] = { "/mnt/data", "/tmp", "/dev/shm", "/proc",
					      "/home/user", "/workspace" };

	for (size_t i = 0; i < NELEM(places); i++) {
		size_t len = strlen(places[i]);
		if (strncmp(path, places[i], len) == 0 && (path[len] == '\0' || path[len] == '/'))
			return true;
	}
	return false;
}

/* A directory, depth levels deep, that takes new files and is not ours. */
static bool writable_below(const char *path, int depth)
{
	char sub[1024];
	struct dirent *e;
	bool found = false;

	if (is_ours(path))
		return false;
	if (access(path[0] ? path : "/", W_OK) == 0)
		return true;
	DIR *dir = depth > 0 ? opendir(path[0] ? path : "/") : NULL;
	while (dir && !found && (e = readdir(dir))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		join(sub, sizeof(sub), path, e->d_name);
		found = writable_below(sub, depth - 1);
	}
	if (dir)
		(void)closedir(dir);
	return found;
}

static int run_writable(struct attempt *t)
{
	(void)t;
	return writable_below("", 3) ? 0 : NOTHING;
}

static int run_unlink(struct attempt *t)
{
	/* A name that does not exist: a read-only file system answers before it looks. */
	return answer(rmdir(t->probe->path));
}

static int run_rename(struct attempt *t)
{
	char to[DIR_MAX_LEN];

	if (t->work[0] == '\0')
		return broken(t, "no scratch directory");
	return answer(rename(t->probe->path, join(to, sizeof(to), t->work, "f")));
}

static int run_chmod(struct attempt *t)
{
	struct stat st;

	if (stat(t->probe->path, &st) < 0)
		return errno;
	return answer(chmod(t->probe->path, st.st_mode & 0777));
}

static int run_utimes(struct attempt *t)
{
	return answer(utimensat(AT_FDCWD, t->probe->path, NULL, 0));
}

static bool is_listed(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* A device in /dev of the type in question that is not one of the five. */
static int run_devices(struct attempt *t)
{
	static const char *const five[] = { "null", "zero", "full", "random", "urandom" };
	struct stat st;
	struct dirent *e;
	int r = NOTHING;
	DIR *dir = opendir("/dev");

	if (!dir)
		return errno;
	while (r != 0 && (e = readdir(dir)))
		if (!is_listed(e->d_name, five, NELEM(five)) &&
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (st.st_mode & S_IFMT) == (mode_t)t->probe->a[0])
			r = 0;
	(void)closedir(dir);
	return r;
}

static int run_home(struct attempt *t)
{
	static const char *const own[] = { ".", "..", "user" };
	struct dirent *e;
	int r = NOTHING;
	DIR *dir = opendir("/home");

	(void)t;
	if (!dir)
		return errno;
	while (r != 0 && (e = readdir(dir)))
		if (!is_listed(e->d_name, own, NELEM(own)))
			r = 0;
	(void)closedir(dir);
	return r;
}

static int run_home_of_user(struct attempt *t)
{
	static const char *const trees[] = {
		"/home/user/.ssh", "/root/.ssh", "/root/.bashrc", "/home/user/.bashrc",
		"/var/lib/sbx", "/opt/librechat", "/app/librechat.yaml", "/srv/librechat",
		"/etc/sbx", "/var/spool/cron",
	};
	struct stat st;

	(void)t;
	for (size_t i = 0; i < NELEM(trees); i++)
		if (lstat(trees[i], &st) == 0)
			return 0;
	return NOTHING;
}

#define CREATE(label, dir)                                                                         \
	{ "write-" label, NULL, READ_ONLY, DIFFERS, "a new file in " dir, .run = run_create,       \
	  .path = dir }
#define ALTER(label, file)                                                                         \
	{ "write-" label, NULL, READ_ONLY "|EACCES", NEEDS_ROOT,                                   \
	  file " opened for writing; a host refuses it by ownership", .run = run_open_write,       \
	  .path = file }
#define LISTED(label, dir, twin)                                                                   \
	{ "see-" label, "S0-28", GONE, twin, dir " of the host", .run = run_list, .path = dir }
#define DEVICE(file, twin)                                                                         \
	{ "dev-" file, "S0-34", "ENOENT", twin, "/dev/" file, .run = run_open_write,               \
	  .path = "/dev/" file }

static const struct probe probes[] = {
	CREATE("root", "/"), CREATE("usr", "/usr"), CREATE("usr-bin", "/usr/bin"),
	CREATE("etc", "/etc"), CREATE("dev", "/dev"), CREATE("mnt", "/mnt"),
	CREATE("home", "/home"), CREATE("opt", "/opt"), CREATE("var", "/var"),
	CREATE("run", "/run"), CREATE("usr-local", "/usr/local"), CREATE("usr-lib", "/usr/lib"),
	ALTER("passwd", "/etc/passwd"), ALTER("group", "/etc/group"), ALTER("env", "/usr/bin/env"),
	ALTER("ld-cache", "/etc/ld.so.cache"),
	{ "write-anywhere", NULL, "nothing", DONE, "a directory that takes files and is not ours",
	  .run = run_writable },
	{ "remove-system", "S0-29", READ_ONLY, DIFFERS, "a directory of the system removed",
	  .run = run_unlink, .path = "/usr/lib" },
	{ "rename-system", "S0-29", READ_ONLY "|EXDEV", NEEDS_ROOT,
	  "a file of the system moved here; a host refuses it by ownership", .run = run_rename,
	  .path = "/etc/passwd" },
	{ "chmod-system", NULL, READ_ONLY, DIFFERS, "a mode of the system", .run = run_chmod,
	  .path = "/usr/bin/env" },
	{ "touch-system", NULL, READ_ONLY, DIFFERS, "a time of the system", .run = run_utimes,
	  .path = "/usr/bin/env" },
	LISTED("run", "/run", DONE), LISTED("var", "/var", DONE), LISTED("sys", "/sys", DONE),
	LISTED("cgroup", "/sys/fs/cgroup", NEEDS_ROOT), LISTED("boot", "/boot", NEEDS_ROOT),
	LISTED("root", "/root", NEEDS_ROOT), LISTED("media", "/media", NEEDS_ROOT),
	LISTED("srv", "/srv", NEEDS_ROOT),
	{ "see-home", "S0-28", GONE, NEEDS_ROOT, "homes of the host, where there are any",
	  .run = run_home },
	{ "see-trees", "S0-33", "nothing", NEEDS_ROOT, "trees of services, where there are any",
	  .run = run_home_of_user },
	{ "dev-block", "S0-34", "nothing", DIFFERS, "disks", .run = run_devices,
	  .a = { S_IFBLK } },
	{ "dev-char", "S0-34", "nothing", DONE, "a device beyond the five", .run = run_devices,
	  .a = { S_IFCHR } },
	DEVICE("kmsg", DIFFERS), DEVICE("mem", NEEDS_ROOT), DEVICE("fuse", NEEDS_ROOT),
	DEVICE("kvm", NEEDS_ROOT), DEVICE("net/tun", NEEDS_ROOT),
	DEVICE("loop-control", NEEDS_ROOT), DEVICE("loop0", NEEDS_ROOT),
	DEVICE("vsock", NEEDS_ROOT), DEVICE("userfaultfd", NEEDS_ROOT),
};

GROUP(group_outside, "outside", "S0-30", probes);
