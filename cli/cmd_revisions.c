// SPDX-License-Identifier: Apache-2.0
/* diff, undo, fork: what revisions are good for. */
#include "cleanup.h"
#include "exec.h"
#include "verb.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct request {
	VERB_MEMBERS;
	char *session;
	int64_t from, to, revision;
};

static const struct json_field diff_fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, session, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, from, .kind = JSON_KIND_INT, .min = 0, .max = INT64_MAX),
	JSON_FIELD(request, to, .kind = JSON_KIND_INT, .min = 1, .max = INT64_MAX),
};
static const struct json_field session_fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, session, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, revision, .kind = JSON_KIND_INT, .min = 1, .max = INT64_MAX),
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void add_change(struct call *call, json_t *list, const struct entry *e, const char *change,
		       const struct entry *old)
{
	json_t *v = json_pack("{s:o,s:s,s:s,s:I}", "id", id_json(call, e->id), "name", e->name,
			      "change", change, "size", (json_int_t)e->size);

	if (old)
		(void)json_object_set_new(v, "from", id_json(call, old->id));
	(void)json_array_append_new(list, v);
}

static json_t *compare(struct call *call, const struct revision *a, const struct revision *b)
{
	json_t *list = json_array();
	size_t i = 0, k = 0;

	while (i < a->count || k < b->count) {
		const struct entry *x = i < a->count ? &a->entries[i] : NULL;
		const struct entry *y = k < b->count ? &b->entries[k] : NULL;
		int order = !x ? 1 : !y ? -1 : strcmp(x->name, y->name);

		if (order < 0) {
			add_change(call, list, x, "deleted", NULL);
			i++;
		} else if (order > 0) {
			add_change(call, list, y, "created", NULL);
			k++;
		} else {
			if (strcmp(x->sha256, y->sha256) != 0)
				add_change(call, list, y, "modified", x);
			i++;
			k++;
		}
	}
	return list;
}

static int diff_session(struct call *call, struct session *session, const struct request *r,
			bool has_from, json_t **ret, struct err *err)
{
	struct revision a = { 0 }, b = { 0 };
	int64_t from;
	int done = revision_load(session, r->to, &b, err);

	from = has_from ? r->from : b.number - 1;
	if (done == 0 && from > 0) /* revision 0 is the empty session */
		done = revision_load(session, from, &a, err);
	if (done == 0)
		*ret = json_pack("{s:o,s:I,s:I,s:o}", "session", id_json(call, session->id), "from",
				 (json_int_t)(from < 0 ? 0 : from), "to", (json_int_t)b.number,
				 "files", compare(call, &a, &b));
	revision_done(&a);
	revision_done(&b);
	return done;
}

static int run_diff(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct session session = { .dir = -1, .user_dir = -1 };
	struct request r = { 0 };
	int done = json_decode(request, diff_fields, COUNT(diff_fields), &r, "", err);

	if (done == 0)
		done = session_of_request(call, r.session, false, &session, err);
	if (done == 0)
		done = diff_session(call, &session, &r, json_object_get(request, "from") != NULL,
				    ret, err);
	session_done(&session);
	json_release(diff_fields, COUNT(diff_fields), &r);
	return done;
}

static void show_diff(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	(void)call;
	json_array_foreach(json_object_get(answer, "files"), i, v) {
		const char *change = json_string_value(json_object_get(v, "change"));

		(void)fprintf(out, "%c %s\n",
			      *change == 'c' ? '+' :
			      *change == 'd' ? '-' :
					       '~',
			      json_string_value(json_object_get(v, "name")));
	}
}

/*
 * The content of an older revision becomes a new one: undo itself can be undone, and nothing is
 * lost. Without a number it is the revision before the newest.
 */
static int undo(struct call *call, struct session *session, int64_t to, json_t **ret,
		struct err *err)
{
	struct revision r = { 0 };
	int64_t newest;
	int done = session_lock(session, err);

