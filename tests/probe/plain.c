// SPDX-License-Identifier: Apache-2.0
/* Probes that are only a row: a call with its arguments, a path to read, list or write. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int run_call(struct attempt *t)
{
	const long *a = t->probe->a;

	return answer(syscall(t->probe->nr, a[0], a[1], a[2], a[3], a[4], a[5]));
}

int run_call_own_ns(struct attempt *t)
{
	const long *a = t->probe->a;

	if (ns_own(t, (int)a[5]) < 0)
		return BROKEN;
	return answer(syscall(t->probe->nr, a[0], a[1], a[2], a[3], a[4]));
}

int run_stat(struct attempt *t)
{
	struct stat st;

	return answer(lstat(t->probe->path, &st));
}

int run_read(struct attempt *t)
{
	char byte[2];
	ssize_t n = slurp(t->probe->path, byte, sizeof(byte));

	if (n < 0)
		return errno;
	return n > 0 ? 0 : NOTHING;
}

int run_open_write(struct attempt *t)
{
	return answer(open(t->probe->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

/* A jail has these of its own; a host has more. */
static bool is_of_jail(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "sbx") || !strcmp(name, "cache") ||
	       !strcmp(name, "lib");
}

int run_list(struct attempt *t)
{
	struct dirent *e;
	int r = NOTHING;
	DIR *dir = opendir(t->probe->path);

	if (!dir)
		return errno;
	errno = 0;
	while (r != 0 && (e = readdir(dir)))
		if (!is_of_jail(e->d_name))
			r = 0;
	if (r != 0 && errno)
		r = errno;
	(void)closedir(dir);
	return r;
}

int run_create(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	int fd = file_new(t->probe->path, ".sbx-probe", path, sizeof(path));

	if (fd < 0)
		return errno;
	(void)unlink(path);
	(void)close(fd);
	return 0;
}

int run_ioctl(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	long arg = t->probe->a[0];
	int fd = file_new(t->work, "f", path, sizeof(path));

	if (fd < 0)
		return broken(t, "no scratch file");
	int r = answer(ioctl(fd, (unsigned long)t->probe->nr, &arg));
	if (r == 0) {
		arg = 0;
		(void)ioctl(fd, (unsigned long)t->probe->nr, &arg);
	}
	return r;
}
