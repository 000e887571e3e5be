// SPDX-License-Identifier: Apache-2.0
/*
 * Process 1, with the capabilities of its user namespace: makes the root of the jail. Everything of
 * the host is taken as a detached copy of a mount before the new root covers anything, then put
 * in place by descriptor. What is not asked for is not there.
 */
#include "cleanup.h"
#include "io.h"
#include "jail.h"
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PLAIN (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define READ_ONLY (PLAIN | MOUNT_ATTR_RDONLY)

static const char *const devices[] = { "null", "zero", "full", "random", "urandom" };
enum { DEVICE_COUNT = sizeof(devices) / sizeof(devices[0]) };

/* Makes the directories of an absolute path beneath root; the last part only when all is set. */
static int make_parents(int root, const char *path, bool all)
{
	char part[4096];
	size_t i;

	for (i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path + 1, i - 1);
		part[i - 1] = 0;
		if (mkdirat(root, part, 0755) < 0 && errno != EEXIST)
			return -1;
	}
	return all && mkdirat(root, path + 1, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

static int make_file(int root, const char *path, const char *text, mode_t mode)
{
	int fd;

	if (make_parents(root, path, false) < 0)
		return -1;
	fd = openat(root, path + 1, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return errno == EEXIST ? 0 : -1;
	if (text && io_write_all(fd, text, strlen(text)) < 0) {
		(void)close(fd);
		return -1;
	}
	return close(fd);
}

static int make_files(const struct spec *spec, int root, struct err *err)
{
	size_t i;

	for (i = 0; i < spec->file_count; i++) {
		const struct spec_file *f = &spec->files[i];
		int failed;

		if (f->link)
			failed = make_parents(root, f->path, false) < 0 ||
				 symlinkat(f->link, root, f->path + 1) < 0;
		else
			failed = make_file(root, f->path, f->text, f->exec ? 0755 : 0644) < 0;
		if (failed)
			return err_sys(err, ERR_ISOLATION, "make '%s' in the jail", f->path);
	}
	return 0;
}

/*
 * The image's root once more, as this mount namespace has it: a descriptor from before the clone
 * belongs to the old one, and what it leads to cannot be mounted (EINVAL).
 */
static int reopen_image(void)
{
	char path[4096], link[32];
	struct stat had, have;
	ssize_t n;
	int fd;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", SPEC_FD_ROOT);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -1;
	path[n] = 0;
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &have) < 0 || fstat(SPEC_FD_ROOT, &had) < 0 ||
			had.st_ino != have.st_ino || had.st_dev != have.st_dev)) {
		(void)close(fd);
		errno = ESTALE; /* renamed or replaced meanwhile */
		return -1;
	}
	return fd;
}

/* Beneath the image, no link followed: an image is not trusted to point anywhere. */
static int open_part(int image, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, image, path, &how, sizeof(how));
}

/* Detached copies of what is to be mounted; -1 for an optional one that is not there. */
static int take_sources(const struct spec *spec, int *fds, struct err *err)
{
	AUTO_FD int image = spec->image ? reopen_image() : -1;
	size_t i;

	if (spec->image && image < 0)
		return err_sys(err, ERR_ISOLATION, "open the image's root");
	for (i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		fds[i] = -1;
		if (m->empty)
			continue;
		/* a path of an image is resolved beneath it, links included: it is not trusted */
		if (m->from_image) {
			AUTO_FD int at = open_part(image, m->source + 1);

			fds[i] = at < 0 ? -1 :
					  (int)syscall(SYS_open_tree, at, "",
						       OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH |
							       0x8000);
		} else {
			fds[i] = mount_clone(AT_FDCWD, m->source);
		}
		if (fds[i] < 0 && !(m->optional && (errno == ENOENT || errno == ENOTDIR)))
			return err_sys(err, ERR_ISOLATION, "take '%s' for the jail", m->source);
		if (fds[i] >= 0 &&
		    mount_flags(fds[i], READ_ONLY | (m->exec ? 0 : MOUNT_ATTR_NOEXEC)) < 0)
			return err_sys(err, ERR_ISOLATION, "make '%s' read-only", m->source);
	}
	return 0;
}

