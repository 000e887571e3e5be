// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANCESTORS_MAX 64

int answer(long r)
{
	return r < 0 ? errno : 0;
}

int broken(struct attempt *t, const char *reason)
{
	(void)snprintf(t->reason, sizeof(t->reason), "%s", reason);
	return BROKEN;
}

ssize_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t have = 0;

	if (fd < 0)
		return -1;
	while (have < size - 1) {
		ssize_t n = read(fd, buf + have, size - 1 - have);
		if (n < 0 && have == 0) {
			int err = errno;
			(void)close(fd);
			errno = err;
			return -1;
		}
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	(void)close(fd);
	buf[have] = '\0';
	return (ssize_t)have;
}

int spit(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	int err = answer(write(fd, text, strlen(text)));
	(void)close(fd);
	return err;
}

bool self_status(const char *key, char *buf, size_t size)
{
	char text[4096];
	size_t len = strlen(key);

	if (slurp("/proc/self/status", text, sizeof(text)) < 0)
		return false;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (strncmp(line, key, len) != 0 || line[len] != ':')
			continue;
		line += len + 1;
		(void)snprintf(buf, size, "%s", line + strspn(line, " \t"));
		return true;
	}
	return false;
}

const char *join(char *buf, size_t size, const char *dir, const char *name)
{
	if ((size_t)snprintf(buf, size, "%s/%s", dir, name) >= size)
		buf[0] = '\0';
	return buf;
}

int file_new(const char *dir, const char *name, char *path, size_t size)
{
	if (dir[0] == '\0') {
		errno = ENOENT;
		return -1;
	}
	join(path, size, dir, name);
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

int copy_file(const char *from, const char *to, mode_t mode)
{
	char buf[65536];
	ssize_t n = 0;
	int err = 0;
	int in = open(from, O_RDONLY | O_CLOEXEC);

	if (in < 0)
		return errno;
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (out < 0) {
		err = errno;
		(void)close(in);
		return err;
	}
	while (!err && (n = read(in, buf, sizeof(buf))) > 0)
		err = answer(write(out, buf, (size_t)n));
	if (n < 0)
		err = errno;
	(void)close(in);
	(void)close(out);
	return err;
}

int spawn(const char *file, char *const argv[])
{
	int gate[2], status = 0, err = 0;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		for (int fd = 0; null >= 0 && fd < 3; fd++)
			(void)dup2(null, fd);
		(void)execve(file, argv, (char *[]){ NULL });
		err = errno;
		if (write(gate[1], &err, sizeof(err)) < 0)
			_exit(126);
		_exit(127);
	}
	(void)close(gate[1]);
	if (read(gate[0], &err, sizeof(err)) != (ssize_t)sizeof(err))
		err = 0;
	(void)close(gate[0]);
	(void)waitpid(pid, &status, 0);
	if (err)
		return -err;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int in_child(struct attempt *t, int (*fn)(struct attempt *t))
{
	int gate[2], r = BROKEN, status = 0;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return broken(t, "no pipe");
	pid_t pid = fork();
	if (pid < 0)
		return broken(t, "no fork");
	if (pid == 0) {
		r = fn(t);
		_exit(write(gate[1], &r, sizeof(r)) == (ssize_t)sizeof(r) ? 0 : 1);
	}
	(void)close(gate[1]);
	if (read(gate[0], &r, sizeof(r)) != (ssize_t)sizeof(r))
		r = broken(t, "the child ended without an answer");
	(void)close(gate[0]);
	(void)waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		(void)raise(WTERMSIG(status));
	return r;
}

static bool has_cap(int cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return true;
	return (data[cap / 32].effective >> (cap % 32)) & 1U;
}

int ns_own(struct attempt *t, int flags)
{
	char map[64];
	unsigned int uid = geteuid(), gid = getegid();

	if (unshare(CLONE_NEWUSER | flags) < 0) {
		if (uid == 0 || has_cap(CAP_SYS_ADMIN))
			return broken(t, "privileged, and without a namespace of its own");
		return 0;
	}
	(void)spit("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "0 %u 1\n", uid);
	(void)spit("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "0 %u 1\n", gid);
	(void)spit("/proc/self/gid_map", map);
	return 1;
}

pid_t parent_of(pid_t pid)
{
	char path[64], text[1024];
	int parent = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (slurp(path, text, sizeof(text)) < 0)
		return 0;
	const char *end = strrchr(text, ')');
	if (!end || sscanf(end + 1, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static bool descends(pid_t pid, pid_t from)
{
	for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		if (pid == from)
			return true;
		pid = parent_of(pid);
	}
	return false;
}

bool is_relative(pid_t pid)
{
	return descends(getpid(), pid) || descends(pid, getpid());
}

size_t others(struct attempt *t, pid_t *pids, size_t max)
{
	struct dirent *e;
	size_t n = 0;

	pids[n++] = 1;
	if (t->bait_pid > 0 && n < max)
		pids[n++] = t->bait_pid;
	DIR *dir = opendir("/proc");
	if (!dir)
		return n;
	while (n < max && (e = readdir(dir))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (pid > 1 && pid != t->bait_pid && !is_relative(pid))
			pids[n++] = pid;
	}
	(void)closedir(dir);
	return n;
}
