// SPDX-License-Identifier: Apache-2.0
/*
 * One leaf a run, with the limits, for the job alone: sbx, the supervisor and process 1 stay outside,
 * so that a job that was killed can still be harvested. The leaf is locked with flock(2) while its
 * sbx or sbx-jail lives; one that is free belongs to a dead run.
 */
#include "cgroup.h"

#include "cgroup_private.h"
#include "cleanup.h"
#include "ids.h"
#include "io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

enum { REMOVE_MS = 3000, DISKS_MAX = 8, CPU_PERIOD_US = 100000, CPU_WEIGHT = 50 };

/* ---- limits ---- */

/* Writes a limit and reads it back through the same descriptor; -1 with errno. */
static int set_file(int dir, const char *name, const char *text, char *back, size_t size)
{
	AUTO_FD int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -1;
	n = pread(fd, back, size - 1, 0);
	back[n > 0 ? n : 0] = 0;
	return n < 0 ? -1 : 0;
}

static int set_number(int dir, const char *name, int64_t value, int64_t *ret)
{
	char text[32], back[64];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	if (set_file(dir, name, text, back, sizeof(back)) < 0)
		return -1;
	*ret = back[0] == 'm' ? 0 : strtoll(back, NULL, 10);
	return 0;
}

/*
 * memory.high stays as it is: it slows a job down at the limit where memory.max lets it swap and,
 * when swap is used up too, ends it; a job slowed down would end by the clock, with the wrong status.
 */
static int set_memory(struct cgroup *c, const struct limits *l)
{
	int64_t ignored;

	if (!l->memory_bytes)
		return 0;
	if (set_number(c->job, "memory.max", l->memory_bytes, &c->set.memory_bytes) < 0)
		return -1;
	/* all of the job or nothing: half a job is no use to anybody */
	if (set_number(c->job, "memory.oom.group", 1, &ignored) < 0)
		return -1;
	/* a kernel without swap accounting has no such file: then the host should have no swap */
	if (set_number(c->job, "memory.swap.max", l->swap_bytes, &c->set.swap_bytes) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!l->swap_bytes)
		(void)set_number(c->job, "memory.zswap.max", 0, &ignored); /* Linux 5.19 */
	return 0;
}

static int set_cpu(struct cgroup *c, const struct limits *l)
{
	char text[64], back[64];
	int64_t quota = 0, period = 0;

	/* what else the user runs comes first; between runs the shares are equal */
	(void)set_number(c->job, "cpu.weight", CPU_WEIGHT, &period);
	if (!l->cpu_percent)
		return 0;
	(void)snprintf(text, sizeof(text), "%" PRId64 " %d", l->cpu_percent * (CPU_PERIOD_US / 100),
		       CPU_PERIOD_US);
	if (set_file(c->job, "cpu.max", text, back, sizeof(back)) < 0)
		return -1;
	if (sscanf(back, "%" SCNd64 " %" SCNd64, &quota, &period) == 2 && period > 0)
		c->set.cpu_percent = quota * 100 / period;
	return 0;
}

/* The whole disk's number: the kernel takes no partition's. */
static dev_t disk_of(dev_t dev)
{
	char path[64], text[32];
	unsigned int major_no, minor_no;

	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(dev),
		       minor(dev));
	if (access(path, F_OK) < 0)
		return dev;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", major(dev), minor(dev));
	if (cgroup_read_file(AT_FDCWD, path, text, sizeof(text)) <= 0 ||
	    sscanf(text, "%u:%u", &major_no, &minor_no) != 2)
		return dev;
	return makedev(major_no, minor_no);
}

static size_t add_disk(dev_t *disks, size_t count, dev_t dev)
{
	dev_t disk = disk_of(dev);
	size_t i;

	for (i = 0; i < count; i++)
		if (disks[i] == disk)
			return count;
	/* major 0: tmpfs, overlay, btrfs; the kernel has no disk to limit there */
	if (major(disk) && count < DISKS_MAX)
		disks[count++] = disk;
	return count;
}

/* Disks that a job can reach: the store's and the one its programs are on. */
static size_t find_disks(const struct cgroup *c, dev_t *disks)
{
	const char *home = getenv("HOME");
	const char *const guesses[] = { "/usr", "/var/lib", home ? home : "/" };
	size_t i, count = c->disk ? add_disk(disks, 0, c->disk) : 0;
	struct stat st;

	for (i = 0; i < (c->disk ? 1 : 3); i++)
		if (stat(guesses[i], &st) == 0)
			count = add_disk(disks, count, st.st_dev);
	return count;
}

