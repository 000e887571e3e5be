// SPDX-License-Identifier: Apache-2.0
/*
 * Process 1, when everything else inside is dead: walks the upper layer and sends what it finds.
 * Names, modes and the shape of the tree are the command's; nothing changes any more. No recursion
 * into more than HARVEST_DEPTH_MAX directories, no more than HARVEST_WALK_MAX names.
 */
#include "harvest.h"
#include "cleanup.h"
#include "io.h"
#include "jail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

struct walk {
	int socket;
	int seen;
	char name[HARVEST_NAME_MAX + 1];
};

static int send_packet(struct walk *w, char type, const char *why, size_t len, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char head[2] = { type, why ? *why : 0 };
	struct iovec iov[2] = { { head, why ? 2 : 1 }, { w->name, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		n = sendmsg(w->socket, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

static int skip(struct walk *w, enum harvest_why why, size_t len)
{
	char c = (char)why;

	return send_packet(w, HARVEST_SKIP, &c, len, -1);
}

static int is_opaque(int dir)
{
	char value[4];

	return fgetxattr(dir, "user.overlay.opaque", value, sizeof(value)) >= 1 && value[0] == 'y';
}

static int send_file(struct walk *w, int dir, const char *leaf, size_t len)
{
	AUTO_FD int fd = io_open_regular(dir, leaf, O_RDONLY);

	if (fd < 0 && errno == EACCES && fchmodat(dir, leaf, 0600, 0) == 0)
		fd = io_open_regular(dir, leaf, O_RDONLY);
	return fd < 0 ? skip(w, HARVEST_WHY_READ, len) :
			send_packet(w, HARVEST_FILE, NULL, len, fd);
}

static int walk_dir(struct walk *w, int fd, size_t len, int depth);

static int enter_dir(struct walk *w, int dir, const char *leaf, size_t len, int depth)
{
	if (depth >= HARVEST_DEPTH_MAX)
		return skip(w, HARVEST_WHY_DEPTH, len);
	AUTO_FD int fd = io_open_dir(dir, leaf);
	if (fd < 0 && errno == EACCES && fchmodat(dir, leaf, 0700, 0) == 0)
		fd = io_open_dir(dir, leaf);
	if (fd < 0)
		return skip(w, HARVEST_WHY_READ, len);
	(void)fchmod(fd, 0700); /* a directory that lists but cannot be searched */
	if (is_opaque(fd) && send_packet(w, HARVEST_OPAQUE, NULL, len, -1) < 0)
		return -1;
	return walk_dir(w, take_fd(&fd), len, depth + 1);
}

static int visit(struct walk *w, int dir, const char *leaf, size_t len, int depth)
{
	struct stat st;

	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return skip(w, HARVEST_WHY_READ, len);
	if (S_ISREG(st.st_mode))
		return send_file(w, dir, leaf, len);
	if (S_ISDIR(st.st_mode))
		return enter_dir(w, dir, leaf, len, depth);
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
		return send_packet(w, HARVEST_GONE, NULL, len, -1); /* a whiteout */
	return skip(w, HARVEST_WHY_TYPE, len);
}

/* Takes fd. */
static int walk_dir(struct walk *w, int fd, size_t len, int depth)
{
	AUTO_DIR DIR *dir = fdopendir(fd);
	struct dirent *de;

	if (!dir) {
		(void)close(fd);
		return skip(w, HARVEST_WHY_READ, len);
	}
	while ((de = readdir(dir))) {
		size_t leaf = strlen(de->d_name), next = len ? len + 1 : 0;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (++w->seen > HARVEST_WALK_MAX)
			return w->seen == HARVEST_WALK_MAX + 1 ? skip(w, HARVEST_WHY_COUNT, len) :
								 0;
		if (next + leaf > HARVEST_NAME_MAX) {
			if (skip(w, HARVEST_WHY_NAME, len) < 0)
				return -1;
			continue;
		}
		if (len)
			w->name[len] = '/';
		memcpy(w->name + next, de->d_name, leaf);
		if (visit(w, dirfd(dir), de->d_name, next + leaf, depth) < 0)
			return -1;
	}
	return 0;
}

int harvest_walk(int upper, int socket, int wait_status, int is_killed)
{
	struct harvest_status status = { wait_status, is_killed };
	struct walk w = { .socket = socket };
	int fd;

	memcpy(w.name, &status, sizeof(status));
	if (send_packet(&w, HARVEST_STATUS, NULL, sizeof(status), -1) < 0)
		return -1;
	fd = openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && fchmod(upper, 0700) == 0) /* the command may have closed its own workspace */
		fd = openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0755) < 0 || walk_dir(&w, fd, 0, 0) < 0)
		return -1;
	return send_packet(&w, HARVEST_END, NULL, 0, -1);
}
