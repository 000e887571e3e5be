// SPDX-License-Identifier: Apache-2.0
/* ls, sessions, stat: what there is. */
#include "cleanup.h"
#include "exec.h"
#include "io.h"
#include "listing.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct request {
	VERB_MEMBERS;
	char *session, *id;
	char **operands;
	int64_t revision;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, session, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, revision, .kind = JSON_KIND_INT, .min = 1, .max = INT64_MAX),
};
static const struct json_field session_fields[] = { VERB_FIELDS(request) };
static const struct json_field stat_fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, id, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS, .max = 1),
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int run_ls(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct session session = { .dir = -1, .user_dir = -1 };
	struct request r = { 0 };
	struct revision rev = { 0 };
	int done = -1;
	size_t i;

	if (json_decode(request, fields, COUNT(fields), &r, "", err) == 0 &&
	    session_of_request(call, r.session, false, &session, err) == 0 &&
	    revision_load(&session, r.revision, &rev, err) == 0) {
		json_t *list = json_array();

		for (i = 0; i < rev.count; i++)
			(void)json_array_append_new(list, listing_entry(call, &rev.entries[i]));
		*ret = json_pack("{s:s,s:o,s:I,s:o}", "user", session.user, "session",
				 id_json(call, session.id), "revision", (json_int_t)rev.number,
				 "files", list);
		done = 0;
	}
	revision_done(&rev);
	session_done(&session);
	json_release(fields, COUNT(fields), &r);
	return done;
}

static void show_ls(const struct call *call, json_t *answer, FILE *out)
{
	(void)call;
	listing_show(json_object_get(answer, "files"), out);
}

static json_t *describe(struct call *call, const char *id)
{
	struct session session;
	struct revision rev;
	int64_t bytes = 0;
	struct stat st;
	char time[32];
	json_t *v = NULL;
	size_t i;

	if (session_open(call, call->user, id, &session, NULL) < 0)
		return NULL;
	if (fstatat(session.dir, ".session.json", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    revision_load(&session, 0, &rev, NULL) == 0) {
		for (i = 0; i < rev.count; i++)
			bytes += rev.entries[i].size;
		v = json_pack("{s:o,s:I,s:I,s:I,s:s}", "session", id_json(call, session.id),
			      "revision", (json_int_t)rev.number, "files", (json_int_t)rev.count,
			      "bytes", (json_int_t)bytes, "used",
			      text_time((int64_t)st.st_mtim.tv_sec * 1000 +
						st.st_mtim.tv_nsec / 1000000,
					time));
		revision_done(&rev);
	}
	session_done(&session);
	return v;
}

static int run_sessions(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	int storage, done;
	struct dirent *de;
	json_t *list, *v;

	call->is_looking = true;
	done = json_decode(request, session_fields, COUNT(session_fields), &r, "", err);
	json_release(session_fields, COUNT(session_fields), &r);
	storage = done < 0 ? -1 : call_storage(call, err);
	if (storage < 0)
		return -1;
	int fd = io_open_dir(storage, call->user);
	AUTO_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	list = json_array();
	while (dir && (de = readdir(dir)))
		if (id_is(de->d_name) && (v = describe(call, de->d_name)))
			(void)json_array_append_new(list, v);
	*ret = json_pack("{s:s,s:o}", "user", call->user, "sessions", list);
	return 0;
}

static void show_sessions(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	(void)call;
	json_array_foreach(json_object_get(answer, "sessions"), i, v)
		(void)fprintf(out, "%s  r%-5lld %6lld files %12lld bytes  %s\n",
			      json_string_value(json_object_get(v, "session")),
			      json_integer_value(json_object_get(v, "revision")),
			      json_integer_value(json_object_get(v, "files")),
			      json_integer_value(json_object_get(v, "bytes")),
			      json_string_value(json_object_get(v, "used")));
}

static int stat_id(struct call *call, const char *id, json_t **ret, struct err *err)
{
	char user[65], where[ID_SIZE];
	struct session session;
	struct entry entry;
	int done;

	if (index_find(call, id, user, where, err) < 0)
		return -1;
	if (strcmp(user, call->user) != 0)
		return err_set(err, ERR_NOT_FOUND, "no such file");
	if (session_open(call, user, where, &session, err) < 0)
		return err->code == ERR_NOT_FOUND ? err_set(err, ERR_NOT_FOUND, "no such file") :
						    -1;
	done = entry_by_id(&session, id, &entry, err);
	if (done == 0) {
		*ret = listing_entry(call, &entry);
		(void)json_object_set_new(*ret, "user", json_string(user));
		(void)json_object_set_new(*ret, "session", id_json(call, where));
		entry_done(&entry);
	}
	session_done(&session);
	return done;
}

static int run_stat(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	int done = json_decode(request, stat_fields, COUNT(stat_fields), &r, "", err);
	const char *id = r.id ? r.id : r.operands ? r.operands[0] : NULL;

	if (done == 0)
		done = id ? stat_id(call, id, ret, err) :
			    (err_set(err, ERR_REQUEST, "an id is needed"), err_at(err, "/id"));
	json_release(stat_fields, COUNT(stat_fields), &r);
	return done;
}

static void show_stat(const struct call *call, json_t *answer, FILE *out)
{
	const char *name;
	json_t *v;

	(void)call;
	json_object_foreach(answer, name, v) {
		if (json_is_string(v))
			(void)fprintf(out, "%-10s %s\n", name, json_string_value(v));
		else if (json_is_integer(v))
			(void)fprintf(out, "%-10s %lld\n", name, json_integer_value(v));
	}
}

static const struct option_row ls_options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 'r', "revision", "revision", OPTION_INT, "N", "an older revision" },
	{ 0 },
};
static const struct option_row user_options[] = { VERB_USER_OPTION, { 0 } };

const struct verb verb_ls = {
	.name = "ls",
	.summary = "list the files of a session",
	.options = ls_options,
	.run = run_ls,
	.show = show_ls,
};
const struct verb verb_sessions = {
	.name = "sessions",
	.summary = "list the sessions of a user",
	.options = user_options,
	.run = run_sessions,
	.show = show_sessions,
};
const struct verb verb_stat = {
	.name = "stat",
	.operands = "ID",
	.operand_member = "operands",
	.summary = "tell about one file by its id alone",
	.options = user_options,
	.run = run_stat,
	.show = show_stat,
};