static int set_io(struct cgroup *c, const struct limits *l)
{
	dev_t disks[DISKS_MAX];
	size_t i, count;

	if (!l->io_bytes_per_s)
		return 0;
	count = find_disks(c, disks);
	if (!count) {
		errno = ENODEV;
		return -1;
	}
	for (i = 0; i < count; i++) {
		char text[96], back[1024], *at;

		(void)snprintf(text, sizeof(text), "%u:%u rbps=%" PRId64 " wbps=%" PRId64,
			       major(disks[i]), minor(disks[i]), l->io_bytes_per_s,
			       l->io_bytes_per_s);
		if (set_file(c->job, "io.max", text, back, sizeof(back)) < 0)
			return -1;
		at = strstr(back, "wbps=");
		c->set.io_bytes_per_s = at ? strtoll(at + 5, NULL, 10) : 0;
	}
	return 0;
}

static int fail(struct cgroup *c, const char *what)
{
	(void)snprintf(c->why, sizeof(c->why), "%s: %s", what, strerror(errno));
	return -1;
}

/* Sets what was asked for. What only shares out (cpu, io) may be missing unless it must be there. */
static int set_limits(struct cgroup *c, const struct limits *l, int controllers, bool must)
{
	int64_t n;

	if (!(controllers & CGROUP_MEMORY) || !(controllers & CGROUP_PIDS)) {
		(void)snprintf(c->why, sizeof(c->why), "the %s controller is not delegated",
			       controllers & CGROUP_MEMORY ? "pids" : "memory");
		return -1;
	}
	if (set_memory(c, l) < 0)
		return fail(c, "limit the memory");
	if (l->processes && set_number(c->job, "pids.max", l->processes, &n) < 0)
		return fail(c, "limit the processes");
	c->set.processes = l->processes ? n : 0;
	c->has_memory = c->has_pids = true;
	c->has_cpu = controllers & CGROUP_CPU && set_cpu(c, l) == 0;
	if (!c->has_cpu && l->cpu_percent && must) {
		(void)snprintf(c->why, sizeof(c->why), "the share of CPU cannot be limited");
		return -1;
	}
	c->has_io = controllers & CGROUP_IO && set_io(c, l) == 0;
	if (!c->has_io && l->io_bytes_per_s && must) {
		(void)snprintf(c->why, sizeof(c->why),
			       "the speed of the store's disk cannot be limited");
		return -1;
	}
	return 0;
}

/* ---- the leaf ---- */

static void sleep_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

/* Kills what is in a leaf and removes it. What was killed takes a moment to be gone. */
static int remove_leaf(int base, const char *name, int dir)
{
	int64_t until = io_now_ms() + REMOVE_MS;
	long pause = 1;

	while (unlinkat(base, name, AT_REMOVEDIR) < 0) {
		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY || io_now_ms() >= until)
			return -1;
		(void)io_write_file(dir, "cgroup.kill",
				    "1"); /* Linux 5.14; before, the jail's end does it */
		sleep_ms(pause);
		pause = pause < 32 ? pause * 2 : pause;
	}
	return 0;
}

/* Exactly the names that make_leaf() gives: a unit of systemd or a leaf of somebody else is none. */
static bool is_leaf(const char *name)
{
	size_t len = strlen(CGROUP_PREFIX);

	return !strncmp(name, CGROUP_PREFIX, len) && strlen(name) == len + ID_SIZE - 1 &&
	       !strchr(name, '.');
}

static int sweep(int base)
{
	int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
	AUTO_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!dir) {
		cleanup_fd(&fd);
		return 0;
	}
	while ((de = readdir(dir))) {
		if (de->d_type != DT_DIR || !is_leaf(de->d_name))
			continue;
		AUTO_FD int leaf = openat(base, de->d_name,
					  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* held until it is removed: nobody can take it for a new run meanwhile */
		if (leaf >= 0 && flock(leaf, LOCK_EX | LOCK_NB) == 0)
			count += remove_leaf(base, de->d_name, leaf) == 0;
	}
	return count;
}

