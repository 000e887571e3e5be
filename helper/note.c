// SPDX-License-Identifier: Apache-2.0
/* The packets between the supervisor and the inside: plain structs of one and the same program. */
#include "jail.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int note_send(int fd, const struct note *note, const int *fds, int fd_count)
{
	union {
		char space[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)note, sizeof(*note) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd_count > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)fd_count * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(*note) ? 0 : -1;
}

int note_recv(int fd, struct note *ret, int *ret_fds, int fd_max, int *ret_fd_count, int flags)
{
	union {
		char space[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { ret, sizeof(*ret) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };
	struct cmsghdr *c;
	ssize_t n;

	*ret_fd_count = 0;
	do
		n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			int got = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

			if (got > fd_max)
				got = fd_max;
			memcpy(ret_fds, CMSG_DATA(c), (size_t)got * sizeof(int));
			*ret_fd_count = got;
		}
	if (n != (ssize_t)sizeof(*ret)) {
		errno = EPROTO;
		return -1;
	}
	ret->stage[sizeof(ret->stage) - 1] = 0;
	return 1;
}
