// SPDX-License-Identifier: Apache-2.0
/*
 * import: sessions out of an archive of export, which nobody vouches for. Names are data, ids are new
 * unless asked otherwise, types are told by the bytes, hashes are checked, quotas and the policy for
 * uploads hold. All is made below a hidden, locked directory and seen by one rename a session at the
 * end; what a killed import leaves there, the next one or gc removes.
 */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "io.h"
#include "names.h"
#include "tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

struct request {
	VERB_MEMBERS;
	char *path;
	char **operands;
	int64_t fd;
	bool same_ids;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, path, .kind = JSON_KIND_STRING, .min = 1, .max = 4000),
	JSON_FIELD(request, fd, .kind = JSON_KIND_INT, .min = 3, .max = 1023),
	JSON_FIELD(request, same_ids, .kind = JSON_KIND_BOOL),
	JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS,
		   .max = 1), /* of the shell form: the last */
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]), TRIES = 8, SESSIONS_MAX = 100000 };

struct import {
	struct call *call;
	bool same_ids;
	int in, user_dir, hidden;
	char hidden_name[48];
	struct mime mime;
	json_t *sessions; /* rows of the answer */
	int64_t files;
};

static int bad(struct err *err, const char *what)
{
	return err_set(err, ERR_REQUEST, "the archive is no export of sbx, or damaged: %s", what);
}

static json_t *read_json(struct import *m, const struct tar_entry *e, struct err *err)
{
	AUTO_FREE char *text = tar_read(m->in, e, TAR_JSON_MAX, err);
	json_t *doc = text ? json_parse(text, (size_t)e->size, err) : NULL;

	if (text && (!json_is_object(doc) || json_integer_value(json_object_get(doc, "v")) != 1)) {
		json_decref(doc);
		memset(err, 0, sizeof(*err));
		(void)bad(err, "a document is none, or of another version");
		return NULL;
	}
	return doc;
}

/* ---- one session ---- */

struct incoming {
	struct import *import;
	struct session session;
	struct revision *revisions;
	size_t count;
	json_t *kept; /* id of the archive -> index into entries */
	struct entry *entries;
	size_t entry_count;
};

static int check_revision(const struct revision *r, struct err *err)
{
	size_t i, k;

	for (i = 0; i < r->count; i++)
		if (revision_conflicts(r, r->entries[i].name, &k))
			return bad(err, "a name is a file and a directory");
	return 0;
}

static int take_revisions(struct incoming *in, json_t *doc, struct err *err)
{
	json_t *list = json_object_get(doc, "revisions"), *v;
	size_t i;

	if (!json_is_array(list))
		return bad(err, "a session has no revisions");
	in->revisions = calloc(json_array_size(list) + 1, sizeof(*in->revisions));
	if (!in->revisions)
		return err_sys(err, ERR_INTERNAL, "allocate");
	json_array_foreach(list, i, v) {
		struct revision *r = &in->revisions[in->count++];

		if (!json_is_object(v) || revision_decode(v, r, err) < 0) {
			memset(err, 0, sizeof(*err));
			return bad(err, "a revision is none");
		}
		if (check_revision(r, err) < 0)
			return -1;
	}
	return 0;
}

/* Of a file with several names or states all must say the same of its bytes. */
static int check_again(const struct incoming *in, const struct entry *e, json_t *at,
		       struct err *err)
{
	const struct entry *first = &in->entries[json_integer_value(at)];

	return first->size == e->size && !strcmp(first->sha256, e->sha256) ?
		       0 :
		       bad(err, "a file is told in two ways");
}

static bool is_free(struct call *call, const char *id, struct err *err)
{
	char user[65], session[ID_SIZE];

	if (index_find(call, id, user, session, NULL) < 0)
		return true;
	(void)err_set(err, ERR_REQUEST, "file %s is there already", id);
	return false;
}

/* The bytes of one file, checked and stored; *ret is the entry that it has here. */
static int take_file(struct incoming *in, const struct entry *from, struct entry *ret,
		     struct err *err)
{
	struct import *m = in->import;
	struct tar_entry e;
	struct blob blob;
	char want[64];
	int done, more = tar_next(m->in, &e, err);