	newest = revision_newest(session);
	if (done == 0 && newest < 1)
		done = err_set(err, ERR_NOT_FOUND, "there is nothing to undo");
	if (done == 0 && to > newest)
		done = err_set(err, ERR_NOT_FOUND, "no such revision");
	if (done == 0 && (to ? to : newest - 1) > 0)
		done = revision_load(session, to ? to : newest - 1, &r, err);
	if (done == 0)
		done = revision_commit(session, &r, "undo", NULL, err);
	if (done == 0)
		*ret = json_pack("{s:o,s:I,s:I,s:I}", "session", id_json(call, session->id),
				 "revision", (json_int_t)r.number, "restored",
				 (json_int_t)(to ? to : newest - 1), "files", (json_int_t)r.count);
	revision_done(&r);
	return done;
}

static int run_undo(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct session session = { .dir = -1, .user_dir = -1 };
	struct request r = { 0 };
	int done = json_decode(request, session_fields, COUNT(session_fields), &r, "", err);

	if (done == 0)
		done = session_of_request(call, r.session, false, &session, err);
	if (done == 0)
		done = undo(call, &session, r.revision, ret, err);
	session_done(&session);
	json_release(session_fields, COUNT(session_fields), &r);
	return done;
}

/* Each stored file gets a hard link and an id of its own in the new session: no byte is copied. */
static int fork_entry(const struct session *from, const struct session *to, struct entry *e,
		      struct err *err)
{
	AUTO_FD int fd = entry_open(from, e, err);
	struct blob blob = { .fd = fd, .size = e->size };

	if (fd < 0)
		return -1;
	memcpy(blob.sha256, e->sha256, sizeof(blob.sha256));
	return blob_keep(to, &blob, e, err);
}

static int fork_into(struct session *from, struct session *to, int64_t number, struct revision *r,
		     struct err *err)
{
	size_t i;

	if (revision_load(from, number, r, err) < 0)
		return -1;
	for (i = 0; i < r->count; i++)
		if (fork_entry(from, to, &r->entries[i], err) < 0)
			return -1;
	if (session_lock(to, err) < 0)
		return -1;
	return revision_commit(to, r, "fork", NULL, err);
}

static int run_fork(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct session from = { .dir = -1, .user_dir = -1 }, to = { .dir = -1, .user_dir = -1 };
	struct revision rev = { 0 };
	struct request r = { 0 };
	int done = json_decode(request, session_fields, COUNT(session_fields), &r, "", err);

	if (done == 0)
		done = session_of_request(call, r.session, false, &from, err);
	if (done == 0)
		done = session_make(call, call->user, &to, err);
	if (done == 0)
		done = fork_into(&from, &to, r.revision, &rev, err);
	if (done == 0)
		*ret = json_pack("{s:o,s:I,s:o,s:I}", "session", id_json(call, to.id), "revision",
				 (json_int_t)rev.number, "from", id_json(call, from.id), "files",
				 (json_int_t)rev.count);
	else if (to.dir >= 0)
		(void)session_erase(call, &to, true, NULL);
	revision_done(&rev);
	session_done(&to);
	session_done(&from);
	json_release(session_fields, COUNT(session_fields), &r);
	return done;
}

static void show_session(const struct call *call, json_t *answer, FILE *out)
{
	(void)call;
	(void)fprintf(out, "%s  r%lld\n", json_string_value(json_object_get(answer, "session")),
		      json_integer_value(json_object_get(answer, "revision")));
}

static const struct option_row diff_options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 0, "from", "from", OPTION_INT, "N", "the older revision (default: the one before)" },
	{ 0, "to", "to", OPTION_INT, "N", "the newer revision (default: the newest)" },
	{ 0 },
};
static const struct option_row undo_options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 'r', "revision", "revision", OPTION_INT, "N",
	  "the revision to bring back (default: the one before)" },
	{ 0 },
};
static const struct option_row fork_options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 'r', "revision", "revision", OPTION_INT, "N",
	  "the revision to start from (default: the newest)" },
	{ 0 },
};

const struct verb verb_diff = { .name = "diff",
				.summary = "what changed between two revisions",
				.options = diff_options,
				.run = run_diff,
				.show = show_diff };
const struct verb verb_undo = { .name = "undo",
				.summary = "bring back an older revision as a new one",
				.options = undo_options,
				.run = run_undo,
				.show = show_session };
const struct verb verb_fork = { .name = "fork",
				.summary = "start a new session from a revision",
				.options = fork_options,
				.run = run_fork,
				.show = show_session };
