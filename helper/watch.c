// SPDX-License-Identifier: Apache-2.0
/*
 * The supervisor, outside: sums memory, CPU time and tasks of the jail. What it reads are numbers
 * that the kernel wrote; the names of commands, which the jail shapes, are skipped over.
 */
#include "watch.h"

#include "cleanup.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { INODES_OURS = 6, LOOKS_LOW = 3, TREE_MAX = 8192 };

static ssize_t read_small(int proc, const char *pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", pid, name);
	AUTO_FD int fd = openat(proc, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -1; /* it ended between the listing and here */
	n = read(fd, buf, size - 1);
	buf[n > 0 ? n : 0] = 0;
	return n;
}

static int64_t kib(const char *status, const char *name)
{
	const char *p = strstr(status, name);

	return p ? strtoll(p + strlen(name), NULL, 10) * 1024 : 0;
}

struct sums {
	int64_t anon, shared_sum, shared_max, ticks, tasks;
};

static void add_memory(int proc, const char *pid, struct sums *s)
{
	char buf[4096];
	int64_t shared;

	if (read_small(proc, pid, "status", buf, sizeof(buf)) <= 0)
		return;
	/* "Name:" comes first and is the command's; a newline in it is escaped by the kernel */
	s->anon += kib(buf, "\nRssAnon:");
	shared = kib(buf, "\nRssShmem:");
	s->shared_sum += shared;
	if (shared > s->shared_max)
		s->shared_max = shared;
}

static void add_time(int proc, const char *pid, bool is_init, struct sums *s)
{
	char buf[1024], *p;
	unsigned long long t[4] = { 0 };
	long long threads = 0;

	if (read_small(proc, pid, "stat", buf, sizeof(buf)) <= 0)
		return;
	p = strrchr(buf,
		    ')'); /* the name may hold anything, the last parenthesis is the kernel's */
	if (!p ||
	    sscanf(p + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %lld",
		   &t[0], &t[1], &t[2], &t[3], &threads) != 5)
		return;
	s->ticks += (int64_t)(t[2] + t[3]); /* of its children that were reaped */
	if (is_init)
		return; /* ours: what it used itself was spent on building the jail */
	s->ticks += (int64_t)(t[0] + t[1]);
	s->tasks += threads;
}

void watch_scratch(struct watch *watch)
{
	struct statfs fs;

	if (watch->scratch < 0 || fstatfs(watch->scratch, &fs) < 0)
		return;
	watch->scratch_bytes = (int64_t)(fs.f_blocks - fs.f_bfree) * fs.f_bsize;
	watch->scratch_files = (int64_t)(fs.f_files - fs.f_ffree) - INODES_OURS;
	if (fs.f_bfree == 0 || fs.f_ffree == 0)
		watch->is_scratch_full = true;
}

static void add(int proc, int64_t pid, bool is_init, struct sums *s)
{
	char name[24];

	(void)snprintf(name, sizeof(name), "%lld", (long long)pid);
	add_memory(proc, name, s);
	add_time(proc, name, is_init, s);
}

/* The children of one thread, behind those that are known. */
static int add_children(int proc, const char *path, int *pids, int count)
{
	char buf[4096], *p = buf, *end;
	size_t have = 0;
	ssize_t n;

	AUTO_FD int fd = openat(proc, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return count;
	while ((n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		buf[have += (size_t)n] = 0;
		/* a number is whole when something stands behind it */
		for (p = buf; count < TREE_MAX && (end = strchr(p, ' ')); p = end + 1)
			pids[count++] = (int)strtol(p, NULL, 10);
		have -= (size_t)(p - buf);
		memmove(buf, p, have);
		if (count == TREE_MAX)
			break;
	}
	return count;
}

static int find_children(int proc, int pid, int *pids, int count)
{
	char path[64];
	struct dirent *de;
	int64_t thread;
	int fd;

	(void)snprintf(path, sizeof(path), "%d/task", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return count;
	}
	while ((de = readdir(dir))) {
		if (!text_count(de->d_name, 1, INT32_MAX, &thread))
			continue;
		(void)snprintf(path, sizeof(path), "%d/task/%d/children", pid, (int)thread);
		count = add_children(proc, path, pids, count);
	}
	return count;
}

/*
 * By our own /proc, where the jail has none: what descends from process 1 is all that is inside, since it
 * inherits whoever loses a parent. Process 1 cannot be seen at all where hidepid hides it: then nothing is.
 */
static int look_at_tree(const struct watch *watch, struct sums *s)
{
	AUTO_FREE int *pids = malloc(TREE_MAX * sizeof(*pids));
	char path[64];
	int i, count = 1;

	(void)snprintf(path, sizeof(path), "%d/task/%d/children", watch->root, watch->root);
	if (!pids || faccessat(watch->proc, path, R_OK, 0) < 0)
		return -1;
	pids[0] = watch->root;
	for (i = 0; i < count; i++) {
		add(watch->proc, pids[i], i == 0, s);
		count = find_children(watch->proc, pids[i], pids, count);
	}
	return 0;
}

static int look_at_all(const struct watch *watch, struct sums *s)
{
	struct dirent *de;
	int fd = watch->proc < 0 ? -1 :
				   openat(watch->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	AUTO_DIR DIR *dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -1;
	}
	while ((de = readdir(dir))) {
		int64_t pid;

		if (text_count(de->d_name, 1, INT32_MAX, &pid))
			add(watch->proc, pid, pid == 1, s);
	}
	return 0;
}

/*
 * A process that nobody waits for, since SIGCHLD is ignored, takes its time with it, and the sum drops.
 * It drops for one look, too, when a process is reaped between the reading of its parent and its own
 * turn. So only what stays low is added; what the watchdog never saw is not.
 */
static void add_lost(struct watch *watch, int64_t sum_us)
{
	int64_t now = sum_us + watch->lost_us;

	if (now >= watch->cpu_us) {
		watch->cpu_us = now;
		watch->looks_low = 0;
	} else if (++watch->looks_low >= LOOKS_LOW) {
		watch->lost_us += watch->cpu_us - now;
		watch->looks_low = 0;
	}
}

/* The kernel's own count, which nothing can leave; -1: there is none. */
static int64_t read_cgroup(int cgroup)
{
	static const char key[] = "usage_usec ";
	char buf[1024];

	if (cgroup < 0 || read_small(cgroup, ".", "cpu.stat", buf, sizeof(buf)) <= 0 ||
	    strncmp(buf, key, sizeof(key) - 1) != 0)
		return -1;
	return strtoll(buf + sizeof(key) - 1, NULL, 10);
}

int watch_look(struct watch *watch)
{
	struct sums s = { 0 };
	int64_t counted;

	watch_scratch(watch);
	if ((watch->root ? look_at_tree(watch, &s) : look_at_all(watch, &s)) < 0)
		return -1;
	/*
	 * A shared page shows in each process that maps it, so their sum is too much and the largest too
	 * little; several times the largest means many separate ones.
	 */
	watch->memory_bytes = s.anon + watch->scratch_bytes +
			      (s.shared_sum > 8 * s.shared_max ? s.shared_sum : s.shared_max);
	counted = read_cgroup(watch->cgroup);
	if (counted >= 0)
		watch->cpu_us = counted;
	else
		add_lost(watch, s.ticks * 1000000 / sysconf(_SC_CLK_TCK));
	watch->tasks = s.tasks;
	return 0;
}