	(void)snprintf(want, sizeof(want), "files/%s", from->id);
	if (more < 0)
		return -1;
	if (more == 0 || strcmp(e.name, want) != 0 || e.size != from->size)
		return bad(err, "a file is missing, or another one stands in its place");
	if (m->same_ids && !is_free(m->call, from->id, err))
		return -1;
	*ret = *from;
	ret->name = strdup(from->name);
	if (!ret->name || blob_begin(&in->session, &blob, err) < 0)
		return ret->name ? -1 : err_sys(err, ERR_INTERNAL, "allocate");
	done = blob_fill_some(&blob, m->in, e.size, err);
	if (done == 0)
		done = tar_skip_pad(m->in, e.size, err);
	if (done == 0 && strcmp(blob.sha256, from->sha256) != 0)
		done = bad(err, "the bytes of a file do not have its hash");
	if (done == 0) {
		mime_type(&m->mime, blob.fd, ret->name, ret->mime, sizeof(ret->mime));
		name_extension(ret->name, ret->extension, sizeof(ret->extension));
		done = mime_allowed(m->call->config, ret, err);
	}
	if (done == 0)
		done = m->same_ids ? blob_keep_as(&in->session, &blob, ret, err) :
				     blob_keep(&in->session, &blob, ret, err);
	blob_done(&blob);
	ret->created = from->created;
	m->files += done == 0;
	return done;
}

static int take_files(struct incoming *in, struct err *err)
{
	size_t i, k, room = 0;

	in->kept = json_object();
	for (i = 0; i < in->count; i++)
		for (k = 0; k < in->revisions[i].count; k++) {
			const struct entry *e = &in->revisions[i].entries[k];
			json_t *at = json_object_get(in->kept, e->id);

			if (at && check_again(in, e, at, err) < 0)
				return -1;
			if (at)
				continue;
			if (in->entry_count == room) {
				struct entry *more =
					realloc(in->entries,
						(room = room ? room * 2 : 64) * sizeof(*more));

				if (!more)
					return err_sys(err, ERR_INTERNAL, "allocate");
				in->entries = more;
			}
			memset(&in->entries[in->entry_count], 0, sizeof(*in->entries));
			(void)json_object_set_new(in->kept, e->id,
						  json_integer((json_int_t)in->entry_count));
			in->entry_count++; /* counted first: its name is freed whatever happens */
			if (take_file(in, e, &in->entries[in->entry_count - 1], err) < 0)
				return -1;
		}
	return 0;
}

static const char *known_op(const char *op)
{
	static const char *const ops[] = { "upload", "run", "rm", "undo", "fork", "import" };
	size_t i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(op, ops[i]))
			return ops[i];
	return "import";
}

static int commit(struct incoming *in, struct err *err)
{
	size_t i, k;

	for (i = 0; i < in->count; i++) {
		struct revision *r = &in->revisions[i];
		char exec[ID_SIZE] = "", op[16];

		for (k = 0; k < r->count; k++) {
			struct entry *e = &r->entries[k];
			const struct entry *here =
				&in->entries[json_integer_value(json_object_get(in->kept, e->id))];
			char id[ID_SIZE];

			memcpy(e->id, here->id, sizeof(e->id));
			memcpy(e->extension, here->extension, sizeof(e->extension));
			memcpy(e->mime, here->mime, sizeof(e->mime));
			if (!id_parse(e->exec, id))
				e->exec[0] = 0;
		}
		(void)snprintf(op, sizeof(op), "%s", known_op(r->op));
		(void)id_parse(r->exec, exec);
		if (revision_commit(&in->session, r, op, exec[0] ? exec : NULL, err) < 0)
			return -1;
	}
	return 0;
}

static void incoming_done(struct incoming *in)
{
	size_t i;

	for (i = 0; i < in->count; i++)
		revision_done(&in->revisions[i]);
	free(in->revisions);
	for (i = 0; i < in->entry_count; i++)
		entry_done(&in->entries[i]);
	free(in->entries);
	json_decref(in->kept);
	cleanup_fd(&in->session.dir);
}

static int64_t sessions_there(int user_dir)
{
	struct stat st;

	return fstat(user_dir, &st) == 0 && st.st_nlink > 3 ? (int64_t)st.st_nlink - 3 : 0;
}

