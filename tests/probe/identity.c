// SPDX-License-Identifier: Apache-2.0
/* Who and where we are, as far as the jail lets on. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define HOST_NAME "sbx"
#define SHUT "ENOENT|EACCES|EPERM|nothing"

static int run_hostname(struct attempt *t)
{
	struct utsname u;

	if (uname(&u) < 0)
		return broken(t, "no uname");
	return strcmp(u.nodename, HOST_NAME) == 0 ? NOTHING : 0;
}

/* The line of a map: 0 if it takes in number 0, or more than one number. */
static int run_map(struct attempt *t)
{
	char text[256];
	unsigned long inside = 0, above = 0, count = 0;

	if (slurp(t->probe->path, text, sizeof(text)) < 0)
		return errno;
	if (sscanf(text, "%lu %lu %lu", &inside, &above, &count) != 3)
		return broken(t, "an empty map");
	const char *next = strchr(text, '\n');
	bool is_single = count == 1 && (!next || next[1] == '\0');
	return inside != 0 && above != 0 && is_single ? NOTHING : 0;
}

static int run_uid(struct attempt *t)
{
	(void)t;
	return getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0 ? 0 : NOTHING;
}

static int run_uid_fixed(struct attempt *t)
{
	(void)t;
	return getuid() == 1000 && getgid() == 1000 ? NOTHING : 0;
}

static int run_groups(struct attempt *t)
{
	gid_t groups[64];
	int n = getgroups((int)NELEM(groups), groups);

	(void)t;
	if (n < 0)
		return errno;
	for (int i = 0; i < n; i++)
		if (groups[i] != getgid())
			return 0;
	return NOTHING;
}

static int run_setgroups_open(struct attempt *t)
{
	char text[16];

	(void)t;
	if (slurp("/proc/self/setgroups", text, sizeof(text)) < 0)
		return errno;
	return strncmp(text, "deny", 4) == 0 ? NOTHING : 0;
}

static int run_cgroup_path(struct attempt *t)
{
	char text[4096];

	if (slurp("/proc/self/cgroup", text, sizeof(text)) < 0)
		return errno;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *path = strrchr(line, ':');
		if (path && strcmp(path + 1, "/") != 0)
			return 0;
	}
	(void)t;
	return NOTHING;
}

/* More users than a jail has: its own, root's and nobody's names. */
static int run_passwd(struct attempt *t)
{
	char text[16384];
	int lines = 0;

	if (slurp(t->probe->path, text, sizeof(text)) < 0)
		return errno;
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	return lines > 4 ? 0 : NOTHING;
}

/* Where the host keeps what it mounts here. */
static int run_mount_paths(struct attempt *t)
{
	static char text[65536];
	static const char *const words[] = { "/home/", "/var/lib/", "/root/", "/srv/",
					     "/.run/", "/data/" };

	(void)t;
	if (slurp("/proc/self/mountinfo", text, sizeof(text)) < 0)
		return errno;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char root[1024];
		if (sscanf(line, "%*s %*s %*s %1023s", root) != 1)
			continue;
		const char *dash = strstr(line, " - overlay ");
		for (size_t i = 0; i < NELEM(words); i++)
			if (strncmp(root, words[i], strlen(words[i])) == 0 ||
			    (dash && strstr(dash, "dir=/") && strstr(dash, words[i])))
				return 0;
	}
	return NOTHING;
}

#define FILE_OF_HOST(label, file, twin)                                                            \
	{ label, NULL, SHUT, twin, file, .run = run_read, .path = file }

static const struct probe probes[] = {
	{ "id-hostname", NULL, "nothing", DONE, "a host name other than " HOST_NAME,
	  .run = run_hostname },
	{ "id-uid-map", NULL, "nothing", DONE, "root, or more than one user, is mapped",
	  .run = run_map, .path = "/proc/self/uid_map" },
	{ "id-gid-map", NULL, "nothing", DONE, "root, or more than one group, is mapped",
	  .run = run_map, .path = "/proc/self/gid_map" },
	{ "id-is-root", NULL, "nothing", NEEDS_ROOT, "it is user or group 0; has no twin",
	  .run = run_uid },
	{ "id-uid-of-host", NULL, "nothing", DIFFERS, "user or group are not the jail's 1000",
	  .run = run_uid_fixed },
	{ "id-groups", NULL, "nothing", NEEDS_ROOT,
	  "groups of the caller are kept; outside only where it has any", .run = run_groups },
	{ "id-setgroups", NULL, "nothing", DONE, "setgroups is not denied",
	  .run = run_setgroups_open },
	{ "id-cgroup-path", NULL, "nothing|ENOENT", NEEDS_ROOT,
	  "where in the host's tree of cgroups; outside only below its root",
	  .run = run_cgroup_path },
	{ "id-passwd", NULL, "nothing", DONE, "names of the host's users", .run = run_passwd,
	  .path = "/etc/passwd" },
	{ "id-group", NULL, "nothing", DONE, "names of the host's groups", .run = run_passwd,
	  .path = "/etc/group" },
	{ "id-mount-paths", NULL, "nothing", NEEDS_ROOT, "paths of the host among the mounts",
	  .run = run_mount_paths },
	FILE_OF_HOST("id-machine-id", "/etc/machine-id", DIFFERS),
	FILE_OF_HOST("id-machine-id-dbus", "/var/lib/dbus/machine-id", NEEDS_ROOT),
	FILE_OF_HOST("id-hostname-file", "/etc/hostname", NEEDS_ROOT),
	FILE_OF_HOST("id-resolv-conf", "/etc/resolv.conf", NEEDS_ROOT),
	FILE_OF_HOST("id-product-uuid", "/sys/class/dmi/id/product_uuid", NEEDS_ROOT),
	FILE_OF_HOST("id-fstab", "/etc/fstab", NEEDS_ROOT),
	FILE_OF_HOST("id-shadow", "/etc/shadow", NEEDS_ROOT),
};

GROUP(group_identity, "identity", "S0-35", probes);
