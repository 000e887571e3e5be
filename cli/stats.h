// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_STATS_H
#define SBX_STATS_H

#include "err.h"
#include "json.h"

#include <stdint.h>
#include <stdio.h>

/*
 * Counters in one mapped file of fixed layout, <state>/stats.bin, added to without a lock: what is
 * read may be one update behind in one member, never wrong for good. A file of another layout is
 * renamed to stats-old.bin. Counting never stops an operation: callers may ignore a failure.
 */

enum stats_counter {
	STATS_UPLOADS, /* files */
	STATS_UPLOAD_BYTES,
	STATS_DOWNLOADS, /* files */
	STATS_DOWNLOAD_BYTES,
	STATS_AUTH_FAILED, /* requests without a right key, told by the adapter */
	STATS_RATE_REFUSED, /* counted by stats_error() */
	STATS_BUSY_REFUSED, /* counted by stats_error() */
	STATS_QUOTA_REFUSED, /* counted by stats_error() */
	STATS_POLICY_REFUSED, /* counted by stats_error() */
	STATS_ISOLATION_FAILED, /* counted by stats_error() */
	STATS_AUDIT_BROKEN, /* a verification found the chain broken */
	STATS_COUNTERS
};

/* A run that took place, however it ended. Strings are words of the answer; NULL: unknown. */
struct stats_run {
	const char *status; /* "success", "timeout", ... */
	const char *lang, *isolation;
	const char *const *limits_hit; /* ends with NULL; may be NULL */
	int64_t wall_ms, cpu_ms, wait_ms;
	int64_t memory_bytes; /* peak; 0: not measured */
	int64_t blocked; /* denied operations */
};

int stats_run_add(int state, const struct stats_run *run, struct err *err);
int stats_count(int state, enum stats_counter counter, int64_t n, struct err *err);
/* An operation that failed: by its code, and in the counter of refusals that belongs to it. */
int stats_error(int state, enum err_code code, struct err *err);

/* All counters, an object of the caller's; NULL on failure. "minutes" has the last two hours. */
json_t *stats_json(int state, struct err *err);
/* Prometheus text; prefix NULL: "sbx_". Labels are [A-Za-z0-9_.+#-] only. */
int stats_prometheus(int state, FILE *out, const char *prefix, struct err *err);
/* One gauge in the same form, for what is not a counter: running, waiting. */
void stats_gauge(FILE *out, const char *prefix, const char *name, const char *help, int64_t value);

#endif
