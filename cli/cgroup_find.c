// SPDX-License-Identifier: Apache-2.0
/*
 * Where leaves may be made. The kernel lets a directory hand controllers to its children only while
 * no process is directly in it, and systemd wants nobody to touch what it has not delegated. So what
 * serves is, in this order: a directory above us within the delegation that holds no process; our own
 * when we are alone in it, for then we can step aside; a scope made for this run. No process that is
 * not ours is ever moved.
 */
#include "cgroup_private.h"

#include "cleanup.h"
#include "io.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

enum { DEPTH_MAX = 32, ASK_MS = 10000 };

extern char **environ;

ssize_t cgroup_read_file(int dir, const char *name, char *buf, size_t size)
{
	AUTO_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = 0;
	return n;
}

int64_t cgroup_key(const char *text, const char *key)
{
	size_t len = strlen(key);
	const char *p = text;

	while (p && *p) {
		if (!strncmp(p, key, len) && p[len] == ' ')
			return strtoll(p + len + 1, NULL, 10);
		p = strchr(p, '\n');
		p += p != NULL;
	}
	return 0;
}

int64_t cgroup_number(int dir, const char *name)
{
	char buf[64];

	if (cgroup_read_file(dir, name, buf, sizeof(buf)) <= 0)
		return -1;
	return buf[0] == 'm' ? 0 : strtoll(buf, NULL, 10);
}

/* Where the unified hierarchy is mounted; NULL: nowhere that is usual. */
static const char *mount_point(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return places[i];
	return NULL;
}

char *cgroup_path_of(const char *pid)
{
	const char *mount = mount_point();
	char name[64], text[4096 + PATH_MAX], *line, *path = NULL;
	ssize_t n;

	(void)snprintf(name, sizeof(name), "/proc/%s/cgroup", pid);
	n = mount ? cgroup_read_file(AT_FDCWD, name, text, sizeof(text)) : -1;
	line = n > 0 ? strstr(text, "0::/") : NULL;
	/* at the start of a line: the names of other hierarchies cannot hold a newline */
	if (!line || (line != text && line[-1] != '\n') || strstr(line, "/../"))
		return NULL;
	line[strcspn(line, "\n")] = 0;
	if (asprintf(&path, "%s%s", mount, line[4] ? line + 3 : "") < 0)
		return NULL;
	return path;
}

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool is_ours(int dir)
{
	static const char *const names[] = { ".", "cgroup.procs", "cgroup.subtree_control" };
	struct stat st;
	size_t i;

	if (fstat(dir, &st) < 0 || st.st_uid != geteuid())
		return false;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (faccessat(dir, names[i], W_OK, AT_EACCESS) < 0)
			return false;
	return true;
}

/* Is path a unit of systemd, and not a directory that somebody made below one? */
static bool is_unit(const char *path)
{
	static const char *const kinds[] = { ".service", ".scope", ".slice" };
	size_t i, len = strlen(path);

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (len > strlen(kinds[i]) && !strcmp(path + len - strlen(kinds[i]), kinds[i]))
			return true;
	return false;
}

/* systemd marks what it delegates since 252; before, only what the system manager gave to a user
 * can be told: it is ours, and what it lies in is not. */
static bool is_delegated(const char *path, int dir)
{
	const char *name = strrchr(path, '/') + 1;
	char flag[8] = "";

	if (!strncmp(name, "user@", 5))
		return false; /* that is the user manager's own */
	if (fgetxattr(dir, "user.delegate", flag, sizeof(flag) - 1) > 0)
		return flag[0] == '1';
	AUTO_FD int parent = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return parent >= 0 && !is_ours(parent);
}

/* How many processes are directly in dir that are not this one; -1: that cannot be told. */
static int count_others(int dir)
{
	AUTO_FD int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *text = fd < 0 ? NULL : io_read_all(fd, 1 << 20, NULL);
	int others = 0;
	char *p, *end;

	if (!text)
		return -1; /* EOPNOTSUPP: a threaded one */
	for (p = text; *p; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			break;
		others += pid != getpid();
		end += *end == '\n';
	}
	return others;
}

