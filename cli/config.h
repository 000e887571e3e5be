// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_CONFIG_H
#define SBX_CONFIG_H

#include "err.h"
#include "json.h"

/*
 * The effective settings: built in, then configuration files, then the environment. Each member's
 * origin is kept for `sbx config`. A setting of 0 means "no limit" where its comment says so.
 */
struct config {
	char *storage, *state; /* absolute directories */
	char *profile; /* of a request that names none */
	char *run_as; /* the user that root becomes */
	char *cgroup; /* "required", "auto" or "off" */
	char *proc; /* "fresh", or "empty" where an outer container forbids one */
	char *workspace; /* "overlay", or "auto": copies where there is no overlay */
	char *libexec, *profiles; /* where sbx-jail, and the profiles, are */
	char *images; /* root file systems made by `sbx image` */
	char *layers; /* libraries added by `sbx libs add` */
	char **require; /* layers that every run must have */
	char **trusted; /* login names that may speak for any user, "*": anyone */
	char **extensions; /* of files that may be uploaded; NULL: all */
	bool fsync; /* what is acknowledged is on the disk */
	bool user_object_id; /* user names must be 24 hex digits */
	bool keep_code; /* history keeps the code, not only its hash */
	bool audit; /* every operation is recorded */
	int64_t upload_bytes; /* of one file */
	int64_t session_bytes, session_files, user_bytes, user_sessions; /* quotas */
	int64_t session_ttl_ms; /* gc removes a session unused for so long; 0: never */
	int64_t storage_bytes; /* gc keeps the whole store below; 0: no limit */
	int64_t pressure_percent; /* memory in use above which a run waits; 0: never */
	int64_t slots_user, slots_total, wait_ms, queue;
	int64_t rate_per_minute, rate_burst; /* per user and verb; 0: no limit */
	int64_t day_runs, day_cpu_ms, day_bytes; /* budgets of a user; 0: no limit */
	int64_t audit_bytes, audit_keep, audit_ttl_days;
	int64_t history_ttl_days; /* gc removes older months; 0: never */
	char *metrics_prefix;
	char **alert_command; /* argv, started when isolation fails or the audit chain breaks */
	json_t *origins; /* member -> where its value comes from */
};

int config_load(struct config *ret, struct err *err);
void config_done(struct config *config);
/* All settings with values and origins, as `sbx config` shows them. */
json_t *config_json(const struct config *config);

#endif
