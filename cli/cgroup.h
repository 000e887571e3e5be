// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_CGROUP_H
#define SBX_CGROUP_H

#include "err.h"
#include "profile.h"

#include <stdbool.h>
#include <sys/types.h>

/* The cgroup of one run: a leaf for the job, with limits, below a directory of sbx's own. */
struct cgroup {
	const char *method; /* "delegated", "scope" or "none" */
	int base; /* the directory that holds the leaves, or -1 */
	int job; /* the leaf, or -1; locked while it is open */
	char name[64]; /* of the leaf below base */
	dev_t disk; /* in: st_dev of the store, whose disk is limited; 0: by guess */
	bool has_memory, has_pids, has_cpu, has_io;
	struct limits set; /* what was read back from the kernel; 0: not limited there */
	/* evidence, after the run */
	int64_t memory_peak, cpu_us, throttled_us, oom_kills, pids_refused, pids_peak;
	char why[320]; /* why there is none, and what would help */
};

/*
 * Finds a delegated subtree and makes the leaf. With mode "auto" no subtree is no error (method
 * "none"); with "required" it is ERR_ISOLATION; with "off" nothing is looked for.
 */
int cgroup_make(const char *mode, const char *exec, const struct limits *limits, struct cgroup *ret,
		struct err *err);
/* For a scope: puts the supervisor, which has not begun, where it belongs. */
int cgroup_adopt(struct cgroup *cgroup, pid_t supervisor, struct err *err);
void cgroup_read(struct cgroup *cgroup);
/* Removes the leaf; what is still in it is killed first. */
void cgroup_done(struct cgroup *cgroup);
/* Removes leaves of runs that are dead; the number of them. */
int cgroup_sweep(void);

#endif