static int put_sources(const struct spec *spec, int root, int *fds, struct err *err)
{
	size_t i;

	for (i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		if (m->empty && !m->is_file && cover_dir(m, root, err) < 0)
			return -1;
		if (fds[i] < 0)
			continue;
		if ((m->is_file ? make_file(root, m->target, NULL, 0644) :
				  make_parents(root, m->target, true)) < 0 ||
		    mount_attach(fds[i], root, m->target + 1) < 0)
			return err_sys(err, ERR_ISOLATION, "mount '%s' in the jail", m->target);
		(void)close(fds[i]);
	}
	return 0;
}

static int make_dev(int root, const int *device_fds, struct err *err)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "dev/fd" },
		{ "/proc/self/fd/0", "dev/stdin" },
		{ "/proc/self/fd/1", "dev/stdout" },
		{ "/proc/self/fd/2", "dev/stderr" },
	};
	size_t i;

	for (i = 0; i < DEVICE_COUNT; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "/dev/%s", devices[i]);
		if (make_file(root, name, NULL, 0644) < 0 ||
		    mount_attach(device_fds[i], root, name + 1) < 0)
			return err_sys(err, ERR_ISOLATION, "mount '%s' in the jail", name);
		(void)close(device_fds[i]);
	}
	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlinkat(links[i][0], root, links[i][1]) < 0)
			return err_sys(err, ERR_ISOLATION, "link '%s'", links[i][1]);
	return 0;
}

/*
 * A new /proc shows this pid namespace only. What tells of the host or of the kernel's insides is
 * covered: a file by /dev/null, a directory by an empty read-only one; /proc/sys is read-only.
 */
