// SPDX-License-Identifier: Apache-2.0
/*
 * Mounts and roots. Each asks for a mount namespace of its own first: outside it gets one, so
 * that nothing is left; in a jail it does not, and the call itself has to be refused.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> do not go together everywhere. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);
int umount2(const char *target, int flags);
#define DETACH 2

#define ENTER(t)                                                                                   \
	do {                                                                                       \
		if (ns_own(t, CLONE_NEWNS) < 0)                                                    \
			return BROKEN;                                                             \
		if ((t)->work[0] == '\0')                                                          \
			return broken(t, "no scratch directory");                                  \
	} while (0)

static int run_tmpfs(struct attempt *t)
{
	ENTER(t);
	return answer(mount("none", t->work, t->probe->path, 0, NULL));
}

static int run_bind(struct attempt *t)
{
	ENTER(t);
	return answer(mount(t->probe->path, t->work, NULL, MS_BIND | MS_REC, NULL));
}

static int run_overlay(struct attempt *t)
{
	ENTER(t);
	return answer(mount("none", t->work, "overlay", 0, "lowerdir=/usr:/etc,userxattr"));
}

static int mount_proc(struct attempt *t)
{
	if (t->work[0] == '\0')
		return broken(t, "no scratch directory");
	return answer(mount("none", t->work, "proc", 0, NULL));
}

static int run_proc_child(struct attempt *t)
{
	/* The first child of a new pid namespace is the one that may mount its /proc. */
	if (ns_own(t, CLONE_NEWNS | CLONE_NEWPID) < 0)
		return BROKEN;
	return in_child(t, mount_proc);
}

static int run_remount(struct attempt *t)
{
	ENTER(t);
	(void)mount("none", t->work, "tmpfs", MS_RDONLY, NULL);
	const char *target = t->probe->path ? t->probe->path : t->work;
	return answer(mount(NULL, target, NULL, (unsigned long)t->probe->a[0], NULL));
}

static int run_umount(struct attempt *t)
{
	ENTER(t);
	const char *target = t->probe->path;
	if (mount("none", t->work, "tmpfs", 0, NULL) == 0)
		target = t->work;
	return answer(umount2(target, DETACH));
}

static int run_pivot(struct attempt *t)
{
	char old[DIR_MAX_LEN + 8];

	ENTER(t);
	(void)mount("none", t->work, "tmpfs", 0, NULL);
	(void)mkdir(join(old, sizeof(old), t->work, "old"), 0700);
	return answer(syscall(SYS_pivot_root, t->work, old));
}

static int run_chroot(struct attempt *t)
{
	ENTER(t);
	return answer(chroot(t->work));
}

static int run_fsopen(struct attempt *t)
{
	ENTER(t);
	return answer(syscall(SYS_fsopen, "tmpfs", 0));
}

static int run_fspick(struct attempt *t)
{
	ENTER(t);
	(void)mount("none", t->work, "tmpfs", 0, NULL);
	return answer(syscall(SYS_fspick, AT_FDCWD, t->work, 0));
}

static int run_open_tree(struct attempt *t)
{
	ENTER(t);
	return answer(syscall(SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE | AT_RECURSIVE));
}

/* Without a tree the call is made all the same: a bad descriptor is not the wanted answer. */
static int run_move_mount(struct attempt *t)
{
	ENTER(t);
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE | AT_RECURSIVE);
	return answer(syscall(SYS_move_mount, tree, "", AT_FDCWD, t->work,
			      MOVE_MOUNT_F_EMPTY_PATH));
}

static int run_setattr(struct attempt *t)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID };

	ENTER(t);
	(void)mount("none", t->work, "tmpfs", 0, NULL);
	return answer(syscall(SYS_mount_setattr, AT_FDCWD, t->work, 0, &attr, sizeof(attr)));
}

/* Calls fn with the fields of each mount: place, options, optional fields, type. */
static int each_mount(bool (*fn)(const char *place, const char *options, const char *optional,
				 const char *type))
{
	static char text[65536];
	char place[1024], options[512], optional[512], type[64];

	if (slurp("/proc/self/mountinfo", text, sizeof(text)) < 0)
		return errno;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *dash = strstr(line, " - ");
		int at = 0;
		if (!dash ||
		    sscanf(line, "%*s %*s %*s %*s %1023s %511s%n", place, options, &at) != 2 ||
		    sscanf(dash, " - %63s", type) != 1)
			continue;
		(void)snprintf(optional, sizeof(optional), "%.*s", (int)(dash - line - at),
			       line + at);
		if (fn(place, options, optional, type))
			return 0;
	}
	return NOTHING;
}

