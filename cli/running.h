// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_RUNNING_H
#define SBX_RUNNING_H

#include "ids.h"
#include "profile.h"

#include <stdbool.h>
#include <sys/types.h>

struct call;

/*
 * What runs now: a file each in <state>/running, locked while its sbx lives, so that no other sbx
 * has to believe a number. running_add() leaves its descriptor open on purpose: the lock is gone
 * when the process is, however that ends.
 */
int running_add(struct call *call, const char *exec, const char *session, pid_t supervisor,
		const struct limits *limits, const char *lang, struct err *err);
void running_remove(struct call *call, const char *exec);

/* One of them, as ps and kill read it. */
struct running {
	char exec[ID_SIZE], session[ID_SIZE];
	char user[65], lang[64];
	pid_t pid, supervisor; /* of sbx, of sbx-jail */
	int64_t pid_start,
		supervisor_start; /* their start times, so that a new process is not meant */
	int64_t started_ms; /* since 1970 */
	struct limits limits;
};

/* Calls visit for each that lives and is user's; what is left of dead ones is removed. */
int running_each(struct call *call, const char *user,
		 int (*visit)(const struct running *r, void *arg), void *arg, struct err *err);
/* Start time of a process in clock ticks since boot, -1: there is none. */
int64_t running_start(pid_t pid);

/* What it uses at this moment. */
struct running_use {
	int64_t memory_bytes, swap_bytes, cpu_us, tasks;
	bool is_cgroup; /* counted by the kernel; else summed over its processes */
	struct limits set; /* read from the kernel; 0: not limited there */
};

/* -1 when it has ended meanwhile. */
int running_use(const struct running *running, struct running_use *ret);

#endif
