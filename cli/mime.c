// SPDX-License-Identifier: Apache-2.0
/* The near side of sbx-type; a text's kind is told by its name, which libmagic does not see. */
#include "mime.h"

#include "cleanup.h"
#include "config.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { ANSWER_MS = 10000 };

/* libmagic says text/plain, and the name says which one. */
static const char *const texts[][2] = {
	{ ".csv", "text/csv" },
	{ ".tsv", "text/tab-separated-values" },
	{ ".json", "application/json" },
	{ ".md", "text/markdown" },
	{ ".html", "text/html" },
	{ ".htm", "text/html" },
	{ ".css", "text/css" },
	{ ".js", "text/javascript" },
	{ ".mjs", "text/javascript" },
	{ ".svg", "image/svg+xml" },
	{ ".xml", "application/xml" },
	{ ".yaml", "application/yaml" },
	{ ".yml", "application/yaml" },
	{ ".py", "text/x-python" },
	{ ".ts", "text/x-typescript" },
	{ ".c", "text/x-c" },
	{ ".sh", "text/x-shellscript" },
	{ ".ndjson", "application/x-ndjson" },
	{ ".jsonl", "application/x-ndjson" },
	{ ".toml", "application/toml" },
	{ ".ipynb", "application/x-ipynb+json" },
};

static int start(struct mime *mime)
{
	char path[PATH_MAX];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/sbx-type", mime->config->libexec);
	mime->pid = fork();
	if (mime->pid == 0) {
		static char name[] = "sbx-type";
		char *const argv[] = { name, NULL }, *const env[] = { NULL };

		/* no descriptor of the store goes with it */
		if (dup2(pair[1], 0) == 0) {
			int null = open("/dev/null", O_RDWR | O_CLOEXEC);

			(void)dup2(null, 1);
			(void)dup2(null, 2);
			(void)close_range(3, ~0U, 0);
			(void)execve(path, argv, env);
		}
		_exit(127);
	}
	(void)close(pair[1]);
	mime->socket = pair[0];
	if (mime->pid < 0) {
		(void)close(pair[0]);
		mime->pid = 0;
		return -1;
	}
	return 0;
}

static int ask(struct mime *mime, int fd, char *ret, size_t size)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char byte = 'f';
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct pollfd p = { .fd = mime->socket, .events = POLLIN };
	ssize_t n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	if (sendmsg(mime->socket, &msg, MSG_NOSIGNAL) < 0 || poll(&p, 1, ANSWER_MS) != 1)
		return -1;
	n = recv(mime->socket, ret, size - 1, MSG_DONTWAIT);
	if (n <= 0)
		return -1;
	ret[n] = 0;
	/* it read hostile bytes: its word is checked like one */
	return strspn(ret, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.+-_") ==
				       (size_t)n &&
			       strchr(ret, '/') ?
		       0 :
		       -1;
}

static void refine(const char *name, char *ret, size_t size)
{
	const char *dot = strrchr(name, '.');
	size_t i;

	if (!dot || (strncmp(ret, "text/", 5) != 0 && strcmp(ret, "application/csv") != 0 &&
		     strcmp(ret, "application/json") != 0))
		return;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!strcasecmp(dot, texts[i][0]))
			(void)snprintf(ret, size, "%s", texts[i][1]);
}

void mime_type(struct mime *mime, int fd, const char *name, char *ret, size_t size)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size == 0) {
		(void)snprintf(ret, size, "text/plain");
		refine(name, ret, size);
		return;
	}
	if ((!mime->pid && start(mime) < 0) || ask(mime, fd, ret, size) < 0) {
		mime_done(mime); /* a broken one is not asked again; the next file gets a new one */
		(void)snprintf(ret, size, "application/octet-stream");
		return;
	}
	refine(name, ret, size);
}

void mime_done(struct mime *mime)
{
	if (!mime->pid)
		return;
	(void)close(mime->socket);
	(void)kill(mime->pid, SIGKILL);
	(void)waitpid(mime->pid, NULL, 0);
	mime->pid = 0;
}

int mime_allowed(const struct config *config, const struct entry *e, struct err *err)
{
	static const char *const kinds[][2] = {
		{ "png", "image/png" }, { "jpg", "image/jpeg" },      { "jpeg", "image/jpeg" },
		{ "gif", "image/gif" }, { "pdf", "application/pdf" }, { "webp", "image/webp" },
		{ "mp4", "video/mp4" },
	};
	size_t i;

	if (!config->extensions)
		return 0;
	for (i = 0; config->extensions[i]; i++)
		if (!strcmp(config->extensions[i], e->extension))
			break;
	if (!config->extensions[i])
		return err_set(err, ERR_POLICY, "files of type '%s' may not be uploaded here",
			       e->extension);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i][0], e->extension) && e->size > 0 &&
		    strcmp(kinds[i][1], e->mime) != 0)
			return err_set(err, ERR_POLICY,
				       "the content is %s, not what '.%s' promises", e->mime,
				       e->extension);
	if (!strcmp(e->mime, "application/x-dosexec") ||
	    !strncmp(e->mime, "application/x-executable", 24) ||
	    !strcmp(e->mime, "application/x-pie-executable") ||
	    !strcmp(e->mime, "application/x-sharedlib"))
		return err_set(err, ERR_POLICY, "the content is a program (%s)", e->mime);
	return 0;
}