/* The directories from our own upwards that are delegated to us; their number. */
static int climb(char *path, size_t top, int *dirs, char *why, size_t size)
{
	int count = 0;

	while (count < DEPTH_MAX) {
		int dir = open_dir(path);
		bool unit = is_unit(path),
		     good = dir >= 0 && is_ours(dir) && (!unit || is_delegated(path, dir));

		if (good) {
			dirs[count++] = dir;
		} else if (unit || count == 0) {
			(void)snprintf(why, size, "'%.120s' is not delegated to this user",
				       path[top] ? path + top : "/");
			for (; count > 0; count--)
				(void)close(dirs[count - 1]);
			cleanup_fd(&dir);
			return 0;
		} else {
			cleanup_fd(&dir);
		}
		if (!good || unit || strlen(path) <= top)
			return count;
		*strrchr(path, '/') = 0;
	}
	return count;
}

int cgroup_find(struct place *ret, char *why, size_t size)
{
	AUTO_FREE char *path = cgroup_path_of("self");
	int dirs[DEPTH_MAX], count, i, others, pick = -1;

	if (!path) {
		(void)snprintf(why, size, "this process is in no cgroup of version 2");
		return -1;
	}
	count = climb(path, strlen(mount_point()), dirs, why, size);
	if (count == 0)
		return -1;
	for (i = 1; i < count && pick < 0; i++)
		if (count_others(dirs[i]) == 0)
			pick = i;
	others = pick < 0 ? count_others(dirs[0]) : 0;
	if (others == 0 && pick < 0)
		pick = 0;
	else if (pick < 0)
		(void)snprintf(why, size,
			       "%d other process%s directly in the delegated cgroup: give its unit "
			       "DelegateSubgroup=, or start sbx with exec",
			       others, others == 1 ? " is" : "es are");
	for (i = 0; i < count; i++)
		if (i != pick)
			(void)close(dirs[i]);
	if (pick < 0)
		return -1;
	ret->dir = dirs[pick];
	ret->is_inside = pick == 0;
	ret->is_scope = false;
	return 0;
}

int cgroup_leaf(pid_t supervisor, const char *exec)
{
	char pid[16];
	int leaf = -1;

	(void)snprintf(pid, sizeof(pid), "%d", (int)supervisor);
	AUTO_FREE char *path = cgroup_path_of(pid);
	while (path && leaf < 0 && strlen(path) >= strlen(mount_point())) {
		AUTO_FREE char *name = NULL;

		if (asprintf(&name, "%s/" CGROUP_PREFIX "%s", path, exec) < 0)
			return -1;
		leaf = open_dir(name);
		*strrchr(path, '/') = 0;
	}
	return leaf;
}

static int step_aside(const struct place *place, char *why, size_t size)
{
	if (mkdirat(place->dir, CGROUP_OWN, 0755) < 0 && errno != EEXIST) {
		(void)snprintf(why, size, "make the leaf '" CGROUP_OWN "': %s", strerror(errno));
		return -1;
	}
	if (io_write_file(place->dir, CGROUP_OWN "/cgroup.procs", "0") < 0) {
		(void)snprintf(why, size, "move into the leaf '" CGROUP_OWN "': %s",
			       strerror(errno));
		return -1;
	}
	return 0;
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *p;

	for (p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\n' || !p[len]))
			return true;
	return false;
}

int cgroup_enable(const struct place *place, char *why, size_t size)
{
	static const struct {
		const char *name;
		int flag;
	} rows[] = {
		{ "memory", CGROUP_MEMORY },
		{ "pids", CGROUP_PIDS },
		{ "cpu", CGROUP_CPU },
		{ "io", CGROUP_IO },
	};
	char have[512], enabled[512], order[64] = "";
	int set = 0;
	size_t i;

	if (cgroup_read_file(place->dir, "cgroup.controllers", have, sizeof(have)) < 0 ||
	    cgroup_read_file(place->dir, "cgroup.subtree_control", enabled, sizeof(enabled)) < 0) {
		(void)snprintf(why, size, "read the controllers: %s", strerror(errno));
		return -1;
	}
	if (place->is_inside && step_aside(place, why, size) < 0)
		return -1;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!has_word(have, rows[i].name))
			continue;
		set |= rows[i].flag;
		if (!has_word(enabled, rows[i].name))
			(void)snprintf(order + strlen(order), sizeof(order) - strlen(order), "+%s ",
				       rows[i].name);
	}
	if (order[0] && io_write_file(place->dir, "cgroup.subtree_control", order) < 0) {
		(void)snprintf(why, size, "enable %sfor the leaves: %s", order, strerror(errno));
		return -1;
	}
	return set;
}