static bool is_shared(const char *place, const char *options, const char *optional,
		      const char *type)
{
	(void)place;
	(void)options;
	(void)type;
	return strstr(optional, "shared:") || strstr(optional, "master:");
}

/* Writable and not of the kinds that live and die with a jail. */
static bool is_writable_disk(const char *place, const char *options, const char *optional,
			     const char *type)
{
	static const char *const ours[] = { "tmpfs", "overlay", "proc", "devpts", "mqueue" };

	(void)place;
	(void)optional;
	for (size_t i = 0; i < NELEM(ours); i++)
		if (strcmp(type, ours[i]) == 0)
			return false;
	return strncmp(options, "rw", 2) == 0;
}

static bool lacks_nosuid(const char *place, const char *options, const char *optional,
			 const char *type)
{
	(void)place;
	(void)optional;
	(void)type;
	return !strstr(options, "nosuid");
}

static bool is_exec_and_writable(const char *place, const char *options, const char *optional,
				 const char *type)
{
	(void)optional;
	(void)place;
	return strncmp(options, "rw", 2) == 0 && strcmp(type, "proc") != 0 &&
	       !strstr(options, "noexec");
}

static int run_mount_shared(struct attempt *t)
{
	(void)t;
	return each_mount(is_shared);
}

static int run_mount_disk(struct attempt *t)
{
	(void)t;
	return each_mount(is_writable_disk);
}

static int run_mount_nosuid(struct attempt *t)
{
	(void)t;
	return each_mount(lacks_nosuid);
}

static int run_mount_exec(struct attempt *t)
{
	(void)t;
	return each_mount(is_exec_and_writable);
}

static const struct probe probes[] = {
	{ "mount-tmpfs", NULL, W_CALL, DONE, "a new tmpfs", .run = run_tmpfs, .path = "tmpfs" },
	{ "mount-ramfs", NULL, W_CALL, DONE, "a ramfs has no bound", .run = run_tmpfs,
	  .path = "ramfs" },
	{ "mount-proc", NULL, W_CALL, DIFFERS, "a fresh /proc without masks",
	  .run = run_proc_child },
	{ "mount-bind", NULL, W_CALL, DONE, "a second view of the root", .run = run_bind,
	  .path = "/" },
	{ "mount-overlay", NULL, W_CALL, DONE, "an overlay", .run = run_overlay },
	{ "mount-remount-write", NULL, W_CALL, DONE, "read-only taken back", .run = run_remount,
	  .a = { MS_REMOUNT | MS_BIND } },
	{ "mount-remount-root", NULL, W_CALL, DIFFERS, "the root made writable",
	  .run = run_remount, .path = "/", .a = { MS_REMOUNT | MS_BIND | MS_RELATIME } },
	{ "mount-propagation", NULL, W_CALL, DONE, "mounts shared again", .run = run_remount,
	  .path = "/", .a = { MS_SHARED | MS_REC } },
	{ "mount-umount", NULL, W_CALL, DONE, "a mask taken off", .run = run_umount,
	  .path = "/tmp" },
	{ "mount-fsopen", NULL, W_CALL, DONE, "the new mount calls", .run = run_fsopen },
	{ "mount-fspick", NULL, W_CALL, DONE, "the new mount calls", .run = run_fspick },
	{ "mount-open-tree", NULL, W_CALL, DONE, "the new mount calls", .run = run_open_tree },
	{ "mount-move-mount", NULL, W_CALL, DONE, "the new mount calls", .run = run_move_mount },
	{ "mount-setattr", NULL, W_CALL, DONE, "the new mount calls", .run = run_setattr },
	{ "pivot-root", NULL, W_CALL, DIFFERS, "another root", .run = run_pivot },
	{ "chroot", NULL, W_CALL, DONE, "another root", .run = run_chroot },
	{ "mounts-shared", NULL, "nothing", NEEDS_ROOT,
	  "a mount that exchanges with another namespace; outside only where the host shares",
	  .run = run_mount_shared },
	{ "mounts-disk-writable", NULL, "nothing", DONE, "a file system of the host is writable",
	  .run = run_mount_disk },
	{ "mounts-suid", NULL, "nothing", DONE, "a mount that honours set-id",
	  .run = run_mount_nosuid },
	{ "mounts-writable-exec", NULL, "nothing", DONE, "a mount that is writable and executable",
	  .run = run_mount_exec },
};

GROUP(group_mounts, "mounts", "S0-34", probes);
