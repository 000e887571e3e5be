// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_JAIL_H
#define SBX_JAIL_H

#include "err.h"
#include "report.h"
#include "spec.h"

#include <sys/types.h>

/*
 * Who is who: the supervisor runs outside with the caller's uid and no privilege. It clones process
 * 1, which builds the jail, forks the job, and then becomes a fresh exec of this program (init).
 * The job goes through its own stages and execs the command.
 */

/* Packets on the socket between the supervisor and what is inside; one struct, fixed size. */
enum note_type {
	NOTE_FAIL = 1, /* a stage failed: err and stage; nothing ran */
	NOTE_EYES, /* two descriptors: the jail's /proc, its scratch directory */
	NOTE_LISTENER, /* one descriptor: the filter's notifications */
	NOTE_PROOF, /* what the job read back about itself; the command follows */
	NOTE_COMPILED, /* value: microseconds that the compiler took */
	NOTE_NO_COMPILE, /* the compiler failed, value: its wait status */
	NOTE_ENDED, /* init: value is the wait status of the job; harvest follows */
	NOTE_KILL, /* supervisor to init: kill everything but yourself */
};

struct note {
	enum note_type type;
	int64_t value;
	int64_t cpu_us,
		memory_bytes; /* NOTE_ENDED: of all that init has reaped; the largest one's memory */
	char stage[24];
	struct err err;
	struct {
		int landlock_abi, seccomp_mode, no_new_privs, caps_held, groups;
		int overlay, proc_fresh, notify, keyring;
		int64_t nproc, nofile, fsize, cpu, core;
	} proof;
};

int note_send(int fd, const struct note *note, const int *fds, int fd_count);
/* Returns 1 and the note, 0 at end of file or when nothing is there, -1 with errno. */
int note_recv(int fd, struct note *ret, int *ret_fds, int fd_max, int *ret_fd_count, int flags);

/* What the stages know and pass on; lives in process 1 and, copied by fork, in the job. */
struct jail {
	const struct spec *spec;
	uid_t outer_uid; /* of the caller, before the user namespace */
	gid_t outer_gid;
	int note; /* socket to the supervisor */
	int self; /* this program, O_PATH: for the exec of init */
	int go; /* the job reads one byte here before it execs */
	int upper; /* directory that the harvest walks */
	int landlock_abi;
	int overlay, proc_fresh, notify, keyring, dirs_copied;
};

/* The stages, each 0 or -1 with err; see the table in enter.c for their order and why. */
int idmap_enter(struct jail *jail, struct err *err);
/* No further namespace of any kind: called by rootfs_enter when its mounts are made. */
int idmap_close(const struct spec *spec, struct err *err);
int rootfs_enter(struct jail *jail, struct err *err);
/* Covers target with an empty directory that can still be filled. */
int cover_dir(const struct spec_mount *mount, int root, struct err *err);
/* When all mounts and files are in place: closes those, and covers files. */
int cover_rest(const struct spec *spec, int root, struct err *err);
int network_enter(struct jail *jail, struct err *err);
/* Makes the workspace beneath the new root (descriptor root); sets upper, overlay, dirs_copied. */
int workspace_make(struct jail *jail, int root, struct err *err);
int limits_enter(struct jail *jail, struct err *err);
int caps_enter(struct jail *jail, struct err *err);
int landlock_enter(struct jail *jail, struct err *err);
int filter_enter(struct jail *jail, struct err *err);
int proof_enter(struct jail *jail, struct err *err);

/* The best Landlock ABI the kernel offers, 0: none (whatever the reason). */
int landlock_abi(void);
struct filter_set;
const struct filter_set *filter_find(const char *name);

/* Process 1 from clone on; never returns. */
void enter_process1(struct jail *jail) __attribute__((noreturn));
/* The job from fork on; never returns. */
void job_run(struct jail *jail) __attribute__((noreturn));
/* main() of process 1 after its exec. Descriptors by number: */
enum { INIT_FD_NOTE = 3, INIT_FD_GO = 4, INIT_FD_UPPER = 5, INIT_FD_HARVEST = 6 };
int init_main(void);
/* Walks upper and sends what changed; 0 or -1. */
int harvest_walk(int upper, int socket, int wait_status, int is_killed);

/* Runs the whole jail; fills report whatever happens. */
void supervise(const struct spec *spec, struct report *report);

#endif