/* Makes the leaf and locks it; a sweep that comes between the two removes it, so it is made again. */
static int make_leaf(struct cgroup *c, const char *exec)
{
	int tries;

	(void)snprintf(c->name, sizeof(c->name), CGROUP_PREFIX "%.58s", exec);
	for (tries = 0; tries < 8; tries++) {
		if (mkdirat(c->base, c->name, 0755) < 0 && errno != EEXIST)
			return fail(c, "make a leaf");
		c->job = openat(c->base, c->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (c->job >= 0 && flock(c->job, LOCK_EX | LOCK_NB) == 0 &&
		    faccessat(c->job, "cgroup.procs", F_OK, 0) == 0)
			return 0;
		cleanup_fd(&c->job);
		c->job = -1;
		sleep_ms(1);
	}
	errno = EBUSY;
	return fail(c, "hold a leaf");
}

static int make(struct cgroup *c, const char *exec, const struct limits *limits, bool must)
{
	struct place place = { .dir = -1 };
	char why[160] = "";
	int controllers;

	if (cgroup_find(&place, c->why, sizeof(c->why)) < 0 &&
	    cgroup_ask(exec, must, &place, why, sizeof(why)) < 0) {
		if (why[0])
			(void)snprintf(c->why + strlen(c->why), sizeof(c->why) - strlen(c->why),
				       "; %s", why);
		return -1;
	}
	c->base = place.dir;
	controllers = cgroup_enable(&place, c->why, sizeof(c->why));
	if (controllers < 0 || make_leaf(c, exec) < 0)
		return -1;
	if (!place.is_scope)
		(void)sweep(c->base);
	if (set_limits(c, limits, controllers, must) < 0)
		return -1;
	c->method = place.is_scope ? "scope" : "delegated";
	return 0;
}

int cgroup_make(const char *mode, const char *exec, const struct limits *limits, struct cgroup *ret,
		struct err *err)
{
	bool must = !strcmp(mode, "required");
	dev_t disk = ret->disk;

	memset(ret, 0, sizeof(*ret));
	ret->disk = disk;
	ret->method = "none";
	ret->base = ret->job = -1;
	if (!strcmp(mode, "off")) {
		(void)snprintf(ret->why, sizeof(ret->why),
			       "switched off by the setting \"cgroup\"");
		return 0;
	}
	if (make(ret, exec, limits, must) == 0)
		return 0;
	cgroup_done(ret);
	memset(&ret->set, 0, sizeof(ret->set));
	ret->has_memory = ret->has_pids = ret->has_cpu = ret->has_io = false;
	if (!must)
		return 0;
	(void)err_set(err, ERR_ISOLATION, "a cgroup is required and there is none: %s", ret->why);
	return err_hint(
		err, "run sbx in a unit with Delegate=yes, or where a user's service manager runs "
		     "(loginctl enable-linger)");
}

/* sbx itself was moved into the scope, so all that it starts is born there: nothing is left to do. */
int cgroup_adopt(struct cgroup *cgroup, pid_t supervisor, struct err *err)
{
	(void)cgroup;
	(void)supervisor;
	(void)err;
	return 0;
}

/* ---- evidence ---- */

void cgroup_read(struct cgroup *cgroup)
{
	char text[1024];
	int dir = cgroup->job;

	if (dir < 0)
		return;
	if (cgroup_read_file(dir, "cpu.stat", text, sizeof(text)) > 0) {
		cgroup->cpu_us = cgroup_key(text, "usage_usec");
		cgroup->throttled_us = cgroup_key(text, "throttled_usec");
	}
	if (cgroup_read_file(dir, "memory.events", text, sizeof(text)) > 0) {
		cgroup->oom_kills = cgroup_key(text, "oom_kill");
		if (cgroup_key(text, "oom_group_kill") > cgroup->oom_kills)
			cgroup->oom_kills = cgroup_key(text, "oom_group_kill");
	}
	if (cgroup_read_file(dir, "pids.events", text, sizeof(text)) > 0)
		cgroup->pids_refused = cgroup_key(text, "max");
	cgroup->memory_peak = cgroup_number(dir, "memory.peak"); /* Linux 5.19 */
	cgroup->pids_peak = cgroup_number(dir, "pids.peak"); /* Linux 6.11 */
	if (cgroup->memory_peak < 0)
		cgroup->memory_peak = 0;
	if (cgroup->pids_peak < 0)
		cgroup->pids_peak = 0;
}

void cgroup_done(struct cgroup *cgroup)
{
	if (cgroup->job >= 0)
		(void)remove_leaf(cgroup->base, cgroup->name, cgroup->job); /* else a sweep will */
	cleanup_fd(&cgroup->job);
	cleanup_fd(&cgroup->base);
	cgroup->job = cgroup->base = -1;
	cgroup->method = "none";
}

int cgroup_sweep(void)
{
	struct place place = { .dir = -1 };
	char why[200];
	int count;

	if (cgroup_find(&place, why, sizeof(why)) < 0)
		return 0;
	count = sweep(place.dir);
	(void)close(place.dir);
	return count;
}