static int mask_proc(int root, struct err *err)
{
	static const char *const files[] = {
		"proc/kcore",         "proc/keys",          "proc/key-users",  "proc/kallsyms",
		"proc/kmsg",          "proc/modules",       "proc/timer_list", "proc/sched_debug",
		"proc/sysrq-trigger", "proc/cmdline",       "proc/interrupts", "proc/softirqs",
		"proc/iomem",         "proc/ioports",       "proc/config.gz",  "proc/swaps",
		"proc/partitions",    "proc/diskstats",     "proc/slabinfo",   "proc/vmallocinfo",
		"proc/pagetypeinfo",  "proc/latency_stats", "proc/kpagecount", "proc/kpageflags",
		"proc/kpagecgroup",   "proc/buddyinfo",     "proc/zoneinfo",   "proc/schedstat",
		"proc/devices",       "proc/misc",          "proc/crypto",     "proc/consoles",
	};
	static const char *const dirs[] = { "proc/acpi", "proc/scsi",    "proc/bus",
					    "proc/irq",  "proc/fs",      "proc/driver",
					    "proc/tty",  "proc/sysvipc", "proc/asound" };
	static const char *const empty[] = { "size", "4k", "nr_inodes", "2", "mode", "555", NULL };
	const char *covered = NULL;
	AUTO_FD int void_dir = mount_new("tmpfs", READ_ONLY | MOUNT_ATTR_NOEXEC, empty);
	size_t i;

	if (void_dir < 0)
		return err_sys(err, ERR_ISOLATION, "prepare the masks of /proc");
	for (i = 0; i < sizeof(files) / sizeof(files[0]) + sizeof(dirs) / sizeof(dirs[0]); i++) {
		bool is_dir = i >= sizeof(files) / sizeof(files[0]);
		const char *path = is_dir ? dirs[i - sizeof(files) / sizeof(files[0])] : files[i];

		/* many kernels lack some of them, and access tells so for less than a mount costs */
		if (faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		/* copies of what is in place: before Linux 6.15 a detached mount cannot be copied */
		AUTO_FD int mask = !is_dir ? mount_clone(root, "dev/null") :
				   covered ? mount_clone(root, covered) :
					     take_fd(&void_dir);
		if (mask < 0 || mount_attach(mask, root, path) < 0)
			return err_sys(err, ERR_ISOLATION, "mask '/%s'", path);
		covered = is_dir && !covered ? path : covered;
	}
	AUTO_FD int sys = mount_clone(root, "proc/sys");
	if (sys < 0 || mount_flags(sys, READ_ONLY | MOUNT_ATTR_NOEXEC) < 0 ||
	    mount_attach(sys, root, "proc/sys") < 0)
		return err_sys(err, ERR_ISOLATION, "make /proc/sys read-only");
	return 0;
}

static int make_proc(struct jail *jail, int root, struct err *err)
{
	static const char *const none[] = { NULL };
	AUTO_FD int proc = -1;

	if (mkdirat(root, "proc", 0555) < 0)
		return err_sys(err, ERR_ISOLATION, "make /proc");
	proc = mount_new("proc", PLAIN | MOUNT_ATTR_NOEXEC, none);
	if (proc < 0 && errno == EPERM && !strcmp(jail->spec->proc, "empty"))
		return 0;
	if (proc < 0) {
		(void)err_sys(err, ERR_ISOLATION, "mount a fresh /proc");
		return err_hint(err,
				"an outer container masks /proc: give it an unmasked one, or set "
				"\"proc\": \"empty\" in the configuration");
	}
	if (mount_attach(proc, root, "proc") < 0)
		return err_sys(err, ERR_ISOLATION, "mount /proc in the jail");
	jail->proc_fresh = 1;
	return mask_proc(root, err);
}

/* Lets the supervisor watch: the jail's own /proc, and the directory of its scratch space. */
static int send_eyes(struct jail *jail, int root, struct err *err)
{
	struct note note = { .type = NOTE_EYES };
	AUTO_FD int proc = openat(root, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fds[2] = { proc, jail->upper };

	if (proc < 0 || note_send(jail->note, &note, fds, 2) < 0)
		return err_sys(err, ERR_INTERNAL, "report to the supervisor");
	return 0;
}

static int into_root(int root, struct err *err)
{
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(err, ERR_ISOLATION, "pivot_root");
	/* the old root lies over the new one now; detached, nothing of it is left to reach */
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(err, ERR_ISOLATION, "leave the old root");
	return 0;
}

int rootfs_enter(struct jail *jail, struct err *err)
{
	static const char *const options[] = { "size", "2m",  "nr_inodes", "4096",
					       "mode", "755", NULL };
	const struct spec *spec = jail->spec;
	int fds[SPEC_LIST_MAX], device_fds[DEVICE_COUNT];
	struct mount_attr read_only = { .attr_set = READ_ONLY };
	size_t i;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, ERR_ISOLATION, "make the mounts private");
	if (take_sources(spec, fds, err) < 0)
		return -1;
	for (i = 0; i < DEVICE_COUNT; i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "/dev/%s", devices[i]);
		/* read-only is of the file system behind: a device can be written to all the same */
		device_fds[i] = mount_clone(AT_FDCWD, path);
		if (device_fds[i] < 0 ||
		    mount_flags(device_fds[i],
				MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY) < 0)
			return err_sys(err, ERR_ISOLATION, "take '%s' for the jail", path);
	}
	/* no new AUTO_FD beyond: root is the only way in until pivot_root */
	AUTO_FD int fresh = mount_new("tmpfs", PLAIN, options);
	if (fresh < 0 || mount_attach(fresh, AT_FDCWD, "/tmp") < 0)
		return err_sys(err, ERR_ISOLATION, "mount the jail's root");
	AUTO_FD int root = openat(fresh, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, ERR_ISOLATION, "open the jail's root");
	if (put_sources(spec, root, fds, err) < 0 || make_dev(root, device_fds, err) < 0 ||
	    make_proc(jail, root, err) < 0 || workspace_make(jail, root, err) < 0 ||
	    make_files(spec, root, err) < 0 || cover_rest(spec, root, err) < 0 ||
	    send_eyes(jail, root, err) < 0 || idmap_close(spec, err) < 0 ||
	    into_root(root, err) < 0)
		return -1;
	if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &read_only, sizeof(read_only)) < 0)
		return err_sys(err, ERR_ISOLATION, "make the root read-only");
	if (sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_sys(err, ERR_ISOLATION, "set the host name");
	return 0;
}
