// SPDX-License-Identifier: Apache-2.0
/*
 * Versions of languages: asked once of the host's own run-time, which is trusted, and remembered by
 * its file's identity. An image has its versions in a file that its build wrote.
 */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "io.h"
#include "text.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { ASK_MS = 5000 };

/* The first thing in text that looks like a version. */
static void pick(const char *text, char *ret, size_t size)
{
	size_t n = 0;

	while (*text && !(*text >= '0' && *text <= '9'))
		text++;
	while (n + 1 < size && text[n] && strchr("0123456789.abcrc-+~", text[n]))
		n++;
	while (n && !(text[n - 1] >= '0' && text[n - 1] <= '9'))
		n--;
	(void)snprintf(ret, size, "%.*s", (int)n, text);
}

static void ask(char *const *argv, char *ret, size_t size)
{
	char buf[1024] = "";
	char *const env[] = { NULL };
	size_t len = 0;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		(void)dup2(null, 0);
		(void)dup2(fds[1], 1);
		(void)dup2(fds[1], 2);
		(void)close_range(3, ~0U, 0);
		(void)execve(argv[0], argv, env);
		_exit(127);
	}
	(void)close(fds[1]);
	while (pid > 0 && len < sizeof(buf) - 1) {
		struct pollfd p = { .fd = fds[0], .events = POLLIN };
		ssize_t n = poll(&p, 1, ASK_MS) == 1 ?
				    read(fds[0], buf + len, sizeof(buf) - 1 - len) :
				    -1;

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	(void)close(fds[0]);
	if (pid > 0) {
		(void)kill(pid, SIGKILL); /* it has said its word, or never will */
		(void)waitpid(pid, NULL, 0);
	}
	buf[len] = 0;
	pick(buf, ret, size);
}

static void of_image(struct call *call, const struct profile *profile,
		     const struct language *language, char *ret, size_t size)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s.json", call->config->images, profile->root);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *text = fd < 0 ? NULL : io_read_all(fd, 4 << 20, NULL);
	AUTO_JSON json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
	const char *v = json_string_value(
		json_object_get(json_object_get(doc, "languages"), language->name));

	(void)snprintf(ret, size, "%s", v ? v : "");
}

void language_version(struct call *call, const struct profile *profile,
		      const struct language *language, char *ret, size_t size)
{
	struct stat st;
	char key[200];
	int state;

	ret[0] = 0;
	if (!language->name || !language->version || !language->version[0])
		return;
	if (strcmp(profile->root, "host") != 0) {
		of_image(call, profile, language, ret, size);
		return;
	}
	state = call_state(call, NULL);
	if (state < 0 || stat(language->version[0], &st) < 0 || io_mkdir(state, "versions") < 0)
		return;
	(void)snprintf(key, sizeof(key), "versions/%.40s-%llx-%llx-%llx", language->name,
		       (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
		       (unsigned long long)st.st_mtime);
	AUTO_FREE char *known = io_read_file(state, key, 80, NULL);
	if (known) {
		(void)snprintf(ret, size, "%s", known);
		return;
	}
	ask(language->version, ret, size);
	AUTO_FD int dir = io_open_dir(state, "versions");
	if (ret[0] && dir >= 0)
		(void)io_replace_file(dir, key + strlen("versions/"), ret, strlen(ret), false);
}
