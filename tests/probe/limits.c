// SPDX-License-Identifier: Apache-2.0
/*
 * Limits raised, and limits met. Each asks for more than a jail grants and for less than a host
 * minds; what was taken is given back at once. They come last: a jail may end here.
 */
#include "probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 300
#define DESCRIPTORS 600
#define INOTIFIES 40
#define NAMES 10500
#define NAMES_MS 10000
#define MIB (1LL << 20)

/* Up to the value only: a host whose hard limit is lower answers as a jail does. */
static int run_raise(struct attempt *t)
{
	struct rlimit lim, want;
	unsigned int what = (unsigned int)t->probe->a[0];

	want.rlim_cur = want.rlim_max = (rlim_t)t->probe->a[1];
	if (getrlimit(what, &lim) < 0)
		return broken(t, "no such limit");
	return answer(setrlimit(what, &want));
}

static int run_prlimit(struct attempt *t)
{
	struct rlimit lim;

	(void)t;
	return answer(prlimit(getppid(), RLIMIT_NOFILE, NULL, &lim));
}

/* Children wait on a pipe that closes with us; they are killed and reaped before we answer. */
static int run_fork(struct attempt *t)
{
	static pid_t pids[PROCESSES];
	size_t n = 0;
	int err = 0;

	(void)t;
	while (n < PROCESSES) {
		pid_t pid = fork();
		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		if (pid < 0) {
			err = errno;
			break;
		}
		pids[n++] = pid;
	}
	for (size_t i = 0; i < n; i++)
		(void)kill(pids[i], SIGKILL);
	for (size_t i = 0; i < n; i++)
		(void)waitpid(pids[i], NULL, 0);
	return err;
}

static void *idle(void *arg)
{
	(void)arg;
	(void)pause();
	return NULL;
}

static int threads(struct attempt *t)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err = 0;

	(void)t;
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, 65536);
	for (int i = 0; i < PROCESSES && !err; i++)
		err = pthread_create(&thread, &attr, idle, NULL);
	return err;
}

static int run_threads(struct attempt *t)
{
	return in_child(t, threads);
}

static int run_files(struct attempt *t)
{
	struct rlimit lim;
	int err = 0;

	(void)t;
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	for (int i = 0; i < DESCRIPTORS && !err; i++)
		err = answer(open("/dev/null", O_RDONLY | O_CLOEXEC));
	return err;
}

static int run_inotify(struct attempt *t)
{
	int err = 0;

	(void)t;
	for (int i = 0; i < INOTIFIES && !err; i++)
		err = answer(inotify_init1(IN_CLOEXEC));
	return err;
}

/* One byte far out: sparse, so it costs a host nothing. */
static int run_file_size(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	int fd = file_new(t->work, "f", path, sizeof(path));

	if (fd < 0)
		return broken(t, "no scratch file");
	(void)signal(SIGXFSZ, SIG_IGN);
	return answer(pwrite(fd, "x", 1, t->probe->a[0]));
}

static int run_truncate(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	int fd = file_new(t->work, "f", path, sizeof(path));

	if (fd < 0)
		return broken(t, "no scratch file");
	(void)signal(SIGXFSZ, SIG_IGN);
	return answer(ftruncate(fd, t->probe->a[0]));
}

static const char *place(struct attempt *t)
{
	if (t->probe->path)
		return t->probe->path;
	return t->probe->a[0] ? t->tmp : t->work;
}

/* Names in a directory of its own, so that all of them go again whatever happens. */
static int run_names(struct attempt *t)
{
	char dir[DIR_MAX_LEN], name[32];
	int err = 0, n = 0;

	join(dir, sizeof(dir), place(t), "sbx-probe-XXXXXX");
	if (place(t)[0] == '\0' || !mkdtemp(dir))
		return broken(t, "no scratch directory");
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (n = 0; n < NAMES && !err; n++) {
		(void)snprintf(name, sizeof(name), "%d", n);
		err = answer(mknodat(at, name, S_IFREG | 0600, 0));
	}
	while (n-- > 0) {
		(void)snprintf(name, sizeof(name), "%d", n);
		(void)unlinkat(at, name, 0);
	}
	(void)rmdir(dir);
	return err;
}

