// SPDX-License-Identifier: Apache-2.0
/*
 * Process 1, just born in its user namespace with every capability there and no identity. It maps
 * one uid and one gid onto the caller's, so that nobody inside is uid 0, neither here nor outside.
 */
#include "io.h"
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { INSIDE_ID = 1000 };

/* Ubuntu 24.04 lets the namespace be made and then refuses every capability in it. */
static int explain(struct err *err)
{
	char flag[4] = "";
	int fd = open("/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
		      O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, flag, 1) < 1)
			flag[0] = 0;
		(void)close(fd);
	}
	if (flag[0] == '1')
		(void)err_hint(err, "AppArmor restricts user namespaces here: load sbx's profile, "
				    "see 'sbx doctor'");
	else
		(void)err_hint(err, "run 'sbx doctor' to see what this host lacks");
	return -1;
}

int idmap_enter(struct jail *jail, struct err *err)
{
	char map[64];

	/* the files of an undumpable process belong to root: for these three writes it is dumpable */
	(void)prctl(PR_SET_DUMPABLE, 1);
	if (io_write_file(AT_FDCWD, "/proc/self/setgroups", "deny") < 0) {
		(void)err_sys(err, ERR_ISOLATION, "user namespace: write setgroups");
		return explain(err);
	}
	(void)snprintf(map, sizeof(map), "%d %d 1", INSIDE_ID, (int)jail->outer_uid);
	if (io_write_file(AT_FDCWD, "/proc/self/uid_map", map) < 0) {
		(void)err_sys(err, ERR_ISOLATION, "user namespace: write uid_map");
		return explain(err);
	}
	(void)snprintf(map, sizeof(map), "%d %d 1", INSIDE_ID, (int)jail->outer_gid);
	if (io_write_file(AT_FDCWD, "/proc/self/gid_map", map) < 0) {
		(void)err_sys(err, ERR_ISOLATION, "user namespace: write gid_map");
		return explain(err);
	}
	(void)prctl(PR_SET_DUMPABLE, 0);
	return 0;
}

/*
 * After the last mount and through the old /proc: detached mounts (open_tree, fsmount) are mount
 * namespaces of their own for a moment, so they count.
 */
int idmap_close(const struct spec *spec, struct err *err)
{
	static const char *const limits[] = {
		"max_user_namespaces",   "max_mnt_namespaces",  "max_pid_namespaces",
		"max_net_namespaces",    "max_ipc_namespaces",  "max_uts_namespaces",
		"max_cgroup_namespaces", "max_time_namespaces",
	};
	size_t i;

	/* all own namespaces exist by now, but the two that cgroup_enter() makes: none else may follow */
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/sys/user/%s", limits[i]);
		/* read-only /proc/sys in an outer container: the filter refuses them all the same */
		if (io_write_file(AT_FDCWD, path,
				  spec->cgroup && strstr(path, "cgroup") ? "2" : "0") < 0 &&
		    errno != ENOENT && errno != EROFS)
			return err_sys(err, ERR_ISOLATION, "write %s", path);
	}
	(void)io_write_file(AT_FDCWD, "/proc/sys/user/max_inotify_instances", "16");
	return 0;
}
