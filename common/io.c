// SPDX-License-Identifier: Apache-2.0
#include "io.h"

#include "cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int io_open(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC | O_NOCTTY),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};

	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)
		how.mode = mode;
	if (!(flags & O_PATH))
		how.flags |= O_NONBLOCK; /* a FIFO or a lease must not hold us */
	for (;;) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

		/* EAGAIN: a rename went on beside us; the kernel asks to try again */
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			return (int)fd;
	}
}

int io_open_regular(int dirfd, const char *path, int flags)
{
	AUTO_FD int fd = io_open(dirfd, path, flags, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return -1;
	}
	return take_fd(&fd);
}

int io_open_dir(int dirfd, const char *path)
{
	return io_open(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
}

int io_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

char *io_read_all(int fd, size_t max, size_t *ret_len)
{
	size_t len = 0, room = 4096;
	AUTO_FREE char *buf = malloc(room + 1);

	if (!buf)
		return NULL;
	for (;;) {
		ssize_t n;

		if (len == room) {
			char *more = realloc(buf, room * 2 + 1);

			if (!more)
				return NULL;
			buf = more;
			room *= 2;
		}
		n = read(fd, buf + len, room - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return NULL;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max) {
			errno = EFBIG;
			return NULL;
		}
	}
	buf[len] = 0;
	if (ret_len)
		*ret_len = len;
	return take_ptr(&buf);
}

char *io_read_file(int dirfd, const char *path, size_t max, size_t *ret_len)
{
	AUTO_FD int fd = io_open_regular(dirfd, path, O_RDONLY);

	return fd < 0 ? NULL : io_read_all(fd, max, ret_len);
}

int io_write_file(int dirfd, const char *path, const char *text)
{
	AUTO_FD int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

int io_replace_file(int dirfd, const char *name, const void *buf, size_t len, bool sync)
{
	unsigned int salt = 0;
	char tmp[280];
	int fd, saved;

	(void)getrandom(&salt, sizeof(salt), 0); /* a name, not a secret */
	if (snprintf(tmp, sizeof(tmp), ".tmp-%08x-%s", salt, name) >= (int)sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (io_write_all(fd, buf, len) < 0 || (sync && fsync(fd) < 0) ||
	    renameat(dirfd, tmp, dirfd, name) < 0)
		goto undo_file;
	(void)close(fd);
	return sync ? fsync(dirfd) : 0;
undo_file:
	saved = errno;
	(void)close(fd);
	(void)unlinkat(dirfd, tmp, 0);
	errno = saved;
	return -1;
}

int io_create_file(int dirfd, const char *name, const void *buf, size_t len, bool sync)
{
	AUTO_FD int fd = openat(dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	char self[48];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fd < 0 || io_write_all(fd, buf, len) < 0 || (sync && fsync(fd) < 0) ||
	    linkat(AT_FDCWD, self, dirfd, name, AT_SYMLINK_FOLLOW) < 0)
		return -1;
	return sync ? fsync(dirfd) : 0;
}

int io_mkdir(int dirfd, const char *name)
{
	return mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

/* Opens a directory to empty it; one without permission is given it first. */
static DIR *open_to_empty(int dirfd, const char *name)
{
	int fd = io_open_dir(dirfd, name);
	DIR *dir;

	if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
		fd = io_open_dir(dirfd, name);
	if (fd < 0)
		return NULL;
	(void)fchmod(fd, 0700); /* ours, or the unlink below says why not */
	dir = fdopendir(fd);
	if (!dir)
		(void)close(fd);
	return dir;
}

/*
 * Empties one directory: files go; a directory that is not empty is first emptied of its own
 * directories by lifting them up beside it. So no recursion and one directory open below root.
 */
static int lift_children(int root, const char *name, unsigned int *serial)
{
	AUTO_DIR DIR *dir = open_to_empty(root, name);
	struct dirent *de;

	if (!dir)
		return -1;
	while ((de = readdir(dir))) {
		char up[32];

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (unlinkat(dirfd(dir), de->d_name, 0) == 0 ||
		    unlinkat(dirfd(dir), de->d_name, AT_REMOVEDIR) == 0)
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST && errno != EISDIR && errno != EACCES &&
		    errno != EPERM)
			return -1;
		(void)fchmodat(dirfd(dir), de->d_name, 0700, 0);
		do
			(void)snprintf(up, sizeof(up), ".lifted-%u", (*serial)++);
		while (renameat2(dirfd(dir), de->d_name, root, up, RENAME_NOREPLACE) < 0 &&
		       errno == EEXIST);
		if (faccessat(root, up, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return -1;
	}
	return 0;
}

int io_remove_tree(int dirfd, const char *name)
{
	unsigned int serial = 0;
	int rounds;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	AUTO_FD int top = io_open_dir(dirfd, name);
	if (top < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
		top = io_open_dir(dirfd, name);
	if (top < 0)
		return errno == ENOENT ? 0 : -1;
	(void)fchmod(top, 0700);
	for (rounds = 0; rounds < 1000000; rounds++) {
		int again = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
		struct dirent *de;
		bool left = false;

		if (!dir)
			return -1;
		while ((de = readdir(dir))) {
			if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
				continue;
			if (unlinkat(top, de->d_name, 0) == 0 ||
			    unlinkat(top, de->d_name, AT_REMOVEDIR) == 0)
				continue;
			if (lift_children(top, de->d_name, &serial) < 0)
				return -1;
			left = true;
		}
		if (!left)
			break;
	}
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -1 : 0;
}

int64_t io_now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t io_now_ms(void)
{
	return io_now_us() / 1000;
}
