// SPDX-License-Identifier: Apache-2.0
#include "running.h"

#include "cgroup_private.h"
#include "cleanup.h"
#include "io.h"
#include "text.h"
#include "verb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

enum { RECORD_MAX = 16384, STALE_S = 60 };

static int open_running(struct call *call, struct err *err)
{
	int state = call_state(call, err), dir;

	if (state < 0)
		return -1;
	dir = io_mkdir(state, "running") < 0 ? -1 : io_open_dir(state, "running");
	return dir < 0 ? err_sys(err, ERR_INTERNAL, "open the directory of what runs") : dir;
}

/* What stands behind the command's name in /proc/PID/stat; the name may hold anything. */
static bool read_stat(const char *pid, char *buf, size_t size, const char **ret)
{
	char path[64];
	char *p;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	if (cgroup_read_file(AT_FDCWD, path, buf, size) <= 0)
		return false;
	p = strrchr(buf, ')');
	*ret = p ? p + 1 : NULL;
	return p != NULL;
}

int64_t running_start(pid_t pid)
{
	char name[16], buf[1024];
	long long start;
	const char *p;

	(void)snprintf(name, sizeof(name), "%d", (int)pid);
	if (!read_stat(name, buf, sizeof(buf), &p) ||
	    sscanf(p,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld",
		   &start) != 1)
		return -1;
	return start;
}

int running_add(struct call *call, const char *exec, const char *session, pid_t supervisor,
		const struct limits *limits, const char *lang, struct err *err)
{
	AUTO_FD int dir = open_running(call, err);
	char name[64], fresh[64];
	int fd;

	if (dir < 0)
		return -1;
	AUTO_JSON json_t *doc = json_pack("{s:s,s:s,s:s,s:s,s:i,s:I,s:i,s:I,s:I,s:o}", "exec_id",
					  exec, "session", session, "user", call->user, "lang",
					  lang, "pid", (int)getpid(), "pid_start",
					  (json_int_t)running_start(getpid()), "supervisor",
					  (int)supervisor, "supervisor_start",
					  (json_int_t)running_start(supervisor), "started_ms",
					  (json_int_t)text_now_ms(), "limits", limits_json(limits));
	AUTO_FREE char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	(void)snprintf(name, sizeof(name), "%s.json", exec);
	(void)snprintf(fresh, sizeof(fresh), ".new-%s", exec);
	fd = text ? openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600) :
		    -1;
	/* it gets its name when it is whole and locked, so nobody takes it for a dead one */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ||
	    io_write_all(fd, text, strlen(text)) < 0 || renameat(dir, fresh, dir, name) < 0) {
		(void)err_sys(err, ERR_INTERNAL, "record what runs");
		(void)unlinkat(dir, fresh, 0);
		cleanup_fd(&fd);
		return -1;
	}
	return 0;
}

void running_remove(struct call *call, const char *exec)
{
	AUTO_FD int dir = open_running(call, NULL);
	char name[64];

	(void)snprintf(name, sizeof(name), "%s.json", exec);
	if (dir >= 0)
		(void)unlinkat(dir, name, 0); /* else the next ps does it */
}

static void copy(char *to, size_t size, json_t *doc, const char *name)
{
	const char *s = json_string_value(json_object_get(doc, name));

	(void)snprintf(to, size, "%s", s ? s : "");
}

static int decode(json_t *doc, struct running *r)
{
	memset(r, 0, sizeof(*r));
	copy(r->exec, sizeof(r->exec), doc, "exec_id");
	copy(r->session, sizeof(r->session), doc, "session");
	copy(r->user, sizeof(r->user), doc, "user");
	copy(r->lang, sizeof(r->lang), doc, "lang");
	r->pid = (pid_t)json_integer_value(json_object_get(doc, "pid"));
	r->pid_start = json_integer_value(json_object_get(doc, "pid_start"));
	r->supervisor = (pid_t)json_integer_value(json_object_get(doc, "supervisor"));
	r->supervisor_start = json_integer_value(json_object_get(doc, "supervisor_start"));
	r->started_ms = json_integer_value(json_object_get(doc, "started_ms"));
	if (!id_is(r->exec) || r->pid <= 1 || r->supervisor <= 1)
		return -1;
	return limits_decode(json_object_get(doc, "limits"), &r->limits, "/limits", NULL);
}

/* Reads one record; -1 when it is dead (and removed) or none. */
static int read_record(int dir, const char *name, struct running *r)
{
	AUTO_FD int fd = io_open_regular(dir, name, O_RDONLY);
	struct stat st;
	size_t len;

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
		/* nobody holds it: its sbx is dead; a new one may be just before its lock */
		if (name[0] != '.' || (fstat(fd, &st) == 0 && st.st_mtime + STALE_S < time(NULL)))
			(void)unlinkat(dir, name, 0);
		return -1;
	}
	AUTO_FREE char *text = io_read_all(fd, RECORD_MAX, &len);
	AUTO_JSON json_t *doc = text ? json_loadb(text, len, 0, NULL) : NULL;
	return doc ? decode(doc, r) : -1;
}

