// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_HISTORY_H
#define SBX_HISTORY_H

#include "err.h"
#include "json.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Receipts of past runs: <state>/history/<user>/YYYY-MM.jsonl, one object a line, newest last. Each
 * begins with "time" (RFC 3339, UTC, set here), so that a month can be read from its end. A line
 * that a killed writer left unfinished is ended by the next one and skipped by readers.
 */

/* Appends a receipt; it stays the caller's. It should have "exec_id", "session" and "status". */
int history_add(int state, const char *user, json_t *receipt, struct err *err);

struct history_filter {
	const char *session, *status; /* NULL: any */
	int64_t since_ms; /* ms since 1970; 0: any */
	int64_t limit; /* 0: all */
};

/* The newest that fit, newest first, as an array of its own. */
int history_list(int state, const char *user, const struct history_filter *filter, json_t **ret,
		 struct err *err);
/* The receipt of one run; ERR_NOT_FOUND, also for a run of somebody else. */
int history_find(int state, const char *user, const char *exec_id, json_t **ret, struct err *err);
/* Removes all of a user. */
int history_erase(int state, const char *user, struct err *err);

/*
 * Removes the months whose last day is older than days (0: none), of all users; with dry_run they
 * are only counted. *ret_months gets their number.
 */
int history_expire(int state, int64_t days, int64_t now_ms, bool dry_run, int64_t *ret_months,
		   struct err *err);

#endif
