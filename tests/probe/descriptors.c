// SPDX-License-Identifier: Apache-2.0
/* Descriptors that nobody handed over on purpose, and ways to the helper's report. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FD_MAX 1024

static bool is_open(struct attempt *t, int fd)
{
	return fd != t->result_fd && fcntl(fd, F_GETFD) >= 0;
}

/* 0 if any descriptor from first on makes the claim true. */
static int find(struct attempt *t, int first, bool (*claim)(int fd))
{
	for (int fd = first; fd < FD_MAX; fd++)
		if (is_open(t, fd) && (!claim || claim(fd)))
			return 0;
	return NOTHING;
}

static bool has_type(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

static bool is_directory(int fd)
{
	return has_type(fd, S_IFDIR);
}

static bool is_socket(int fd)
{
	return has_type(fd, S_IFSOCK);
}

static bool is_seekable(int fd)
{
	struct stat st;
	bool is_device = fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);

	return !is_device && lseek(fd, 0, SEEK_CUR) >= 0;
}

/* A write of no bytes tells as much and does no harm outside. */
static bool is_writable(int fd)
{
	(void)signal(SIGPIPE, SIG_IGN);
	return write(fd, "", 0) == 0 || errno == EPIPE;
}

static bool is_memfd(int fd)
{
	char path[64], target[256];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	return strstr(target, "memfd:") != NULL;
}

static int run_extra(struct attempt *t)
{
	return find(t, 3, NULL);
}

static int run_directory(struct attempt *t)
{
	return find(t, 0, is_directory);
}

static int run_socket(struct attempt *t)
{
	return find(t, 0, is_socket);
}

static int run_forge(struct attempt *t)
{
	return find(t, 3, is_writable);
}

static int run_memfd(struct attempt *t)
{
	return find(t, 0, is_memfd);
}

static int run_std_seekable(struct attempt *t)
{
	for (int fd = 0; fd < 3; fd++)
		if (is_open(t, fd) && is_seekable(fd))
			return 0;
	return NOTHING;
}

/* Escape the root by a directory that was left open. */
static int run_fchdir_out(struct attempt *t)
{
	struct stat st;

	for (int fd = 0; fd < FD_MAX; fd++)
		if (is_open(t, fd) && is_directory(fd) &&
		    (fstatat(fd, "etc/fstab", &st, 0) == 0 || fstatat(fd, "boot", &st, 0) == 0))
			return 0;
	return NOTHING;
}

/* A memfd of the helper may show as a mapping or as the program of somebody. */
static int run_memfd_elsewhere(struct attempt *t)
{
	char path[300], target[256];
	pid_t pids[64];
	size_t n = others(t, pids, NELEM(pids));
	int first = NOTHING;

	for (size_t i = 0; i < n; i++) {
		struct dirent *e;
		(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pids[i]);
		DIR *dir = opendir(path);
		if (!dir && first == NOTHING)
			first = errno;
		while (dir && (e = readdir(dir))) {
			ssize_t len = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
			target[len > 0 ? len : 0] = '\0';
			if (strstr(target, "memfd:")) {
				(void)closedir(dir);
				return 0;
			}
		}
		if (dir)
			(void)closedir(dir);
	}
	return first;
}

static const struct probe probes[] = {
	{ "fd-extra", NULL, "nothing", DONE, "a descriptor beyond 2 is open", .run = run_extra },
	{ "fd-directory", NULL, "nothing", DONE, "a descriptor is a directory",
	  .run = run_directory },
	{ "fd-directory-host", NULL, "nothing", DONE, "a directory leads to the host",
	  .run = run_fchdir_out },
	{ "fd-socket", NULL, "nothing", DONE, "a descriptor is a socket", .run = run_socket },
	{ "fd-std-seekable", NULL, "nothing", DONE, "stdin or an output is a file of the host",
	  .run = run_std_seekable },
	{ "fd-forge-result", NULL, "nothing", DONE, "a channel of the helper takes writes",
	  .run = run_forge },
	{ "fd-memfd", NULL, "nothing", DONE, "a memory file of the helper", .run = run_memfd },
	{ "fd-memfd-helper", NULL, "nothing|EACCES|EPERM|ENOENT", DONE,
	  "a memory file among the helper's descriptors", .run = run_memfd_elsewhere },
};

GROUP(group_descriptors, "descriptors", "S0-34", probes);
