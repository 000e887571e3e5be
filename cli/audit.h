// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_AUDIT_H
#define SBX_AUDIT_H

#include "err.h"
#include "json.h"

#include <stdbool.h>
#include <stdint.h>

struct config;

/*
 * The audit log: JSON Lines in <state>/audit. `audit.jsonl` is written to, the rotated files are
 * `audit-<first seq>.jsonl`, `head` says where the chain ends. A line is
 *
 *   {"seq":N,"createdAt":T,"updatedAt":T,"action":A,"status":S,"execution":{...},"chain":{...},
 *    "privateHash":H1,"prev":H0,"hash":H2,"salt":R,"userId":U,"sessionId":...,"ip":...,
 *    "userAgent":...,"details":{...},"file":{...},"error":...}
 *
 * H2 is the SHA-256 of the bytes before `,"hash":"`, so it covers H0, the hash of the record
 * before, and H1, the SHA-256 of the bytes from `"salt"` up to the closing brace. Erasing a person
 * blanks what stands behind H2 (`"erased":true` and spaces): the chain still verifies, and the
 * random salt keeps H1 from being guessed. All is written as ASCII, so no name can end a line.
 *
 * Records of the log itself: audit.torn (an unfinished line was moved to a file), audit.lost (the
 * log was shorter than its head said), audit.rebuilt (the head was absent), audit.expired (old
 * files were removed), audit.erased (records of a person are blanked). Without keys this shows a change
 * by whoever does not rewrite all that follows; against those, keep a head elsewhere (`expect`).
 */

enum { AUDIT_LINE_MAX = 64 << 10 };

/*
 * Appends one record; action and status are needed, the other members named above are taken when
 * they are there, and anything else is left out. The record is consumed, also on failure. Nothing
 * happens and 0 is given when config->audit is off. ERR_STORAGE leaves the log as it was.
 */
int audit_append(int state, const struct config *config, json_t *record, struct err *err);

/* Which records are wanted: NULL and 0 are "any". */
struct audit_filter {
	const char *user, *session, *action, *status;
	int64_t since_ms; /* ms since 1970 */
	int64_t limit; /* the newest so many; audit_list only */
	int64_t after; /* only records with a greater number */
};

/* Called for each record, which stays the caller's; a result below 0 ends the walk with that. */
typedef int audit_each(json_t *record, void *arg);

/* The newest records that fit, in order of time, as an array of its own. */
int audit_list(int state, const struct audit_filter *filter, json_t **ret, struct err *err);
/* All records that fit, in order of time, in constant memory. each() fills err itself. */
int audit_walk(int state, const struct audit_filter *filter, audit_each *each, void *arg,
	       struct err *err);

/*
 * Where a follower stands; start with { .fd = -1 }, or with { .fd = -1, .is_from = true, .seq = N }
 * to get all behind record N first, and end with audit_cursor_done().
 */
struct audit_cursor {
	int fd;
	bool is_from;
	int64_t offset;
	uint64_t seq;
};
/*
 * Gives what was appended since the last call, however often the log was rotated meanwhile; the
 * first call only finds the end, without is_from. Never waits.
 */
int audit_follow(int state, struct audit_cursor *cursor, const struct audit_filter *filter,
		 audit_each *each, void *arg, struct err *err);
void audit_cursor_done(struct audit_cursor *cursor);

/* What a verification found. Where it is broken, file, line, seq and why say so. */
struct audit_verdict {
	bool is_broken;
	uint64_t records, first_seq, last_seq, erased, lost;
	int64_t files, bytes;
	char hash[65]; /* of the last record */
	char file[64], why[160];
	uint64_t line, seq; /* of the first broken record, counted from 1 */
	char torn_file[64]; /* "": no unfinished line at the end */
	int64_t torn_offset, torn_bytes;
	bool is_expected; /* the expected record was met */
};
/*
 * Checks the whole chain while others go on appending. expect is NULL or "SEQ:HASH" noted earlier:
 * that record must still be there. 0 with *ret filled, also when it is broken; -1: it could not be
 * read.
 */
int audit_verify(int state, const char *expect, struct audit_verdict *ret, struct err *err);
/* The verdict as members of an answer. */
json_t *audit_verdict_json(const struct audit_verdict *verdict);

/*
 * Closes the current file when it is older than a tenth of config->audit_ttl_days, at least a day,
 * and removes whole rotated files: those whose newest record is older than config->audit_ttl_days
 * (0: never), and the oldest beyond config->audit_keep of them (0: all stay). Signed off by a
 * record before anything goes. *ret_files may be NULL.
 */
int audit_expire(int state, const struct config *config, int64_t now_ms, int64_t *ret_files,
		 struct err *err);
/* Blanks the private part of all records of a user; the chain still verifies. Repeatable. */
int audit_erase(int state, const struct config *config, const char *user, int64_t *ret_records,
		struct err *err);

/*
 * Gives the lines of a file that end before offset `end`, the last one first, without their line
 * end, in memory bounded by the longest line (1 MiB; a longer one is skipped). What stands behind
 * the last line end is given too. each() ends the walk with a result other than 0, which is given
 * back; -1 with errno when reading fails.
 */
typedef int line_each(const char *line, size_t len, void *arg);
int audit_lines_back(int fd, int64_t end, line_each *each, void *arg);

#endif
