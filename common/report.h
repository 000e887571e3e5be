// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_REPORT_H
#define SBX_REPORT_H

#include "err.h"

#include <stdint.h>

/* Why the command ended. What we killed for comes before how it died. */
enum report_end {
	REPORT_EXITED, /* code: its exit status */
	REPORT_SIGNAL, /* code: the signal */
	REPORT_COMPILE, /* the compiler failed; code: its exit status */
	REPORT_WALL, /* killed: the clock */
	REPORT_CPU, /* killed: CPU time */
	REPORT_MEMORY, /* killed: memory, by the watchdog or the kernel */
	REPORT_PROCESSES, /* killed: more tasks than allowed (watchdog only) */
	REPORT_OUTPUT, /* killed: sbx asked for it, far too much output */
	REPORT_KILLED, /* killed: sbx asked for it or is gone */
	REPORT_END_COUNT
};

enum { REPORT_BLOCKED_MAX = 32, REPORT_TARGET_MAX = 160 };

/* A denied attempt: a call by name, what it was aimed at, the errno it got. */
struct report_blocked {
	char op[32];
	char target[REPORT_TARGET_MAX];
	int sys;
	int64_t count;
};

/*
 * What sbx-jail answers, written as plain bytes (both are of one build: size and magic are checked)
 * and never shaped by jailed code except for the bounded strings of blocked[].
 */
struct report {
	uint32_t magic, size;
	struct err err; /* code set: no program ran, or its end is not known */
	char stage[24]; /* the stage that failed, or "" */
	enum report_end end;
	int code;
	int64_t start_us, jail_us, run_us, compile_us, collect_us;
	int64_t cpu_us, memory_peak, processes_peak, scratch_bytes, scratch_files;
	int is_memory_exact; /* memory_peak is the kernel's count, not a sample */
	int is_scratch_full, is_process_refused, is_memory_refused;
	/* read back from inside the jail, after the last stage */
	int landlock_abi, seccomp_mode, no_new_privs, caps_held, groups, namespaces, dumpable_init;
	int overlay, proc_fresh, notify, keyring, cgroup;
	int64_t limit_nproc, limit_nofile, limit_fsize, limit_cpu, limit_core;
	int64_t blocked_total;
	int blocked_count;
	struct report_blocked blocked[REPORT_BLOCKED_MAX];
};

#define REPORT_MAGIC 0x73627852u

int report_write(int fd, const struct report *report);
/* Reads to end of file and checks; ERR_INTERNAL when it is not whole. */
int report_read(int fd, struct report *ret, struct err *err);

#endif