static int take_session(struct import *m, json_t *doc, struct err *err)
{
	struct incoming in = { .import = m, .session = { .dir = -1 } };
	const char *said = json_string_value(json_object_get(doc, "session"));
	char from[ID_SIZE], id[ID_SIZE];
	int done;

	if (!said || !id_parse(said, from))
		return bad(err, "a session has no id");
	if (sessions_there(m->user_dir) + (int64_t)json_array_size(m->sessions) >=
		    m->call->config->user_sessions ||
	    json_array_size(m->sessions) >= SESSIONS_MAX)
		return err_set(err, ERR_QUOTA, "user_sessions: more than %lld sessions",
			       (long long)m->call->config->user_sessions);
	if (m->same_ids)
		memcpy(id, from, sizeof(id));
	else
		id_new(id);
	done = session_stage(m->call, m->call->user, m->user_dir, m->hidden, id, &in.session, err);
	if (done == 0)
		done = take_revisions(&in, doc, err);
	if (done == 0)
		done = take_files(&in, err);
	if (done == 0)
		done = commit(&in, err);
	if (done == 0)
		(void)json_array_append_new(m->sessions,
					    json_pack("{s:s,s:s,s:I,s:I}", "from", from, "id", id,
						      "revision", (json_int_t)in.count, "files",
						      (json_int_t)in.entry_count));
	incoming_done(&in);
	return done;
}

/* ---- the whole ---- */

static int take_end(struct import *m, json_t *doc, struct err *err)
{
	struct tar_entry e;

	if (json_integer_value(json_object_get(doc, "sessions")) !=
		    (json_int_t)json_array_size(m->sessions) ||
	    json_integer_value(json_object_get(doc, "files")) != (json_int_t)m->files)
		return bad(err, "its end counts something else");
	return tar_next(m->in, &e, err) == 0 ? 0 : bad(err, "something stands behind its end");
}

static int take_archive(struct import *m, struct err *err)
{
	char want[48];
	struct tar_entry e;
	int more = tar_next(m->in, &e, err);

	if (more <= 0 || strcmp(e.name, "sbx-export.json") != 0)
		return more < 0 ? -1 : bad(err, "it does not begin as one");
	AUTO_JSON json_t *head = read_json(m, &e, err);
	const char *kind = json_string_value(json_object_get(head, "kind"));
	if (!head || !kind || strcmp(kind, "sbx-export") != 0)
		return head ? bad(err, "it does not begin as one") : -1;
	for (;;) {
		AUTO_JSON json_t *doc = NULL;

		more = tar_next(m->in, &e, err);
		(void)snprintf(want, sizeof(want), "sessions/%zu.json",
			       json_array_size(m->sessions) + 1);
		if (more < 0)
			return -1;
		if (more == 0 || (strcmp(e.name, want) != 0 && strcmp(e.name, "sbx-end.json") != 0))
			return bad(err, "it ends without its end, or something else stands in it");
		doc = read_json(m, &e, err);
		if (!doc)
			return -1;
		if (!strcmp(e.name, "sbx-end.json"))
			return take_end(m, doc, err);
		if (take_session(m, doc, err) < 0)
			return -1;
	}
}

static void undo_reveal(struct import *m, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		const char *id =
			json_string_value(json_object_get(json_array_get(m->sessions, i), "id"));

		(void)renameat(m->user_dir, id, m->hidden, id);
	}
}

static int reveal(struct import *m, struct err *err)
{
	size_t i;
	json_t *v;

	if (m->call->config->fsync && fsync(m->hidden) < 0)
		return err_sys(err, ERR_STORAGE, "write the sessions");
	json_array_foreach(m->sessions, i, v) {
		const char *id = json_string_value(json_object_get(v, "id"));

		if (renameat2(m->hidden, id, m->user_dir, id, RENAME_NOREPLACE) == 0)
			continue;
		(void)(errno == EEXIST ?
			       err_set(err, ERR_REQUEST, "session %s is there already", id) :
			       err_sys(err, ERR_STORAGE, "show session %s", id));
		undo_reveal(m, i);
		return -1;
	}
	if (m->call->config->fsync && fsync(m->user_dir) < 0)
		return err_sys(err, ERR_STORAGE, "write the sessions");
	return 0;
}

