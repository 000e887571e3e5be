// SPDX-License-Identifier: Apache-2.0
/* Which files a run sees: the whole revision, or exactly those that the request lists. */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "names.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILES_MAX = 20000, BACK_MAX = 1000 };

struct wanted {
	char *id, *name, *user, *session;
	bool read_only;
};

static const struct json_field wanted_fields[] = {
	JSON_FIELD(wanted, id, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(wanted, name, .kind = JSON_KIND_STRING, .min = 1, .max = NAME_BYTES),
	JSON_FIELD(wanted, user, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(wanted, session, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(wanted, read_only, .kind = JSON_KIND_BOOL),
};
enum { WANTED_COUNT = sizeof(wanted_fields) / sizeof(wanted_fields[0]) };

int entry_by_id(const struct session *session, const char *id, struct entry *ret, struct err *err)
{
	int64_t newest = revision_newest(session), n;
	char op[16] = "";

	for (n = newest; n > 0 && n > newest - BACK_MAX; n--) {
		struct revision r;
		struct entry *e;
		int done;

		if (revision_load(session, n, &r, err) < 0)
			return -1;
		e = revision_find(&r, id);
		/* out of the next revision by "rm": removed; by a run: an older state of a name */
		done = !e ? 1 : !strcmp(op, "rm") ? -1 : entry_copy(ret, e);
		(void)snprintf(op, sizeof(op), "%s", r.op);
		revision_done(&r);
		if (done == 0)
			return 0;
		if (done < 0)
			break;
	}
	return err_set(err, ERR_NOT_FOUND, "no such file");
}

static bool may_speak_for(const struct call *call, const char *user)
{
	const struct passwd *pw;
	size_t i;

	if (!strcmp(user, call->user))
		return true;
	pw = getpwuid(getuid());
	for (i = 0; call->config->trusted && call->config->trusted[i]; i++)
		if (!strcmp(call->config->trusted[i], "*") ||
		    (pw && !strcmp(call->config->trusted[i], pw->pw_name)))
			return true;
	return false;
}

/* The open session of that user and id, opened once. NULL with err. */
static struct session *other_session(struct exec *x, const char *user, const char *id,
				     struct err *err)
{
	struct session *more;
	size_t i;

	if (!strcmp(user, x->session.user) && !strcmp(id, x->session.id))
		return &x->session;
	for (i = 0; i < x->other_count; i++)
		if (!strcmp(user, x->others[i].user) && !strcmp(id, x->others[i].id))
			return &x->others[i];
	if (!x->others) /* one for each file at most, so it never moves: pointers into it are held */
		x->others = calloc(json_array_size(x->request->files) + 1, sizeof(*x->others));
	more = x->others ? &x->others[x->other_count] : NULL;
	if (!more || session_open(x->call, user, id, more, err) < 0)
		return NULL;
	x->other_count++;
	return more;
}

static int find_by_id(struct exec *x, const struct wanted *w, struct input *ret, struct err *err)
{
	char user[65], session[ID_SIZE];

	if (index_find(x->call, w->id, user, session, err) < 0)
		return -1;
	/* somebody else's file is as if it were not there */
	if (!may_speak_for(x->call, user) || (w->user && strcmp(w->user, user) != 0))
		return err_set(err, ERR_NOT_FOUND, "no such file");
	ret->from = other_session(x, user, session, err);
	return ret->from ? entry_by_id(ret->from, w->id, &ret->entry, err) : -1;
}

static int find_by_name(struct exec *x, const struct wanted *w, struct input *ret, struct err *err)
{
	struct revision r;
	struct entry *e;
	int done;

	ret->from = &x->session;
	if (revision_load(&x->session, 0, &r, err) < 0)
		return -1;
	e = revision_find_name(&r, w->name);
	done = e ? entry_copy(&ret->entry, e) : err_set(err, ERR_NOT_FOUND, "no file of that name");
	revision_done(&r);
	return done;
}

static int find(struct exec *x, const struct wanted *w, struct input *ret, struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	if (!w->id && !w->name)
		return err_set(err, ERR_REQUEST, "an id or a name is needed");
	if ((w->id ? find_by_id(x, w, ret, err) : find_by_name(x, w, ret, err)) < 0)
		return -1;
	if (w->id && w->name) {
		const char *fault = name_fault(w->name, strlen(w->name));

		if (fault) {
			entry_done(&ret->entry);
			return err_set(err, ERR_REQUEST, "%s", fault);
		}
		free(ret->entry.name);
		ret->entry.name = strdup(w->name);
	}
	ret->read_only = w->read_only || ret->entry.read_only;
	return ret->entry.name ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
}

static int decode_wanted(json_t *v, const char *at, struct wanted *ret, struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	if (json_is_object(v))
		return json_decode(v, wanted_fields, WANTED_COUNT, ret, at, err);
	if (json_is_string(v) && json_string_length(v) > 0 && json_string_length(v) <= NAME_BYTES &&
	    strlen(json_string_value(v)) == json_string_length(v)) {
		char **slot = id_is(json_string_value(v)) ? &ret->id : &ret->name;

		*slot = strdup(json_string_value(v));
		return *slot ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
	}
	(void)err_set(err, ERR_REQUEST, "must be an id, a name or an object");
	return err_at(err, "%s", at);
}

/* Puts one in; what it cannot stand beside (same name, or one a directory of the other) goes. */
static void put(struct input *list, size_t *count, const struct input *in)
{
	size_t len = strlen(in->entry.name), i, n = 0;

	for (i = 0; i < *count; i++) {
		const char *have = list[i].entry.name;
		size_t have_len = strlen(have);
		bool clash = !strcmp(have, in->entry.name) ||
			     (have_len > len && !strncmp(have, in->entry.name, len) &&
			      have[len] == '/') ||
			     (len > have_len && !strncmp(have, in->entry.name, have_len) &&
			      in->entry.name[have_len] == '/');

		if (clash)
			entry_done(&list[i].entry);
		else
			list[n++] = list[i];
	}
	list[n++] = *in;
	*count = n;
}

static int listed(struct exec *x, struct input *list, size_t *count, struct err *err)
{
	bool skip = x->request->missing && !strcmp(x->request->missing, "skip");
	json_t *v;
	size_t i;

	json_array_foreach(x->request->files, i, v) {
		struct wanted w;
		struct input in;
		char at[48];
		int done;

		(void)snprintf(at, sizeof(at), "/files/%zu", i);
		done = decode_wanted(v, at, &w, err);
		if (done == 0)
			done = find(x, &w, &in, err);
		if (done == 0)
			put(list, count, &in);
		else if (skip && err->code == ERR_NOT_FOUND) {
			const char *what = w.name ? w.name : w.id;

			(void)json_array_append_new(x->skipped,
						    json_pack("{s:o,s:s}", "name",
							      json_text(what, strlen(what)),
							      "reason", "not found"));
			done = 0;
		}
		json_release(wanted_fields, WANTED_COUNT, &w);
		if (done < 0)
			return err_at(err, "%s", at);
	}
	return 0;
}

static int whole(struct exec *x, struct input **ret, size_t *count, struct err *err)
{
	struct revision r;

	if (revision_load(&x->session, 0, &r, err) < 0)
		return -1;
	x->base_revision = r.number;
	*ret = stage_inputs(&x->session, &r);
	*count = *ret ? r.count : 0;
	revision_done(&r);
	return *ret ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
}

int exec_inputs(struct exec *x, struct input **ret, size_t *ret_count, struct err *err)
{
	json_t *files = x->request->files;
	size_t i;

	*ret = NULL;
	*ret_count = 0;
	if (!files)
		return whole(x, ret, ret_count, err);
	x->base_revision = revision_newest(&x->session);
	if (!json_is_array(files) || json_array_size(files) > FILES_MAX) {
		(void)err_set(err, ERR_REQUEST, "must be a list of at most %d files", FILES_MAX);
		return err_at(err, "/files");
	}
	*ret = calloc(json_array_size(files) + 1, sizeof(**ret));
	if (!*ret)
		return err_sys(err, ERR_INTERNAL, "allocate");
	if (listed(x, *ret, ret_count, err) == 0)
		return 0;
	for (i = 0; i < *ret_count; i++)
		entry_done(&(*ret)[i].entry);
	free(*ret);
	*ret = NULL;
	return -1;
}
