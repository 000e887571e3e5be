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
#include <string.h>
#include <sys/vfs.h>

enum { INODES_OURS = 6, LOOKS_LOW = 3 };

static ssize_t read_small(int proc, const char *pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", pid, name);
	AUTO_FD int fd = openat(proc, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -1;	/* it ended between the listing and here */
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

static void add_time(int proc, const char *pid, struct sums *s)
{
	char buf[1024], *p;
	unsigned long long t[4] = { 0 };
	long long threads = 0;

	if (read_small(proc, pid, "stat", buf, sizeof(buf)) <= 0)
		return;
	p = strrchr(buf, ')');	/* the name may hold anything, the last parenthesis is the kernel's */
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %lld",
			 &t[0], &t[1], &t[2], &t[3], &threads) != 5)
		return;
	s->ticks += (int64_t)(t[2] + t[3]);	/* of its children that were reaped */
	if (!strcmp(pid, "1"))
		return;	/* ours: what it used itself was spent on building the jail */
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
	struct dirent *de;
	int64_t counted;
	int fd;

	watch_scratch(watch);
	fd = watch->proc < 0 ? -1 : openat(watch->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	AUTO_DIR DIR *dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -1;
	}
	while ((de = readdir(dir))) {
		int64_t pid;

		if (!text_count(de->d_name, 1, INT32_MAX, &pid))
			continue;
		add_memory(watch->proc, de->d_name, &s);
		add_time(watch->proc, de->d_name, &s);
	}
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
