// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_WATCH_H
#define SBX_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* One look at everything inside, through the jail's own /proc: the host's processes cost nothing. */
struct watch {
	int proc, scratch, cgroup; /* descriptors, -1: not there */
	int root; /* 0: proc is the jail's own; else process 1 as proc, ours, numbers it */
	int64_t memory_bytes; /* anonymous memory of all, shared memory, the scratch space */
	int64_t cpu_us; /* of all, the ended ones included */
	int64_t tasks; /* threads, process 1 not counted */
	int64_t scratch_bytes, scratch_files;
	bool is_scratch_full;
	/* CPU time that nobody inherited: see add_lost() */
	int64_t lost_us;
	int looks_low;
};

/* Fills the counts of the scratch space alone. */
void watch_scratch(struct watch *watch);
/* Fills the counts; 0, or -1 when nothing could be read. */
int watch_look(struct watch *watch);

#endif
