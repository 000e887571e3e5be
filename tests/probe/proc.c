// SPDX-License-Identifier: Apache-2.0
/* What /proc tells of, and lets one do to, process 1 and every process that is not one's own. */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define OTHERS_MAX 64
#define SHUT "EACCES|EPERM|ENOENT"

/* Calls fn for each other process; 0 if it worked for any, else what the first one answered. */
static int each_other(struct attempt *t, int (*fn)(struct attempt *t, pid_t pid))
{
	pid_t pids[OTHERS_MAX];
	size_t n = others(t, pids, NELEM(pids));
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		int r = fn(t, pids[i]);
		if (r == 0)
			return 0;
		if (i == 0)
			first = r;
	}
	return first;
}

static const char *proc_path(struct attempt *t, pid_t pid, char *buf, size_t size)
{
	(void)snprintf(buf, size, "/proc/%d/%s", (int)pid, t->probe->path);
	return buf;
}

static int one_read(struct attempt *t, pid_t pid)
{
	char path[64], byte[2];
	ssize_t n = slurp(proc_path(t, pid, path, sizeof(path)), byte, sizeof(byte));

	if (n < 0)
		return errno;
	return n > 0 ? 0 : NOTHING;
}

static int run_other_read(struct attempt *t)
{
	return each_other(t, one_read);
}

static int one_open_write(struct attempt *t, pid_t pid)
{
	char path[64];
	int fd = open(proc_path(t, pid, path, sizeof(path)), O_RDWR | O_CLOEXEC);

	return answer(fd);
}

static int run_other_open_write(struct attempt *t)
{
	return each_other(t, one_open_write);
}

static int one_readlink(struct attempt *t, pid_t pid)
{
	char path[64], target[256];

	return answer(readlink(proc_path(t, pid, path, sizeof(path)), target, sizeof(target)));
}

static int run_other_readlink(struct attempt *t)
{
	return each_other(t, one_readlink);
}

static int one_listing(struct attempt *t, pid_t pid)
{
	char path[64];
	DIR *dir = opendir(proc_path(t, pid, path, sizeof(path)));

	if (!dir)
		return errno;
	(void)closedir(dir);
	return 0;
}

static int run_other_listing(struct attempt *t)
{
	return each_other(t, one_listing);
}

/* These act on the other process, so only on process 1 and on one laid out for it. */
static int each_victim(struct attempt *t, int (*fn)(struct attempt *t, pid_t pid))
{
	int first = fn(t, 1);

	if (first == 0 || t->bait_pid <= 0)
		return first;
	return fn(t, t->bait_pid) == 0 ? 0 : first;
}

static int one_seize(struct attempt *t, pid_t pid)
{
	(void)t;
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return errno;
	return 0;
}

static int run_other_ptrace(struct attempt *t)
{
	return each_victim(t, one_seize);
}

