// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_RATE_H
#define SBX_RATE_H

#include "err.h"
#include "json.h"

#include <stdbool.h>
#include <stdint.h>

struct config;

/*
 * Rates and daily budgets of a user, in <state>/rates/<user>: one small file, read, changed and
 * written in one piece under flock(2). Whole numbers only, so no process gets one more than the
 * limit, whatever their number. now_ms is ms since 1970; a clock that is set back gives nothing and
 * takes nothing.
 */

/*
 * Takes one token of the user's bucket for a verb: config->rate_burst tokens, of which
 * config->rate_per_minute come back each minute (0: no limit). ERR_RATE with retry_ms, the exact
 * time until the next token, when there is none.
 */
int rate_take(int state, const struct config *config, const char *user, const char *verb,
	      int64_t now_ms, struct err *err);

struct budget {
	int64_t runs, cpu_ms, bytes; /* used on this day (UTC) */
};

/*
 * Counts a run of today, unless runs, CPU time or bytes of the day are used up: then ERR_RATE with
 * retry_ms until midnight UTC. Checked and counted under one lock.
 */
int budget_take(int state, const struct config *config, const char *user, int64_t now_ms,
		struct err *err);
/* ERR_RATE when `bytes` more would go beyond the bytes of the day; counts nothing. */
int budget_check(int state, const struct config *config, const char *user, int64_t bytes,
		 int64_t now_ms, struct err *err);
/* Adds what was used. Also without any limit, since the dashboard shows it. */
int budget_charge(int state, const char *user, const struct budget *used, int64_t now_ms,
		  struct err *err);
int budget_get(int state, const char *user, int64_t now_ms, struct budget *ret, struct err *err);
/* All users of today: [{"user","runs","cpu_ms","bytes"}], most CPU time first, at most limit. */
json_t *budget_list(int state, int64_t now_ms, size_t limit, struct err *err);
/* Forgets a user's rates and budgets. */
int rate_erase(int state, const char *user, struct err *err);

#endif