/* gc removes a hidden directory whose lock is free, perhaps between its making and its lock. */
static int make_hidden(struct import *m, struct err *err)
{
	struct stat mine, there;
	char id[ID_SIZE];
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		id_new(id);
		(void)snprintf(m->hidden_name, sizeof(m->hidden_name), ".import-%s", id);
		if (mkdirat(m->user_dir, m->hidden_name, 0700) < 0)
			break;
		m->hidden = io_open_dir(m->user_dir, m->hidden_name);
		if (m->hidden >= 0 && flock(m->hidden, LOCK_EX | LOCK_NB) == 0 &&
		    fstat(m->hidden, &mine) == 0 &&
		    fstatat(m->user_dir, m->hidden_name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    mine.st_ino == there.st_ino)
			return 0;
		cleanup_fd(&m->hidden);
		m->hidden = -1;
	}
	return err_sys(err, ERR_STORAGE, "make a directory for the import");
}

static void sweep_dead(int storage, int user_dir)
{
	int again = openat(user_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *de;

	while (dir && (de = readdir(dir)))
		if (!strncmp(de->d_name, ".import-", 8))
			(void)hidden_erase(storage, user_dir, de->d_name, true);
}

static int take_all(struct import *m, struct err *err)
{
	int storage = call_storage(m->call, err), done;

	if (storage < 0)
		return -1;
	if (io_mkdir(storage, m->call->user) < 0)
		return err_sys(err, ERR_STORAGE, "make the user's directory");
	AUTO_FD int user_dir = io_open_dir(storage, m->call->user);
	if (user_dir < 0)
		return err_sys(err, ERR_STORAGE, "open the user's directory");
	m->user_dir = user_dir;
	sweep_dead(storage, user_dir);
	if (make_hidden(m, err) < 0)
		return -1;
	done = take_archive(m, err);
	if (done == 0)
		done = reveal(m, err);
	(void)hidden_erase(storage, user_dir, m->hidden_name, false);
	cleanup_fd(&m->hidden);
	return done;
}

static int open_archive(struct call *call, const struct request *r, int *ret, struct err *err)
{
	const char *path = r->path ? r->path : r->operands ? r->operands[0] : NULL;

	if (call->is_request && !r->path == !r->fd)
		return err_set(err, ERR_REQUEST, "either path or fd is needed"),
		       err_at(err, "/path");
	*ret = r->fd                       ? (int)r->fd :
	       !path || !strcmp(path, "-") ? STDIN_FILENO :
					     open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return *ret < 0 ? err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_REQUEST,
				  "open '%.200s'", path) :
			  0;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	AUTO_JSON json_t *sessions = json_array();
	struct import m = { .call = call,
			    .in = -1,
			    .hidden = -1,
			    .mime = { .config = call->config },
			    .sessions = sessions };
	struct request r = { 0 };
	int done = json_decode(request, fields, FIELD_COUNT - (call->is_request ? 1 : 0), &r, "",
			       err);
	json_t *v;
	size_t i;

	if (done == 0)
		done = open_archive(call, &r, &m.in, err);
	m.same_ids = r.same_ids;
	if (done == 0)
		done = take_all(&m, err);
	mime_done(&m.mime);
	if (m.in > STDIN_FILENO && !r.fd)
		(void)close(m.in);
	json_array_foreach(sessions, i, v)
		(void)json_object_set_new(v, "id",
					  id_json(call,
						  json_string_value(json_object_get(v, "id"))));
	if (done == 0)
		*ret = json_pack("{s:s,s:O}", "user", call->user, "sessions", sessions);
	json_release(fields, FIELD_COUNT, &r);
	return done;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	(void)call;
	json_array_foreach(json_object_get(answer, "sessions"), i, v)
		(void)fprintf(out, "%s  revision %lld, %lld files, was %s\n",
			      json_string_value(json_object_get(v, "id")),
			      (long long)json_integer_value(json_object_get(v, "revision")),
			      (long long)json_integer_value(json_object_get(v, "files")),
			      json_string_value(json_object_get(v, "from")));
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	{ 0, "same-ids", "same_ids", OPTION_FLAG, NULL,
	  "sessions and files keep their ids, if those are free" },
	{ 0 },
};

const struct verb verb_import = {
	.name = "import",
	.operands = "[FILE]",
	.operand_member = "operands",
	.summary = "take the sessions of an archive",
	.options = options,
	.run = run,
	.show = show,
};