/* Blocks reserved, not written, in files that are each below the limit of one. */
static int run_bytes(struct attempt *t)
{
	char path[DIR_MAX_LEN], name[32];
	int err = 0;

	(void)signal(SIGXFSZ, SIG_IGN);
	for (int i = 0; i < (int)t->probe->a[1] && !err; i++) {
		(void)snprintf(name, sizeof(name), "sbx-probe-%d-%d", (int)getpid(), i);
		int fd = file_new(place(t), name, path, sizeof(path));
		if (fd < 0)
			return errno;
		(void)unlink(path);
		err = answer(fallocate(fd, 0, 0, t->probe->a[2] * MIB));
	}
	return err;
}

#define RAISE(label, what, value)                                                                  \
	{ "rlimit-" label, NULL, "EPERM", DONE, "the limit raised", .run = run_raise,              \
	  .a = { what, (long)(value) } }

static const struct probe probes[] = {
	RAISE("cpu", RLIMIT_CPU, RLIM_INFINITY),
	RAISE("fsize", RLIMIT_FSIZE, RLIM_INFINITY),
	RAISE("core", RLIMIT_CORE, 2),
	RAISE("nofile", RLIMIT_NOFILE, 1024),
	RAISE("nproc", RLIMIT_NPROC, 4096),
	{ "rlimit-data", "S0-37", "EPERM", DONE, "memory of a process, where it has such a limit",
	  .run = run_raise, .a = { RLIMIT_DATA, (long)RLIM_INFINITY } },
	{ "rlimit-nice", NULL, "EPERM", NEEDS_ROOT, "more than its share", .run = run_raise,
	  .a = { RLIMIT_NICE, 40 } },
	{ "rlimit-rtprio", NULL, "EPERM", NEEDS_ROOT, "a scheduler that starves others",
	  .run = run_raise, .a = { RLIMIT_RTPRIO, 99 } },
	{ "prlimit-parent", NULL, W_CALL, DONE, "the limits of another", .run = run_prlimit },
	{ "limit-forks", NULL, "EAGAIN", DIFFERS, "300 processes", .run = run_fork },
	{ "limit-threads", NULL, "EAGAIN", DIFFERS, "300 threads", .run = run_threads },
	{ "limit-files", NULL, "EMFILE", DONE, "600 open files", .run = run_files },
	{ "limit-inotify", NULL, "EMFILE|ENOSYS|EPERM", DONE,
	  "inotify instances, which all jails of a user share", .run = run_inotify },
	{ "limit-file-size", NULL, "EFBIG", DONE, "a file of 4 GiB", .run = run_file_size,
	  .a = { 4096 * MIB } },
	{ "limit-file-truncate", NULL, "EFBIG", DONE, "the same without writing",
	  .run = run_truncate, .a = { 4096 * MIB } },
	{ "limit-names-workspace", NULL, "ENOSPC|EDQUOT", DONE, "10500 files in the workspace",
	  .run = run_names, .time_ms = NAMES_MS },
	{ "limit-names-tmp", NULL, "ENOSPC|EDQUOT", DONE, "10500 files in /tmp",
	  .run = run_names, .a = { 1 }, .time_ms = NAMES_MS },
	{ "limit-names-shm", NULL, "ENOSPC|EDQUOT", DIFFERS, "10500 files in /dev/shm",
	  .run = run_names, .path = "/dev/shm", .time_ms = NAMES_MS },
	{ "limit-bytes-shm", NULL, "ENOSPC|EDQUOT|ENOMEM|EFBIG", DIFFERS,
	  "320 MiB in /dev/shm, which is to be small", .run = run_bytes, .path = "/dev/shm",
	  .a = { 0, 5, 64 } },
	{ "limit-bytes-tmp", NULL, "ENOSPC|EDQUOT|ENOMEM|EFBIG", DIFFERS, "768 MiB in /tmp",
	  .run = run_bytes, .a = { 1, 12, 64 } },
	{ "limit-bytes-workspace", NULL, "ENOSPC|EDQUOT|ENOMEM|EFBIG", DIFFERS,
	  "768 MiB in the workspace", .run = run_bytes, .a = { 0, 12, 64 } },
};

GROUP(group_limits, "limits", "S0-37", probes);
