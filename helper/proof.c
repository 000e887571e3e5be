// SPDX-License-Identifier: Apache-2.0
/*
 * The job, after its last stage and before the command: it looks at itself from inside and goes no
 * further when anything is off. What it read back is what the answer says.
 */
#include "cleanup.h"
#include "io.h"
#include "jail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { INSIDE_ID = 1000 };

static unsigned long long field(const char *status, const char *name, int base)
{
	const char *p = strstr(status, name);

	return p ? strtoull(p + strlen(name), NULL, base) : ~0ULL;
}

static int64_t soft(int what)
{
	struct rlimit limit = { 0 };

	(void)getrlimit((__rlimit_resource_t)what, &limit);
	return limit.rlim_cur == RLIM_INFINITY ? -1 : (int64_t)limit.rlim_cur;
}

/* Supplementary groups that lend a right: the own group once more is none. -1: they cannot be told. */
static int count_groups(void)
{
	gid_t list[1024];
	int n = getgroups(sizeof(list) / sizeof(list[0]), list), others = 0, i;

	for (i = 0; i < n; i++)
		others += list[i] != getgid();
	return n < 0 ? -1 : others;
}

static int read_back(struct jail *jail, struct note *note, struct err *err)
{
	static const char *const sets[] = { "\nCapInh:", "\nCapPrm:", "\nCapEff:", "\nCapBnd:",
					    "\nCapAmb:" };
	AUTO_FREE char *status = NULL;
	size_t i;

	note->proof.landlock_abi = jail->landlock_abi;
	note->proof.overlay = jail->overlay;
	note->proof.proc_fresh = jail->proc_fresh;
	note->proof.notify = jail->notify;
	note->proof.keyring = jail->keyring;
	note->proof.nproc = soft(RLIMIT_NPROC) - 1; /* process 1, which is ours, counts there */
	note->proof.nofile = soft(RLIMIT_NOFILE);
	note->proof.fsize = soft(RLIMIT_FSIZE);
	note->proof.cpu = soft(RLIMIT_CPU);
	note->proof.core = soft(RLIMIT_CORE);
	note->proof.groups = count_groups();
	if (!jail->proc_fresh) { /* without /proc the kernel is asked call by call */
		note->proof.no_new_privs = -1;
		note->proof.seccomp_mode = -1;
		return 0;
	}
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	status = fd < 0 ? NULL : io_read_all(fd, 1 << 16, NULL);
	if (fd >= 0)
		(void)close(fd);
	if (!status)
		return err_sys(err, ERR_ISOLATION, "proof: read /proc/self/status");
	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (field(status, sets[i], 16) != 0)
			note->proof.caps_held++;
	note->proof.no_new_privs = (int)field(status, "\nNoNewPrivs:", 10);
	note->proof.seccomp_mode = (int)field(status, "\nSeccomp:", 10);
	if (note->proof.caps_held || note->proof.no_new_privs != 1 || note->proof.seccomp_mode != 2)
		return err_set(err, ERR_ISOLATION,
			       "proof: capabilities, no_new_privs or seccomp are off");
	return 0;
}

static int refuses(struct err *err)
{
	/* TEST-NET-1 (RFC 5737): no host has it, and here there is no route to anything */
	struct sockaddr_in nowhere = { .sin_family = AF_INET, .sin_port = htons(9) };
	AUTO_FD int file = open("/sbx-proof", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	AUTO_FD int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	AUTO_FD int memory = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);

	nowhere.sin_addr.s_addr = htonl(0xc0000201);
	if (file >= 0)
		return err_set(err, ERR_ISOLATION, "proof: the root is writable");
	if (sock >= 0 && connect(sock, (struct sockaddr *)&nowhere, sizeof(nowhere)) == 0)
		return err_set(err, ERR_ISOLATION, "proof: there is a route out");
	if (memory >= 0)
		return err_set(err, ERR_ISOLATION,
			       "proof: a forbidden system call was let through");
	return 0;
}

int proof_enter(struct jail *jail, struct err *err)
{
	struct note note = { .type = NOTE_PROOF };

	if (getpid() != 2 || getppid() != 1)
		return err_set(err, ERR_ISOLATION, "proof: not alone in the process namespace");
	if (getuid() != INSIDE_ID || geteuid() != INSIDE_ID || getgid() != INSIDE_ID)
		return err_set(err, ERR_ISOLATION, "proof: the identity is wrong");
	if (read_back(jail, &note, err) < 0 || refuses(err) < 0)
		return -1;
	if (note_send(jail->note, &note, NULL, 0) < 0)
		return err_sys(err, ERR_INTERNAL, "report the proof");
	return 0;
}
