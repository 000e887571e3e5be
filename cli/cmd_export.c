// SPDX-License-Identifier: Apache-2.0
/*
 * export: sessions as one tar stream, while runs go on. Revisions and stored files never change; a
 * directory below .run, locked as that of a run, keeps gc and rm away until a session is written.
 *
 *   sbx-export.json                {"v":1,"kind":"sbx-export","created":MS,"user":U}
 *   sessions/N.json                {"v":1,"session":ID,"revisions":[as stored]}, then its files:
 *   files/ID                       in the order in which the revisions first name them
 *   sbx-end.json                   {"v":1,"sessions":N,"files":M}: without it the stream was cut
 */
#include "cleanup.h"
#include "exec.h"
#include "io.h"
#include "tar.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct request {
	VERB_MEMBERS;
	char *session, *out;
	bool all, current;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, session, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, out, .kind = JSON_KIND_STRING, .min = 1, .max = 4000),
	JSON_FIELD(request, all, .kind = JSON_KIND_BOOL),
	JSON_FIELD(request, current, .kind = JSON_KIND_BOOL),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

struct export
{
	struct call *call;
	int out;
	bool current;
	int64_t sessions, files, bytes;
};

static int cannot_write(struct err *err)
{
	return err_sys(err, ERR_STORAGE, "write the archive");
}

static int put_json(struct export *e, const char *name, json_t *doc, struct err *err)
{
	AUTO_FREE char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	int64_t len = text ? (int64_t)strlen(text) : 0;

	if (!text)
		return err_set(err, ERR_INTERNAL, "describe the session: out of memory");
	if (len > TAR_JSON_MAX) {
		(void)err_set(
			err, ERR_LIMIT,
			"the revisions of the session take %lld bytes, and %lld can be imported",
			(long long)len, (long long)TAR_JSON_MAX);
		return err_hint(err, "--current exports the newest revision only");
	}
	if (tar_put(e->out, name, len, text_now_ms()) < 0 ||
	    io_write_all(e->out, text, (size_t)len) < 0 || tar_pad(e->out, len) < 0)
		return cannot_write(err);
	return 0;
}

static int put_file(struct export *e, const struct session *session, const struct entry *entry,
		    struct err *err)
{
	AUTO_FD int fd = entry_open(session, entry, err);
	int64_t left = entry->size;
	char name[64], buf[1 << 16];

	if (fd < 0)
		return -1;
	(void)snprintf(name, sizeof(name), "files/%s", entry->id);
	if (tar_put(e->out, name, entry->size, entry->created) < 0)
		return cannot_write(err);
	while (left > 0) {
		ssize_t n = read(fd, buf, left < (int64_t)sizeof(buf) ? (size_t)left : sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, ERR_CORRUPT, "the stored file of '%s' is too short",
				       entry->name);
		if (io_write_all(e->out, buf, (size_t)n) < 0)
			return cannot_write(err);
		left -= n;
	}
	e->files++;
	e->bytes += entry->size;
	return tar_pad(e->out, entry->size) < 0 ? cannot_write(err) : 0;
}

/* Each revision is read twice, so that one at a time is in memory beside the document. */
static int put_files(struct export *e, const struct session *session, int64_t from, int64_t to,
		     struct err *err)
{
	AUTO_JSON json_t *seen = json_object();
	int64_t n;
	size_t i;

	for (n = from; n <= to; n++) {
		struct revision r;
		int done = revision_load(session, n, &r, err);

		if (done < 0 && err->code == ERR_NOT_FOUND) {
			memset(err, 0, sizeof(*err));
			continue;
		}
		for (i = 0; done == 0 && i < r.count; i++) {
			if (json_object_get(seen, r.entries[i].id))
				continue;
			(void)json_object_set_new(seen, r.entries[i].id, json_true());
			done = put_file(e, session, &r.entries[i], err);
		}
		revision_done(&r);
		if (done < 0)
			return -1;
	}
	return 0;
}

static json_t *revisions_of(const struct session *session, int64_t from, int64_t to,
			    struct err *err)
{
	json_t *list = json_array();
	int64_t n;

	for (n = from; n <= to; n++) {
		struct revision r;

		if (revision_load(session, n, &r, err) < 0) {
			if (err->code == ERR_NOT_FOUND) { /* an old one may have been removed */
				memset(err, 0, sizeof(*err));
				continue;
			}
			json_decref(list);
			return NULL;
		}
		(void)json_array_append_new(list, revision_encode(&r));
		revision_done(&r);
	}
	return list;
}

