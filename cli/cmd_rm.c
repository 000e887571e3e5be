// SPDX-License-Identifier: Apache-2.0
/* rm: files out of the next revision, a whole session, everything of a user. */
#include "audit.h"
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "history.h"
#include "io.h"
#include "rate.h"
#include "verb.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct request {
	VERB_MEMBERS;
	char *session;
	char **files;
	bool whole_session, whole_user, force;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, session, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, files, .kind = JSON_KIND_STRINGS, .max = 10000),
	JSON_FIELD(request, whole_session, .kind = JSON_KIND_BOOL),
	JSON_FIELD(request, whole_user, .kind = JSON_KIND_BOOL),
	JSON_FIELD(request, force, .kind = JSON_KIND_BOOL),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

/* All of them or none: one that is not there leaves everything as it was. */
static int remove_files(struct call *call, struct session *session, const struct request *r,
			json_t **ret, struct err *err)
{
	struct revision rev = { 0 };
	json_t *removed = json_array();
	size_t i;
	int done = session_lock(session, err);

	if (done == 0)
		done = revision_load(session, 0, &rev, err);
	for (i = 0; done == 0 && r->files[i]; i++) {
		struct entry *e = revision_find(&rev, r->files[i]);

		if (!e) {
			(void)err_set(err, ERR_NOT_FOUND, "no such file");
			done = err_at(err, "/files/%zu", i);
			break;
		}
		(void)json_array_append_new(removed,
					    json_pack("{s:o,s:s}", "id", id_json(call, e->id),
						      "name", e->name));
		revision_remove(&rev, (size_t)(e - rev.entries));
	}
	if (done == 0)
		done = revision_commit(session, &rev, "rm", NULL, err);
	if (done == 0)
		*ret = json_pack("{s:s,s:o,s:I,s:O}", "user", session->user, "session",
				 id_json(call, session->id), "revision", (json_int_t)rev.number,
				 "removed", removed);
	json_decref(removed);
	revision_done(&rev);
	return done;
}

static bool has_limits(const struct config *c)
{
	return c->rate_per_minute || c->day_runs || c->day_cpu_ms || c->day_bytes;
}

/*
 * Who was never seen here and who has no files: the history and the audit log tell them apart. Rates
 * and budgets stay for their minute and their day, or a removal would be a way around them.
 */
static int remove_traces(struct call *call, int state, bool *ret_any, int64_t *ret_records,
			 struct err *err)
{
	AUTO_FD int last = io_open_dir(state, "last");
	char path[80];

	(void)snprintf(path, sizeof(path), "history/%.64s", call->user);
	*ret_any = faccessat(state, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (last >= 0)
		(void)unlinkat(last, call->user, 0);
	if (history_erase(state, call->user, err) < 0 ||
	    audit_erase(state, call->config, call->user, ret_records, err) < 0)
		return -1;
	*ret_any = *ret_any || *ret_records > 0;
	/* where there are limits the counters stay: who removes oneself does not begin anew */
	return has_limits(call->config) ? 0 : rate_erase(state, call->user, err);
}

static int remove_user(struct call *call, json_t **ret, struct err *err)
{
	int64_t sessions = 0, records = 0;
	int state = call_state(call, err);
	struct err absent = { 0 };
	bool is_known = false;

	if (state < 0)
		return -1;
	if (user_erase(call, call->user, &sessions, &absent) < 0 && absent.code != ERR_NOT_FOUND) {
		*err = absent;
		return -1;
	}
	if (remove_traces(call, state, &is_known, &records, err) < 0)
		return -1;
	if (absent.code && !is_known) {
		*err = absent;
		return -1;
	}
	call->is_erased = true;
	*ret = json_pack("{s:s,s:I,s:I}", "user", call->user, "sessions_removed",
			 (json_int_t)sessions, "audit_records_blanked", (json_int_t)records);
	return 0;
}

static int remove_in_session(struct call *call, const struct request *r, json_t **ret,
			     struct err *err)
{
	struct session session = { .dir = -1, .user_dir = -1 };
	int done;

	if (session_of_request(call, r->session, false, &session, err) < 0)
		return -1;
	if (r->whole_session) {
		done = session_erase(call, &session, r->force, err);
		if (done == 0)
			*ret = json_pack("{s:s,s:o,s:b}", "user", session.user, "session",
					 id_json(call, session.id), "removed", 1);
	} else {
		done = remove_files(call, &session, r, ret, err);
	}
	session_done(&session);
	return done;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	int done = json_decode(request, fields, FIELD_COUNT, &r, "", err);
	int what = !!(r.files && r.files[0]) + r.whole_session + r.whole_user;

	if (done == 0 && what != 1)
		done = call->is_request ? (err_set(err, ERR_REQUEST,
						   "either files, or whole_session, or whole_user"),
					   err_at(err, "/files")) :
					  err_set(err, ERR_USAGE,
						  "either files, or --session-all, or --user-all");
	if (done == 0 && r.whole_user && !json_object_get(request, "user"))
		done = call->is_request ?
			       (err_set(err, ERR_REQUEST, "the user to remove is needed"),
				err_at(err, "/user")) :
			       err_set(err, ERR_USAGE, "--user-all needs -u USER");
	if (done == 0)
		done = r.whole_user ? remove_user(call, ret, err) :
				      remove_in_session(call, &r, ret, err);
	json_release(fields, FIELD_COUNT, &r);
	return done;
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 0, "session-all", "whole_session", OPTION_FLAG, NULL, "the whole session" },
	{ 0, "user-all", "whole_user", OPTION_FLAG, NULL,
	  "all sessions and the history of the user given with -u" },
	{ 0, "force", "force", OPTION_FLAG, NULL, "even while a run is going on in the session" },
	{ 0 },
};

const struct verb verb_rm = {
	.name = "rm",
	.operands = "[ID|NAME...]",
	.operand_member = "files",
	.summary = "remove files, a session, a user",
	.options = options,
	.run = run,
};
