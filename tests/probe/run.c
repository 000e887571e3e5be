// SPDX-License-Identifier: Apache-2.0
/*
 * The runner: one child for each probe, which leads a process group of its own. Whatever becomes
 * of the child, one line is printed, the group is killed and the scratch directories are gone.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIME_MS 3000
#define WORKSPACE "/mnt/data"

struct outcome {
	int code;
	bool is_end;			/* the child ended, and said nothing */
	char reason[REASON_MAX];
};

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	if (type == FTW_DNR)
		(void)chmod(path, 0700);
	(void)remove(path);
	return 0;
}

static void scratch_remove(const char *dir)
{
	if (dir[0] != '\0')
		(void)nftw(dir, drop, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void scratch_make(char dir[DIR_MAX_LEN], const char *base)
{
	join(dir, DIR_MAX_LEN, base, "sbx-probe-XXXXXX");
	if (dir[0] == '\0' || !mkdtemp(dir))
		dir[0] = '\0';
}

static const char *tmp_base(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && dir[0] == '/' ? dir : "/tmp";
}

static long long clock_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int time_ms(const struct probe *p)
{
	return p->time_ms ? p->time_ms : TIME_MS;
}

static void child(struct attempt *t)
{
	struct outcome out = { 0 };

	(void)setpgid(0, 0);
	(void)alarm((unsigned int)time_ms(t->probe) / 1000 + 1);
	out.code = t->probe->run(t);
	memcpy(out.reason, t->reason, sizeof(out.reason));
	_exit(write(t->result_fd, &out, sizeof(out)) == (ssize_t)sizeof(out) ? 0 : 1);
}

/* Waits for an answer or an end; a grandchild may hold the pipe open, so both are looked at. */
static void await(int fd, pid_t pid, int for_ms, struct outcome *ret, int *ret_status)
{
	long long until = clock_ms() + for_ms;
	bool ended = false;

	ret->code = LATE;
	*ret_status = 0;
	while (clock_ms() < until) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, 20) > 0 &&
		    read(fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret)) {
			ret->reason[sizeof(ret->reason) - 1] = '\0';
			break;
		}
		ret->code = LATE;
		if (ended) {
			ret->code = BROKEN;
			ret->is_end = true;
			(void)snprintf(ret->reason, sizeof(ret->reason), "ended without an answer");
			break;
		}
		ended = waitpid(pid, ret_status, WNOHANG) == pid;
	}
	(void)kill(-pid, SIGKILL);
	(void)kill(pid, SIGKILL);
	if (!ended)
		(void)waitpid(pid, ret_status, 0);
}

static void print_result(const char *name, const struct outcome *out, int status)
{
	char buf[16], text[REASON_MAX + 16];
	int sig = out->is_end && WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (sig == SIGALRM)
		(void)snprintf(text, sizeof(text), "timeout");
	else if (sig)
		(void)snprintf(text, sizeof(text), "killed:%s", signal_name(sig, buf));
	else if (out->code == LATE)
		(void)snprintf(text, sizeof(text), "timeout");
	else if (out->code == BROKEN)
		(void)snprintf(text, sizeof(text), "broken: %s", out->reason);
	else if (out->code == NOTHING)
		(void)snprintf(text, sizeof(text), "nothing");
	else
		(void)snprintf(text, sizeof(text), "%s",
			       out->code ? errno_name(out->code, buf) : "done");
	(void)printf("{\"name\":\"%s\",\"result\":\"%s\"}\n", name, text);
	(void)fflush(stdout);
}

int run_probe(const struct probe *p, pid_t bait_pid)
{
	struct attempt t = { .probe = p, .runner = getpid(), .bait_pid = bait_pid,
			     .first_pgrp = getpgrp(), .first_sid = getsid(0) };
	struct outcome out = { .code = BROKEN };
	int gate[2], status = 0;

	if (pipe2(gate, O_CLOEXEC) < 0) {
		(void)snprintf(out.reason, sizeof(out.reason), "no pipe");
		print_result(p->name, &out, 0);
		return -1;
	}
	scratch_make(t.work, access(WORKSPACE, W_OK) == 0 ? WORKSPACE : tmp_base());
	scratch_make(t.tmp, tmp_base());
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(gate[0]);
		t.result_fd = gate[1];
		child(&t);
	}
	(void)close(gate[1]);
	if (pid > 0) {
		(void)setpgid(pid, pid);
		await(gate[0], pid, time_ms(p), &out, &status);
	} else {
		(void)snprintf(out.reason, sizeof(out.reason), "no fork");
	}
	(void)close(gate[0]);
	scratch_remove(t.work);
	scratch_remove(t.tmp);
	print_result(p->name, &out, status);
	return 0;
}
