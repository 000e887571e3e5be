// SPDX-License-Identifier: Apache-2.0
/* Programs that the run itself has written: nothing writable is executable. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_EXEC "EACCES|EPERM"

static const char *const loaders[] = { "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1",
				       "/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1" };

/* The probe itself, copied to dir and started. */
static int exec_copy(struct attempt *t, const char *dir)
{
	char path[DIR_MAX_LEN];

	if (dir[0] == '\0')
		return broken(t, "no scratch directory");
	if (copy_file("/proc/self/exe", join(path, sizeof(path), dir, "copy"), 0755) != 0)
		return broken(t, "no copy");
	int r = spawn(path, (char *[]){ (char[]){ "probe" }, (char[]){ "--groups" }, NULL });
	if (r < 0)
		return -r;
	return r == 0 ? 0 : broken(t, "the copy did not run");
}

static int run_exec_work(struct attempt *t)
{
	return exec_copy(t, t->work);
}

static int run_exec_tmp(struct attempt *t)
{
	return exec_copy(t, t->tmp);
}

static int run_exec_shm(struct attempt *t)
{
	char dir[] = "/dev/shm/sbx-probe-XXXXXX", path[DIR_MAX_LEN];

	if (!mkdtemp(dir))
		return broken(t, "no /dev/shm");
	int r = exec_copy(t, dir);
	(void)unlink(join(path, sizeof(path), dir, "copy"));
	(void)rmdir(dir);
	return r;
}

static int run_script(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	int fd = file_new(t->work, "script", path, sizeof(path));

	if (fd < 0 || write(fd, "#!/bin/sh\nexit 0\n", 17) != 17 || fchmod(fd, 0755) < 0)
		return broken(t, "no script");
	(void)close(fd);
	int r = spawn(path, (char *[]){ (char[]){ "script" }, NULL });
	if (r < 0)
		return -r;
	return r == 0 ? 0 : broken(t, "the script did not run");
}

/* The loader needs read access only: it is the mount that has to refuse the mapping. */
static int run_loader(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	size_t i = 0;

	if (t->work[0] == '\0' ||
	    copy_file("/usr/bin/true", join(path, sizeof(path), t->work, "true"), 0755) != 0)
		return broken(t, "nothing to load");
	while (i < NELEM(loaders) && access(loaders[i], X_OK) < 0)
		i++;
	if (i == NELEM(loaders))
		return ENOENT;
	int r = spawn(loaders[i], (char *[]){ (char[]){ "ld.so" }, path, NULL });
	if (r < 0)
		return -r;
	return r == 0 ? 0 : NOTHING;
}

static int run_mmap(struct attempt *t)
{
	char path[DIR_MAX_LEN];
	int fd = file_new(t->work, "lib", path, sizeof(path));

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return broken(t, "no scratch file");
	void *p = mmap(NULL, 4096, PROT_READ | (int)t->probe->a[0], MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return errno;
	return answer(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int run_in_exec_fd(struct attempt *t)
{
	char path[DIR_MAX_LEN], self[64];

	if (t->work[0] == '\0' ||
	    copy_file("/proc/self/exe", join(path, sizeof(path), t->work, "copy"), 0755) != 0)
		return broken(t, "no copy");
	int fd = open(path, O_RDONLY);
	(void)unlink(path);
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	int r = spawn(self, (char *[]){ (char[]){ "probe" }, (char[]){ "--groups" }, NULL });
	if (r < 0)
		return -r;
	return r == 0 ? 0 : broken(t, "the copy did not run");
}

static const struct probe probes[] = {
	{ "exec-workspace", NULL, NO_EXEC, DONE, "a program in the workspace",
	  .run = run_exec_work },
	{ "exec-tmp", NULL, NO_EXEC, DONE, "a program in /tmp", .run = run_exec_tmp },
	{ "exec-shm", NULL, NO_EXEC, DIFFERS, "a program in /dev/shm", .run = run_exec_shm },
	{ "exec-script", NULL, NO_EXEC, DONE, "a script in the workspace, by its name",
	  .run = run_script },
	{ "exec-unlinked", NULL, NO_EXEC, DONE, "a program without a name",
	  .run = run_in_exec_fd },
	{ "exec-loader", NULL, "nothing|ENOENT|" NO_EXEC, DONE, "a program by the loader",
	  .run = run_loader },
	{ "exec-mmap", NULL, NO_EXEC, DONE, "a library in the workspace", .run = run_mmap,
	  .a = { PROT_EXEC } },
	{ "exec-mprotect", NULL, NO_EXEC, DONE, "a mapping that becomes executable",
	  .run = run_mmap },
};

GROUP(group_exec, "exec", "S0-34", probes);
