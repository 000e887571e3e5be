// SPDX-License-Identifier: Apache-2.0
/*
 * A probe tries one forbidden thing and says what the kernel answered.
 *
 * run() is called in a child of its own. It returns 0 when the forbidden thing was done, a
 * positive errno when it was refused, or one of the negative values below. It need not tidy up
 * processes of its own group, nor the scratch directories: the runner does.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define NOTHING (-1)	/* a search that found nothing */
#define BROKEN (-2)	/* could not be tried; attempt.reason says why */
#define LATE (-3)	/* no answer in time */

/* What the same probe answers outside, run by an ordinary user. */
#define DONE "done"
#define DIFFERS "differs"
#define NEEDS_ROOT "needs-root"

#define W_CALL "EPERM|ENOSYS|EACCES"
#define W_FAMILY "EAFNOSUPPORT|EPERM|EACCES"

#define BAIT_PORT 47113
#define BAIT_SOCKET "sbx-probe-bait"
#define BAIT_ENV "SBX_PROBE_BAIT_SECRET"

#define REASON_MAX 160
#define DIR_MAX_LEN 256
#define NELEM(a) (sizeof(a) / sizeof((a)[0]))

struct probe;

struct attempt {
	const struct probe *probe;
	int result_fd;			/* the runner's, not a leak */
	pid_t runner;			/* the process that forked this one */
	pid_t bait_pid;			/* a process laid out to be attacked, or 0 */
	pid_t first_pgrp, first_sid;	/* as they were when the program started */
	char work[DIR_MAX_LEN];		/* scratch directory in the workspace, "" if none */
	char tmp[DIR_MAX_LEN];		/* scratch directory in /tmp, "" if none */
	char reason[REASON_MAX];
};

struct probe {
	const char *name;
	const char *row;		/* requirement; NULL: that of the group */
	const char *want;		/* answers of a jail that holds, separated by | */
	const char *outside;
	const char *why;
	int (*run)(struct attempt *t);
	int time_ms;			/* 0: what suffices for nearly all */
	const char *path;		/* the rest is for run() */
	long nr, a[6];
};

struct probe_group {
	const char *name;
	const char *row;
	const struct probe *probes;
	size_t count;
};

extern const struct probe_group group_traversal, group_proc, group_procinfo, group_descriptors,
	group_mounts, group_namespaces, group_capabilities, group_setid, group_ipc, group_network,
	group_sockets, group_kernel, group_memory, group_process, group_abi, group_terminal,
	group_outside, group_exec, group_signals, group_identity, group_harvest, group_limits;

#define GROUP(id, label, row_, table)                                                              \
	const struct probe_group id = { .name = label, .row = row_, .probes = table,               \
					.count = NELEM(table) }

/* util.c */

/* 0 for a call that succeeded, errno for one that did not. */
int answer(long r);
int broken(struct attempt *t, const char *reason);
const char *errno_name(int err, char buf[16]);
const char *signal_name(int sig, char buf[16]);
/* Bytes read (a NUL follows them), or -1 with errno. */
ssize_t slurp(const char *path, char *buf, size_t size);
/* Writes text to an existing file; 0 or errno. */
int spit(const char *path, const char *text);
/* The text after "key:" in /proc/self/status; false if there is none. */
bool self_status(const char *key, char *buf, size_t size);
/* dir/name in buf; buf. */
const char *join(char *buf, size_t size, const char *dir, const char *name);
/* A new file for writing below dir, mode 0600; descriptor or -1. */
int file_new(const char *dir, const char *name, char *path, size_t size);
/* Copies a file; 0 or errno. */
int copy_file(const char *from, const char *to, mode_t mode);
/* Runs the file and waits: its exit status, 128+n for a signal, -errno if it did not start. */
int spawn(const char *file, char *const argv[]);
/* Runs fn in a child and gives its answer; for what changes the process for good. */
int in_child(struct attempt *t, int (*fn)(struct attempt *t));

/*
 * Enters a user namespace of its own, where flags then name what may be had in it. Outside this
 * makes a probe harmless and lets it succeed; in a jail it fails, and the probe goes on without.
 * Returns 1 (entered), 0 (refused, nothing changed), or BROKEN if going on would not be harmless.
 */
int ns_own(struct attempt *t, int flags);

/* Process 1 first, then those that are neither ancestors nor descendants of the caller. */
size_t others(struct attempt *t, pid_t *pids, size_t max);
/* Parent of pid by /proc, 0 when unknown. */
pid_t parent_of(pid_t pid);
bool is_relative(pid_t pid);

/* plain.c: what many groups share, driven by the fields of the probe. */

int run_call(struct attempt *t);	/* syscall nr with a[] */
int run_call_own_ns(struct attempt *t);	/* the same in an own namespace of flags a[5] */
int run_stat(struct attempt *t);	/* path exists */
int run_read(struct attempt *t);	/* path has at least one readable byte */
int run_open_write(struct attempt *t);	/* path opens for writing; nothing is written */
int run_list(struct attempt *t);	/* path is a directory with entries */
int run_create(struct attempt *t);	/* a file can be made in directory path */
int run_ioctl(struct attempt *t);	/* request nr on a scratch file */

/* bait.c */

/*
 * What a careless launcher would leave about; the victim's pid, or -1. word is the argument
 * "--bait" itself, which the victim turns into a secret on its command line.
 */
pid_t bait_lay(char *word);
/* Sockets only, until end of file on stdin. */
int bait_hold(void);

/* run.c */
/* Runs one probe and prints its line; bait_pid as for struct attempt. */
int run_probe(const struct probe *p, pid_t bait_pid);

#endif
