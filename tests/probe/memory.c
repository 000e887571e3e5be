// SPDX-License-Identifier: Apache-2.0
/* Memory: files without a name, pages moved about, executable pages out of writable files. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static char page[4096];

static int run_memfd_exec(struct attempt *t)
{
	char path[64];
	int fd = (int)syscall(SYS_memfd_create, "probe", 0);

	if (fd < 0)
		return errno;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = copy_file("/proc/self/exe", path, 0700);
	if (r)
		return r;
	/* For writing it is busy to an exec, so by a second descriptor. */
	int again = open(path, O_RDONLY);
	(void)close(fd);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", again);
	r = spawn(path, (char *[]){ (char[]){ "probe" }, (char[]){ "--groups" }, NULL });
	if (r < 0)
		return -r;
	return r == 0 ? 0 : broken(t, "the copy did not run");
}

static int run_execveat(struct attempt *t)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	if (fd < 0)
		return broken(t, "no /proc/self/exe");
	pid_t pid = fork();
	if (pid < 0)
		return broken(t, "no fork");
	if (pid > 0) {
		/* exec of --groups ends with 0, the refusal with its errno. */
		int status = 0;
		(void)syscall(SYS_wait4, pid, &status, 0, NULL);
		return (status >> 8) & 0xff;
	}
	(void)close(STDOUT_FILENO);
	(void)open("/dev/null", O_WRONLY);
	char *argv[] = { (char[]){ "probe" }, (char[]){ "--groups" }, NULL };
	char *envp[] = { NULL };
	(void)syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
	_exit(errno);
}

static int run_vmsplice(struct attempt *t)
{
	struct iovec iov = { page, sizeof(page) };
	int gate[2];

	if (pipe2(gate, O_CLOEXEC) < 0)
		return broken(t, "no pipe");
	return answer(syscall(SYS_vmsplice, gate[1], &iov, 1UL, 0));
}

static int run_splice(struct attempt *t)
{
	int gate[2];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pipe2(gate, O_CLOEXEC) < 0)
		return broken(t, "nothing to splice");
	return answer(syscall(SYS_splice, fd, NULL, gate[1], NULL, 1UL, 0));
}

static int run_tee(struct attempt *t)
{
	int from[2], to[2];

	if (pipe2(from, O_CLOEXEC) < 0 || pipe2(to, O_CLOEXEC) < 0 || write(from[1], "x", 1) != 1)
		return broken(t, "no pipe");
	return answer(syscall(SYS_tee, from[0], to[1], 1UL, 0));
}

static int run_vm_self(struct attempt *t)
{
	char byte = 0;
	struct iovec here = { &byte, 1 }, there = { page, 1 };

	return answer(syscall(t->probe->nr, getpid(), &here, 1UL, &there, 1UL, 0UL));
}

static int run_uffd(struct attempt *t)
{
	return answer(syscall(SYS_userfaultfd, O_CLOEXEC | t->probe->a[0]));
}

static int run_mlock(struct attempt *t)
{
	(void)t;
	return answer(syscall(SYS_mlock, page, sizeof(page)));
}

static int run_move_pages(struct attempt *t)
{
	void *pages[1] = { page };
	int status[1];

	(void)t;
	page[0] = 1;
	return answer(syscall(SYS_move_pages, 0, 1UL, pages, NULL, status, 0));
}

static int run_migrate(struct attempt *t)
{
	unsigned long nodes = 1;

	(void)t;
	return answer(syscall(SYS_migrate_pages, 0, 8UL * sizeof(nodes), &nodes, &nodes));
}

static int run_madvise_other(struct attempt *t)
{
	struct iovec iov = { page, sizeof(page) };
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		return broken(t, "no pidfd");
	return answer(syscall(SYS_process_madvise, fd, &iov, 1UL, MADV_COLD, 0));
}

static int run_mrelease(struct attempt *t)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		return broken(t, "no pidfd");
	return answer(syscall(SYS_process_mrelease, fd, 0));
}

#define CALL(label, number, twin, why, ...)                                                        \
	{ label, NULL, W_CALL, twin, why, .run = run_call, .nr = number, .a = { __VA_ARGS__ } }

static const struct probe probes[] = {
	CALL("memfd-create", SYS_memfd_create, DONE, "memory that no limit of a process counts",
	     (long)"probe", 0),
	{ "memfd-exec", NULL, W_CALL, DONE, "a program without a file", .run = run_memfd_exec },
	CALL("memfd-secret", 447, NEEDS_ROOT, "memory hidden from all, where there is such", 0),
	{ "execveat", NULL, W_CALL, DONE, "exec of a descriptor", .run = run_execveat },
	{ "vmsplice", NULL, W_CALL, DONE, "pages of its own in a pipe", .run = run_vmsplice },
	{ "splice", NULL, W_CALL, DONE, "pages of a file in a pipe", .run = run_splice },
	{ "tee", NULL, W_CALL, DONE, "pages of a pipe in another", .run = run_tee },
	{ "vm-readv-self", NULL, W_CALL, DONE, "process_vm_readv on itself", .run = run_vm_self,
	  .nr = SYS_process_vm_readv },
	{ "vm-writev-self", NULL, W_CALL, DONE, "process_vm_writev on itself", .run = run_vm_self,
	  .nr = SYS_process_vm_writev },
	{ "userfaultfd", NULL, W_CALL, NEEDS_ROOT, "faults of the kernel held up",
	  .run = run_uffd },
	{ "userfaultfd-user", NULL, W_CALL, DONE, "faults of a program held up", .run = run_uffd,
	  .a = { UFFD_USER_MODE_ONLY } },
	{ "mlock", NULL, W_CALL, DIFFERS, "memory that stays", .run = run_mlock },
	CALL("mlockall", SYS_mlockall, DIFFERS, "memory that stays", MCL_ONFAULT | MCL_CURRENT),
	{ "move-pages", NULL, W_CALL, NEEDS_ROOT, "pages by node, where there are nodes",
	  .run = run_move_pages },
	{ "migrate-pages", NULL, W_CALL, NEEDS_ROOT, "pages by node, where there are nodes",
	  .run = run_migrate },
	CALL("set-mempolicy", SYS_set_mempolicy, NEEDS_ROOT, "pages by node, where there are nodes",
	     0, 0, 0),
	{ "process-madvise", NULL, W_CALL, DIFFERS, "advice on the memory of another",
	  .run = run_madvise_other },
	{ "process-mrelease", NULL, W_CALL, DIFFERS, "memory of the dying taken",
	  .run = run_mrelease },
	CALL("remap-file-pages", SYS_remap_file_pages, DIFFERS, "a call of old times", 0, 0, 0, 0,
	     0),
	CALL("cachestat", 451, DIFFERS, "which pages of a file others use", -1, 0, 0, 0),
};

GROUP(group_memory, "memory", NULL, probes);