static int one_getfd(struct attempt *t, pid_t pid)
{
	int err = EBADF;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	(void)t;
	if (pidfd < 0)
		return errno;
	for (int fd = 0; fd < 16 && err == EBADF; fd++)
		err = answer(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
	return err;
}

static int run_other_getfd(struct attempt *t)
{
	return each_victim(t, one_getfd);
}

/* Address 0 is mapped nowhere: EFAULT says that the process itself was open to us. */
static int one_vm(struct attempt *t, pid_t pid)
{
	char byte = 0;
	struct iovec here = { &byte, 1 }, there = { NULL, 1 };
	int err = answer(syscall(t->probe->nr, pid, &here, 1UL, &there, 1UL, 0UL));

	return err == EFAULT ? 0 : err;
}

static int run_other_vm(struct attempt *t)
{
	return each_victim(t, one_vm);
}

static int one_kcmp(struct attempt *t, pid_t pid)
{
	(void)t;
	return answer(syscall(SYS_kcmp, getpid(), pid, 1, 0, 0));
}

static int run_other_kcmp(struct attempt *t)
{
	return each_victim(t, one_kcmp);
}

static int one_prlimit(struct attempt *t, pid_t pid)
{
	struct rlimit lim;

	(void)t;
	return answer(prlimit(pid, RLIMIT_NOFILE, NULL, &lim));
}

static int run_other_prlimit(struct attempt *t)
{
	return each_victim(t, one_prlimit);
}

static int one_robust(struct attempt *t, pid_t pid)
{
	void *head = NULL;
	size_t len = 0;

	(void)t;
	return answer(syscall(SYS_get_robust_list, pid, &head, &len));
}

static int run_other_robust(struct attempt *t)
{
	return each_victim(t, one_robust);
}

static int one_ns(struct attempt *t, pid_t pid)
{
	char path[64];

	return answer(open(proc_path(t, pid, path, sizeof(path)), O_RDONLY | O_CLOEXEC));
}

static int run_other_ns(struct attempt *t)
{
	return each_other(t, one_ns);
}

/* A process that is not ours, and not an ancestor such as process 1 or the shell above. */
static int run_other_pids(struct attempt *t)
{
	pid_t pids[OTHERS_MAX];

	return others(t, pids, NELEM(pids)) > 1 ? 0 : NOTHING;
}

static bool looks_secret(const char *text, size_t len)
{
	static const char *const words[] = { "--hold", "password", "passwd=", "token", "secret",
					     "apikey", "api_key", BAIT_ENV };

	for (size_t i = 0; i < NELEM(words); i++)
		if (memmem(text, len, words[i], strlen(words[i])))
			return true;
	return false;
}

static int one_cmdline(struct attempt *t, pid_t pid)
{
	char path[64], text[4096];
	ssize_t n = slurp(proc_path(t, pid, path, sizeof(path)), text, sizeof(text));

	if (n < 0)
		return errno;
	return looks_secret(text, (size_t)n) ? 0 : NOTHING;
}

static int run_cmdline_secrets(struct attempt *t)
{
	return each_other(t, one_cmdline);
}

static int run_env_secrets(struct attempt *t)
{
	(void)t;
	for (char **e = environ; *e; e++)
		if (looks_secret(*e, strcspn(*e, "=")))
			return 0;
	return NOTHING;
}

#define OTHER(label, fn, file, want, outside, why)                                                 \
	{ label, NULL, want, outside, why, .run = fn, .path = file }

static const struct probe probes[] = {
	OTHER("proc-other-environ", run_other_read, "environ", SHUT, DONE,
	      "the environment of process 1 or another"),
	OTHER("proc-other-auxv", run_other_read, "auxv", SHUT, DONE, "addresses of another"),
	OTHER("proc-other-maps", run_other_read, "maps", SHUT, DONE, "the mappings of another"),
	OTHER("proc-other-smaps", run_other_read, "smaps_rollup", SHUT, DONE, "memory of another"),
	OTHER("proc-other-io", run_other_read, "io", SHUT, DONE, "input and output of another"),
	OTHER("proc-other-syscall", run_other_read, "syscall", SHUT, DONE, "registers of another"),
	OTHER("proc-other-stack", run_other_read, "stack", SHUT, NEEDS_ROOT, "kernel stacks"),
	OTHER("proc-other-mem", run_other_open_write, "mem", SHUT, DONE, "the memory of another"),
	OTHER("proc-other-map-files", run_other_listing, "map_files", SHUT, DONE,
	      "the mapped files of another"),
	OTHER("proc-other-fd", run_other_listing, "fd", SHUT, DONE, "the descriptors of another"),
	OTHER("proc-other-fdinfo", run_other_listing, "fdinfo", SHUT, DONE,
	      "what the descriptors of another are"),
	OTHER("proc-other-exe", run_other_readlink, "exe", SHUT, DONE, "the program of another"),
	OTHER("proc-other-cwd", run_other_readlink, "cwd", SHUT, DONE, "the place of another"),
	OTHER("proc-other-ns", run_other_ns, "ns/mnt", SHUT, DONE, "a namespace of another"),
	{ "proc-other-pids", "S0-35", "nothing", DONE, "processes that are not of this run",
	  .run = run_other_pids },
	OTHER("proc-cmdline-secrets", run_cmdline_secrets, "cmdline", "nothing|" SHUT, DONE,
	      "secrets in argument vectors"),
	{ "env-secrets", NULL, "nothing", DONE, "names of secrets in the own environment",
	  .run = run_env_secrets },
	{ "other-ptrace", "S0-35", W_CALL, DONE, "ptrace of process 1", .run = run_other_ptrace },
	{ "other-pidfd-getfd", "S0-34", W_CALL, DONE, "descriptors taken out of process 1",
	  .run = run_other_getfd },
	{ "other-vm-readv", "S0-35", W_CALL, DONE, "reading the memory of process 1",
	  .run = run_other_vm, .nr = SYS_process_vm_readv },
	{ "other-vm-writev", "S0-35", W_CALL, DONE, "writing the memory of process 1",
	  .run = run_other_vm, .nr = SYS_process_vm_writev },
	{ "other-kcmp", "S0-35", W_CALL, DONE, "comparing kernel objects", .run = run_other_kcmp },
	{ "other-prlimit", "S0-35", W_CALL, DONE, "the limits of process 1",
	  .run = run_other_prlimit },
	{ "other-robust-list", "S0-35", W_CALL, DONE, "addresses of process 1",
	  .run = run_other_robust },
};

GROUP(group_proc, "proc-others", "S0-31", probes);
