// SPDX-License-Identifier: Apache-2.0
/* New namespaces, and those of others. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REFUSED "EPERM|ENOSPC|ENOSYS|EACCES"

static int run_unshare(struct attempt *t)
{
	return answer(unshare((int)t->probe->a[0]));
}

static void open_ns(pid_t pid, const char *name, int *ret_fd)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * A child gets namespaces of its own where it may; its parent, who owns them, then enters. Where
 * the child may not, the namespace is our own and the call alone is looked at.
 */
static int run_setns(struct attempt *t)
{
	int gate[2], user = -1, other = -1;
	char byte;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return broken(t, "no pipe");
	pid_t pid = fork();
	if (pid < 0)
		return broken(t, "no fork");
	if (pid == 0) {
		(void)unshare(CLONE_NEWUSER | (int)t->probe->a[0]);
		/* A pid namespace can be named only when it has somebody in it. */
		if (fork() == 0) {
			(void)pause();
			_exit(0);
		}
		(void)write(gate[1], "x", 1);
		(void)pause();
		_exit(0);
	}
	if (read(gate[0], &byte, 1) != 1)
		return broken(t, "no child");
	open_ns(pid, "user", &user);
	open_ns(pid, t->probe->path, &other);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	if (user < 0 || other < 0)
		return broken(t, "no namespace to enter");
	int r = answer(setns(user, CLONE_NEWUSER));
	return t->probe->a[0] ? answer(setns(other, 0)) : r;
}

/* setns on a process instead of a file. */
static int run_setns_pidfd(struct attempt *t)
{
	(void)t;
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (fd < 0)
		return errno;
	return answer(setns(fd, CLONE_NEWUTS));
}

static int reap(long pid)
{
	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(0);
	(void)waitpid((pid_t)pid, NULL, 0);
	return 0;
}

static int run_clone(struct attempt *t)
{
	return reap(syscall(SYS_clone, t->probe->a[0] | SIGCHLD, 0, 0, 0, 0));
}

static int run_clone3(struct attempt *t)
{
	struct clone_args args = { .flags = (uint64_t)t->probe->a[0], .exit_signal = SIGCHLD };

	return reap(syscall(SYS_clone3, &args, sizeof(args)));
}

/* Limits of the namespace itself, behind the filter. */
static int run_max(struct attempt *t)
{
	char text[32];

	if (slurp(t->probe->path, text, sizeof(text)) < 0)
		return errno;
	return text[0] == '0' ? NOTHING : 0;
}

#define UNSHARE(label, flag)                                                                       \
	{ "unshare-" label, NULL, REFUSED, DONE, "a " label " namespace of its own",               \
	  .run = run_unshare, .a = { CLONE_NEWUSER | (flag) } }
#define SETNS_FILE(label, flag, file)                                                              \
	{ "setns-" label, NULL, W_CALL, DONE, "into a " label " namespace", .run = run_setns,      \
	  .path = file, .a = { flag } }
#define SETNS(label, flag) SETNS_FILE(label, flag, label)
#define LIMIT(label)                                                                               \
	{ "max-" label "-namespaces", NULL, "nothing|ENOENT|EACCES", DONE,                         \
	  "the kernel's own limit is not zero", .run = run_max,                                    \
	  .path = "/proc/sys/user/max_" label "_namespaces" }

static const struct probe probes[] = {
	UNSHARE("user", 0), UNSHARE("mnt", CLONE_NEWNS), UNSHARE("pid", CLONE_NEWPID),
	UNSHARE("net", CLONE_NEWNET), UNSHARE("ipc", CLONE_NEWIPC), UNSHARE("uts", CLONE_NEWUTS),
	UNSHARE("cgroup", CLONE_NEWCGROUP), UNSHARE("time", CLONE_NEWTIME),
	{ "unshare-files", NULL, W_CALL, DONE, "the call itself, with a harmless flag",
	  .run = run_unshare, .a = { CLONE_FILES } },
	SETNS("user", 0), SETNS("mnt", CLONE_NEWNS),
	SETNS_FILE("pid", CLONE_NEWPID, "pid_for_children"),
	SETNS("net", CLONE_NEWNET), SETNS("ipc", CLONE_NEWIPC), SETNS("uts", CLONE_NEWUTS),
	SETNS("cgroup", CLONE_NEWCGROUP), SETNS_FILE("time", CLONE_NEWTIME, "time_for_children"),
	{ "setns-pidfd", NULL, W_CALL, NEEDS_ROOT, "into the namespaces of a process",
	  .run = run_setns_pidfd },
	{ "clone-user", NULL, REFUSED, DONE, "clone with CLONE_NEWUSER", .run = run_clone,
	  .a = { CLONE_NEWUSER } },
	{ "clone-user-all", NULL, REFUSED, DONE, "clone with several namespaces",
	  .run = run_clone, .a = { CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID } },
	{ "clone3-user", NULL, REFUSED, DONE, "clone3 with CLONE_NEWUSER", .run = run_clone3,
	  .a = { CLONE_NEWUSER } },
	{ "clone3-plain", NULL, "ENOSYS", DONE, "clone3 has pointer arguments",
	  .run = run_clone3 },
	LIMIT("user"), LIMIT("mnt"), LIMIT("net"),
};

GROUP(group_namespaces, "namespaces", "S0-35", probes);
