// SPDX-License-Identifier: Apache-2.0
/* Set-id files, made and executed, and device nodes. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define W_SETID "EPERM|EACCES"

static const char *const set_id_programs[] = {
	"/usr/bin/su", "/usr/bin/mount", "/usr/bin/umount", "/usr/bin/passwd", "/usr/bin/chsh",
	"/usr/bin/newgrp", "/usr/bin/gpasswd", "/usr/bin/sudo", "/usr/bin/fusermount3",
	"/usr/bin/pkexec", "/usr/bin/chfn", "/bin/su", "/bin/mount", "/bin/bbsuid",
};

static const char *find_set_id(void)
{
	struct stat st;

	for (size_t i = 0; i < NELEM(set_id_programs); i++)
		if (stat(set_id_programs[i], &st) == 0 && st.st_uid != getuid() &&
		    (st.st_mode & S_ISUID) && access(set_id_programs[i], X_OK) == 0)
			return set_id_programs[i];
	return NULL;
}

/* Its output goes into a full pipe, so it stays while we look at it. */
static pid_t start_stuck(const char *file)
{
	static const char filler[4096];
	int out[2];

	if (pipe(out) < 0)
		return -1;
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	(void)fcntl(out[1], F_SETFL, O_NONBLOCK);
	while (write(out[1], filler, sizeof(filler)) > 0)
		;
	while (write(out[1], filler, 1) > 0)
		;
	(void)fcntl(out[1], F_SETFL, 0);
	(void)dup2(out[1], STDOUT_FILENO);
	(void)dup2(out[1], STDERR_FILENO);
	char *argv[] = { (char[]){ "probe" }, (char[]){ "--version" }, NULL };
	(void)execve(file, argv, (char *[]){ NULL });
	_exit(127);
}

static int effective_uid(pid_t pid)
{
	char path[64], text[2048];
	int real = -1, effective = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (slurp(path, text, sizeof(text)) < 0)
		return -1;
	const char *line = strstr(text, "\nUid:");
	if (!line || sscanf(line, "\nUid: %d %d", &real, &effective) != 2)
		return -1;
	return effective;
}

static int run_exec_set_id(struct attempt *t)
{
	const struct timespec tick = { 0, 10000000 };
	const char *file = find_set_id();
	int r = NOTHING;

	if (!file)
		return NOTHING;
	pid_t pid = start_stuck(file);
	if (pid < 0)
		return broken(t, "no fork");
	for (int i = 0; i < 40 && r != 0; i++) {
		if (effective_uid(pid) == 0)
			r = 0;
		(void)nanosleep(&tick, NULL);
	}
	(void)kill(pid, SIGKILL);
	return r;
}

static int run_chmod(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	mode_t mode = (mode_t)t->probe->a[0];
	int fd = file_new(t->work, "f", path, sizeof(path));

	if (fd < 0)
		return broken(t, "no scratch file");
	switch (t->probe->nr) {
	case SYS_fchmod:
		return answer(fchmod(fd, mode));
#ifdef SYS_chmod
	case SYS_chmod:
		return answer(syscall(SYS_chmod, path, mode));
#endif
	default:
		return answer(syscall(t->probe->nr, AT_FDCWD, path, mode, 0));
	}
}

static int run_make(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	long mode = t->probe->a[0];

	if (t->work[0] == '\0')
		return broken(t, "no scratch directory");
	join(path, sizeof(path), t->work, "f");
	switch (t->probe->nr) {
	case SYS_openat:
		return answer(syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY, mode));
	case SYS_mkdirat:
		return answer(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
	case SYS_mknodat:
		return answer(syscall(SYS_mknodat, AT_FDCWD, path, mode, t->probe->a[1]));
	default:
		return answer(syscall(t->probe->nr, path, mode, t->probe->a[1]));
	}
}

static int run_tmpfile(struct attempt *t)
{
	if (t->work[0] == '\0')
		return broken(t, "no scratch directory");
	return answer(syscall(SYS_openat, AT_FDCWD, t->work, O_TMPFILE | O_RDWR, t->probe->a[0]));
}

#define CHMOD(label, number, mode)                                                                 \
	{ label, NULL, W_SETID "|ENOSYS", DONE, "a set-id file left behind", .run = run_chmod,     \
	  .nr = number, .a = { mode } }
#define MAKE(label, number, mode)                                                                  \
	{ label, NULL, W_SETID, DONE, "a set-id file made", .run = run_make, .nr = number,         \
	  .a = { mode } }
#define NODE(label, mode, device, twin, why)                                                       \
	{ label, "S0-34", W_SETID, twin, why, .run = run_make, .nr = SYS_mknodat,                  \
	  .a = { mode, device } }

static const struct probe probes[] = {
	{ "exec-set-id", NULL, "nothing", DIFFERS, "a set-id program gives another user",
	  .run = run_exec_set_id },
#ifdef SYS_chmod
	CHMOD("chmod-setuid", SYS_chmod, 04755),
	MAKE("creat-setuid", SYS_creat, 04755),
	MAKE("mkdir-setgid", SYS_mkdir, 02755),
#endif
	CHMOD("chmod-setgid", SYS_fchmodat, 02755),
	CHMOD("fchmod-setuid", SYS_fchmod, 04755),
#ifdef SYS_fchmodat2
	CHMOD("fchmodat2-setuid", SYS_fchmodat2, 04755),
#else
	CHMOD("fchmodat2-setuid", 452, 04755),
#endif
	MAKE("open-setuid", SYS_openat, 04755),
	MAKE("mknod-setuid", SYS_mknodat, S_IFREG | 04755),
	{ "tmpfile-setuid", NULL, W_SETID, DIFFERS, "an unnamed set-id file", .run = run_tmpfile,
	  .a = { 04755 } },
	NODE("mknod-whiteout", S_IFCHR | 0600, 0, DONE, "a whiteout forged for the harvest"),
	NODE("mknod-null", S_IFCHR | 0600, 0x103, NEEDS_ROOT, "a character device"),
	NODE("mknod-mem", S_IFCHR | 0600, 0x101, NEEDS_ROOT, "a device of physical memory"),
	NODE("mknod-disk", S_IFBLK | 0600, 0x800, NEEDS_ROOT, "a block device"),
};

GROUP(group_setid, "set-id", "S3-09", probes);