int running_each(struct call *call, const char *user,
		 int (*visit)(const struct running *r, void *arg), void *arg, struct err *err)
{
	int fd = open_running(call, err);
	AUTO_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int done = 0;

	if (!dir) {
		cleanup_fd(&fd);
		return -1;
	}
	while (done == 0 && (de = readdir(dir))) {
		struct running r;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		if (read_record(fd, de->d_name, &r) == 0 && de->d_name[0] != '.' &&
		    !strcmp(r.user, user))
			done = visit(&r, arg);
	}
	return done < 0 ? -1 : 0;
}

/* ---- what it uses ---- */

struct process {
	int pid, parent;
	int64_t ticks, pages, threads;
	bool is_in;
};

static int read_process(const char *name, struct process *p)
{
	unsigned long long user, system, children_user, children_system;
	long long threads, pages;
	char buf[1024];
	const char *at;

	if (!read_stat(name, buf, sizeof(buf), &at) ||
	    sscanf(at,
		   " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %lld %*d %*u %*u %lld",
		   &p->parent, &user, &system, &children_user, &children_system, &threads,
		   &pages) != 7)
		return -1;
	p->pid = (int)strtol(name, NULL, 10);
	p->ticks = (int64_t)(user + system + children_user + children_system);
	p->pages = pages;
	p->threads = threads;
	p->is_in = false;
	return 0;
}

static struct process *read_processes(size_t *ret_count)
{
	AUTO_DIR DIR *dir = opendir("/proc");
	struct process *list = NULL;
	size_t count = 0, room = 0;
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		if (de->d_name[0] < '1' || de->d_name[0] > '9')
			continue;
		if (count == room) {
			struct process *more =
				realloc(list, (room = room ? room * 2 : 256) * sizeof(*list));

			if (!more)
				break;
			list = more;
		}
		count += read_process(de->d_name, &list[count]) == 0;
	}
	*ret_count = count;
	return list;
}

/* Without a cgroup: the supervisor's descendants. Process 1 of a jail is the parent of its orphans. */
static int sum_processes(pid_t supervisor, struct running_use *ret)
{
	size_t count, i, k;
	AUTO_FREE struct process *list = read_processes(&count);
	bool changed = list != NULL;
	int64_t ticks = 0;

	while (changed) {
		changed = false;
		for (i = 0; i < count; i++)
			for (k = 0; !list[i].is_in && k < count; k++)
				if (list[i].parent == supervisor ||
				    (list[k].is_in && list[i].parent == list[k].pid))
					list[i].is_in = changed = true;
	}
	for (i = 0; i < count; i++) {
		if (!list[i].is_in)
			continue;
		ticks += list[i].ticks;
		if (list[i].parent == supervisor)
			continue; /* process 1 is sbx's own: its time is that of what it reaped */
		ret->memory_bytes += list[i].pages * sysconf(_SC_PAGESIZE);
		ret->tasks += list[i].threads;
	}
	ret->cpu_us = ticks * 1000000 / sysconf(_SC_CLK_TCK);
	return 0;
}

static int read_leaf(int leaf, struct running_use *ret)
{
	char text[1024];
	int64_t quota = 0, period = 0, n;

	ret->is_cgroup = true;
	if (cgroup_read_file(leaf, "cpu.stat", text, sizeof(text)) > 0)
		ret->cpu_us = cgroup_key(text, "usage_usec");
	ret->memory_bytes = cgroup_number(leaf, "memory.current");
	n = cgroup_number(leaf, "memory.swap.current");
	ret->swap_bytes = n > 0 ? n : 0;
	ret->tasks = cgroup_number(leaf, "pids.current");
	ret->set.memory_bytes = cgroup_number(leaf, "memory.max");
	n = cgroup_number(leaf, "memory.swap.max");
	ret->set.swap_bytes = n > 0 ? n : 0;
	ret->set.processes = cgroup_number(leaf, "pids.max");
	if (cgroup_read_file(leaf, "cpu.max", text, sizeof(text)) > 0 &&
	    sscanf(text, "%" SCNd64 " %" SCNd64, &quota, &period) == 2 && period > 0)
		ret->set.cpu_percent = quota * 100 / period;
	if (cgroup_read_file(leaf, "io.max", text, sizeof(text)) > 0 && strstr(text, "wbps="))
		ret->set.io_bytes_per_s = strtoll(strstr(text, "wbps=") + 5, NULL, 10);
	return ret->memory_bytes < 0 ? -1 : 0;
}

int running_use(const struct running *running, struct running_use *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (running_start(running->supervisor) != running->supervisor_start)
		return -1;
	AUTO_FD int leaf = cgroup_leaf(running->supervisor, running->exec);
	return leaf >= 0 ? read_leaf(leaf, ret) : sum_processes(running->supervisor, ret);
}