/* ---- a scope from the service manager ---- */

/* Beside this program, or where it was installed. */
static bool find_helper(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - sizeof("/sbx-scope"));
	char *slash;

	path[n > 0 ? n : 0] = 0;
	slash = strrchr(path, '/');
	if (slash) {
		(void)strcpy(slash, "/sbx-scope");
		if (access(path, X_OK) == 0)
			return true;
	}
	(void)snprintf(path, size, "%s/sbx-scope", SBX_LIBEXECDIR);
	return access(path, X_OK) == 0;
}

/* Is there a manager to talk to? Looked at first, since starting a program to learn it costs more. */
static bool has_manager(bool system_too)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];

	if (dir && *dir == '/')
		(void)snprintf(path, sizeof(path), "%s/systemd", dir);
	else
		(void)snprintf(path, sizeof(path), "/run/user/%u/systemd", (unsigned int)geteuid());
	return access(path, F_OK) == 0 || (system_too && access("/run/systemd/system", F_OK) == 0);
}

/* Reads what the helper says until it closes its output, within the time there is. */
static void listen_to(int fd, pid_t pid, char *buf, size_t size)
{
	int64_t until = io_now_ms() + ASK_MS, left;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < size - 1) {
		left = until - io_now_ms();
		if (left <= 0 || poll(&p, 1, (int)left) == 0) {
			(void)kill(pid, SIGKILL);
			break;
		}
		n = read(fd, buf + len, size - 1 - len);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	buf[len] = 0;
	buf[strcspn(buf, "\n")] = 0;
}

static int run_helper(const char *path, const char *unit, bool system_too, char *said, size_t size)
{
	char self[16], *const argv[] = { (char[]){ "sbx-scope" },
					 self,
					 (char *)(uintptr_t)unit,
					 (char[]){ "sbx.slice" },
					 system_too ? (char[]){ "system" } : NULL,
					 NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], status = 0, failed;
	pid_t pid;

	(void)snprintf(self, sizeof(self), "%d", (int)getpid());
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	failed = posix_spawn(&pid, path, &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(fds[1]);
	if (failed) {
		(void)close(fds[0]);
		(void)snprintf(said, size, "start '%.100s': %s", path, strerror(failed));
		return -1;
	}
	listen_to(fds[0], pid, said, size);
	(void)close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* Where version 1 holds the controllers, as on older hosts, no scope can help. */
static bool has_memory(void)
{
	AUTO_FD int dir = mount_point() ? open_dir(mount_point()) : -1;
	char list[512];

	return dir >= 0 && cgroup_read_file(dir, "cgroup.controllers", list, sizeof(list)) > 0 &&
	       has_word(list, "memory");
}

int cgroup_ask(const char *exec, bool system_too, struct place *ret, char *why, size_t size)
{
	char helper[PATH_MAX], unit[80], said[PATH_MAX];

	if (!has_memory()) {
		(void)snprintf(why, size, "this host has no memory controller of cgroup version 2");
		return -1;
	}
	if (!has_manager(system_too))
		return -1; /* nobody to ask: what cgroup_find() said is what can be remedied */
	if (!find_helper(helper, sizeof(helper))) {
		(void)snprintf(why, size, "sbx-scope is not installed");
		return -1;
	}
	(void)snprintf(unit, sizeof(unit), CGROUP_PREFIX "%.48s.scope", exec);
	said[0] = 0;
	if (run_helper(helper, unit, system_too, said, sizeof(said)) < 0) {
		char clean[120];

		text_clean(said[0] ? said : "no answer", clean, sizeof(clean));
		(void)snprintf(why, size, "the service manager: %s", clean);
		return -1;
	}
	AUTO_FREE char *path = cgroup_path_of("self");
	if (!path || strcmp(strrchr(path, '/') + 1, unit) != 0) {
		(void)snprintf(why, size,
			       "the service manager made '%s' without this process in it", unit);
		return -1;
	}
	ret->dir = open_dir(path);
	if (ret->dir < 0 || !is_ours(ret->dir)) {
		(void)snprintf(why, size, "the scope '%s' is not delegated to this user", unit);
		cleanup_fd(&ret->dir);
		ret->dir = -1;
		return -1;
	}
	ret->is_inside = ret->is_scope = true;
	return 0;
}