static int put_session(struct export *e, struct session *session, struct err *err)
{
	struct stage hold = { 0 };
	int64_t newest, from;
	char name[48];
	int done;

	id_new(hold.exec);
	if (stage_make(session, NULL, 0, 0, &hold, err) < 0) {
		stage_done(&hold);
		return -1;
	}
	newest = revision_newest(session);
	from = e->current && newest ? newest : 1;
	json_t *list = revisions_of(session, from, newest, err);
	AUTO_JSON json_t *doc = list ? json_pack("{s:i,s:s,s:o}", "v", 1, "session", session->id,
						 "revisions", list) :
				       NULL;
	(void)snprintf(name, sizeof(name), "sessions/%lld.json", (long long)++e->sessions);
	done = doc ? put_json(e, name, doc, err) : -1;
	if (done == 0)
		done = put_files(e, session, from, newest, err);
	stage_done(&hold);
	return done;
}

static int put_user(struct export *e, struct err *err)
{
	int storage = call_storage(e->call, err);
	struct dirent *de;

	if (storage < 0)
		return -1;
	int user_dir = io_open_dir(storage, e->call->user);
	AUTO_DIR DIR *dir = user_dir < 0 ? NULL : fdopendir(user_dir);
	if (!dir)
		return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "no such user") :
					 err_sys(err, ERR_STORAGE, "open the user's directory");
	while ((de = readdir(dir))) {
		struct session session;
		int done;

		if (!id_is(de->d_name))
			continue;
		if (session_open(e->call, e->call->user, de->d_name, &session, err) < 0) {
			if (err->code != ERR_NOT_FOUND)
				return -1;
			memset(err, 0, sizeof(*err)); /* removed meanwhile */
			continue;
		}
		done = put_session(e, &session, err);
		session_done(&session);
		if (done < 0)
			return -1;
	}
	return 0;
}

static int put_all(struct export *e, const struct request *r, struct session *session,
		   struct err *err)
{
	AUTO_JSON json_t *head = json_pack("{s:i,s:s,s:I,s:s}", "v", 1, "kind", "sbx-export",
					   "created", (json_int_t)text_now_ms(), "user",
					   e->call->user);

	if (put_json(e, "sbx-export.json", head, err) < 0 ||
	    (r->all ? put_user(e, err) : put_session(e, session, err)) < 0)
		return -1;
	AUTO_JSON json_t *end = json_pack("{s:i,s:I,s:I}", "v", 1, "sessions",
					  (json_int_t)e->sessions, "files", (json_int_t)e->files);
	if (put_json(e, "sbx-end.json", end, err) < 0)
		return -1;
	return tar_end(e->out) < 0 ? cannot_write(err) : 0;
}

/* A named output appears whole or not at all. */
static int to_file(struct export *e, const struct request *r, struct session *session,
		   struct err *err)
{
	char tmp[4200];

	(void)snprintf(tmp, sizeof(tmp), "%s.part-%d", r->out, (int)getpid());
	AUTO_FD int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(err, ERR_STORAGE, "make '%.200s'", tmp);
	e->out = fd;
	if (put_all(e, r, session, err) == 0) {
		if (fsync(fd) == 0 && rename(tmp, r->out) == 0)
			return 0;
		(void)err_sys(err, ERR_STORAGE, "make '%.200s'", r->out);
	}
	(void)unlink(tmp);
	return -1;
}

static int check(const struct call *call, const struct request *r, struct err *err)
{
	if (r->all && r->session)
		return call->is_request ? (err_set(err, ERR_REQUEST, "either a session or all"),
					   err_at(err, "/all")) :
					  err_set(err, ERR_USAGE, "either a session or --all");
	if (call->is_json && !r->out)
		return err_set(err, ERR_REQUEST,
			       "out is needed: bytes and JSON cannot share the output");
	if (!r->out && isatty(STDOUT_FILENO))
		return err_set(err, ERR_USAGE,
			       "an archive is nothing for a terminal: use -o, or redirect");
	return 0;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct session session = { .dir = -1, .user_dir = -1 };
	struct export e = { .call = call, .out = STDOUT_FILENO };
	struct request r = { 0 };
	int done = json_decode(request, fields, FIELD_COUNT, &r, "", err);

	if (done == 0)
		done = check(call, &r, err);
	if (done == 0 && !r.all)
		done = session_of_request(call, r.session, false, &session, err);
	e.current = r.current;
	if (done == 0)
		done = r.out && strcmp(r.out, "-") != 0 ? to_file(&e, &r, &session, err) :
							  put_all(&e, &r, &session, err);
	call->is_done = !r.out || !strcmp(r.out, "-");
	*ret = json_pack("{s:s,s:I,s:I,s:I}", "user", call->user, "sessions",
			 (json_int_t)e.sessions, "files", (json_int_t)e.files, "bytes",
			 (json_int_t)e.bytes);
	session_done(&session);
	json_release(fields, FIELD_COUNT, &r);
	return done;
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 'a', "all", "all", OPTION_FLAG, NULL, "all sessions of the user" },
	{ 'c', "current", "current", OPTION_FLAG, NULL,
	  "only the newest revision of each session" },
	{ 'o', "out", "out", OPTION_STRING, "OUT", "write to this file instead of stdout" },
	{ 0 },
};

const struct verb verb_export = {
	.name = "export",
	.summary = "write sessions as one archive",
	.options = options,
	.run = run,
};
