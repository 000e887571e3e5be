// SPDX-License-Identifier: Apache-2.0
/* upload: streams files into the store; all of a request or none of it. */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "io.h"
#include "listing.h"
#include "mime.h"
#include "names.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES_MAX = 10000 };

struct request {
	VERB_MEMBERS;
	char *session, *name;
	char **operands;
	json_t *files;
	bool read_only;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, session, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, name, .kind = JSON_KIND_STRING, .min = 1, .max = NAME_BYTES),
	JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS, .max = FILES_MAX),
	JSON_FIELD(request, files, .kind = JSON_KIND_ANY),
	JSON_FIELD(request, read_only, .kind = JSON_KIND_BOOL),
};

struct source {
	char *name, *path, *content, *content_base64;
	int64_t fd, size, size_max;
	bool read_only;
};

static const struct json_field source_fields[] = {
	JSON_FIELD(source, name, .kind = JSON_KIND_STRING, .min = 1, .max = NAME_BYTES),
	JSON_FIELD(source, path, .kind = JSON_KIND_STRING, .min = 1, .max = 4000),
	JSON_FIELD(source, content, .kind = JSON_KIND_STRING, .max = 64 << 20),
	JSON_FIELD(source, content_base64, .kind = JSON_KIND_STRING, .max = 88 << 20),
	JSON_FIELD(source, fd, .kind = JSON_KIND_INT, .min = 0, .max = 1023),
	JSON_FIELD(source, size, .kind = JSON_KIND_INT, .min = 0, .max = INT64_MAX),
	JSON_FIELD(source, size_max, .kind = JSON_KIND_INT, .min = 0, .max = INT64_MAX),
	JSON_FIELD(source, read_only, .kind = JSON_KIND_BOOL),
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct upload {
	struct call *call;
	struct session session;
	struct mime mime;
	struct entry *entries;
	size_t count;
	bool read_only;
};

static int fill_base64(struct blob *blob, const char *text, struct err *err)
{
	size_t len = strlen(text), n = BASE64_DECODE_LENGTH(len);
	AUTO_FREE uint8_t *raw = malloc(n + 1);
	struct base64_decode_ctx ctx;

	base64_decode_init(&ctx);
	if (!raw)
		return err_sys(err, ERR_INTERNAL, "allocate");
	if (!base64_decode_update(&ctx, &n, raw, len, text) || !base64_decode_final(&ctx)) {
		(void)err_set(err, ERR_REQUEST, "content_base64 is no base64");
		return -1;
	}
	return blob_write(blob, raw, n, err);
}

static int fill_path(struct blob *blob, const char *path, struct err *err)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_REQUEST, "open '%.200s'",
			       path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_REQUEST, "'%.200s' is no regular file", path);
	return blob_fill(blob, fd, err);
}

static int fill(struct blob *blob, const struct source *s, bool has_fd, struct err *err)
{
	if (s->size_max && s->size_max < blob->room) {
		blob->room = s->size_max;
		blob->room_why = "size_max";
	}
	if (s->content)
		return blob_write(blob, s->content, strlen(s->content), err);
	if (s->content_base64)
		return fill_base64(blob, s->content_base64, err);
	if (s->path)
		return fill_path(blob, s->path, err);
	return has_fd ? blob_fill(blob, (int)s->fd, err) :
			err_set(err, ERR_INTERNAL, "a source without bytes");
}

static int store_one(struct upload *u, const struct source *s, bool has_fd, struct err *err)
{
	struct entry *e = &u->entries[u->count];
	struct blob blob;
	int done = -1;

	memset(e, 0, sizeof(*e));
	if (blob_begin(&u->session, &blob, err) < 0)
		return -1;
	e->name = strdup(s->name);
	e->read_only = s->read_only || u->read_only;
	if (e->name && fill(&blob, s, has_fd, err) == 0) {
		if (s->size && blob.size != s->size) {
			(void)err_set(err, ERR_REQUEST, "%lld bytes came, and %lld were announced",
				      (long long)blob.size, (long long)s->size);
		} else {
			mime_type(&u->mime, blob.fd, e->name, e->mime, sizeof(e->mime));
			name_extension(e->name, e->extension, sizeof(e->extension));
			e->size = blob.size;
			if (mime_allowed(u->call->config, e, err) == 0)
				done = blob_keep(&u->session, &blob, e, err);
		}
	}
	blob_done(&blob);
	if (done < 0) {
		entry_done(e);
		return -1;
	}
	u->count++;
	return 0;
}

static int check_source(json_t *v, const struct source *s, struct err *err)
{
	int given = !!s->path + !!s->content + !!s->content_base64 + !!json_object_get(v, "fd");
	const char *fault;

	if (given != 1)
		return err_set(err, ERR_REQUEST,
			       "exactly one of path, content, content_base64, fd is needed");
	if (!s->name)
		return err_set(err, ERR_REQUEST, "a name is needed");
	fault = name_fault(s->name, strlen(s->name));
	return fault ? err_set(err, ERR_REQUEST, "%s", fault) : 0;
}

static int store_all(struct upload *u, json_t *files, struct err *err)
{
	json_t *v;
	size_t i;

	json_array_foreach(files, i, v) {
		struct source s = { 0 };
		char at[48];
		int done;

		(void)snprintf(at, sizeof(at), "/files/%zu", i);
		done = json_decode(v, source_fields, COUNT(source_fields), &s, at, err);
		if (done == 0 && !s.name && s.path)
			s.name = strdup(strrchr(s.path, '/') ? strrchr(s.path, '/') + 1 : s.path);
		if (done == 0)
			done = check_source(v, &s, err);
		if (done == 0)
			done = store_one(u, &s, json_object_get(v, "fd") != NULL, err);
		json_release(source_fields, COUNT(source_fields), &s);
		if (done < 0)
			return u->call->is_request ? err_at(err, "%s", at) : -1;
	}
	return 0;
}

static int commit(struct upload *u, struct revision *r, struct err *err)
{
	size_t i, k;

	if (session_lock(&u->session, err) < 0 || revision_load(&u->session, 0, r, err) < 0)
		return -1;
	for (i = 0; i < u->count; i++) {
		while (revision_conflicts(r, u->entries[i].name, &k))
			revision_remove(r, k);
		if (revision_put(r, &u->entries[i], err) < 0)
			return -1;
	}
	return revision_commit(&u->session, r, "upload", NULL, err);
}

static int keep(struct upload *u, json_t *files, json_t **ret, struct err *err)
{
	struct revision r = { 0 };
	json_t *list;
	size_t i;

	u->entries = calloc(json_array_size(files) + 1, sizeof(*u->entries));
	if (!u->entries)
		return err_sys(err, ERR_INTERNAL, "allocate");
	if (store_all(u, files, err) < 0 || commit(u, &r, err) < 0) {
		for (i = 0; i < u->count; i++) /* refused: not a byte stays */
			blob_forget(&u->session, &u->entries[i]);
		revision_done(&r);
		return -1;
	}
	list = json_array();
	for (i = 0; i < u->count; i++)
		(void)json_array_append_new(list, listing_entry(u->call, &u->entries[i]));
	*ret = json_pack("{s:s,s:o,s:I,s:o}", "user", u->session.user, "session",
			 id_json(u->call, u->session.id), "revision", (json_int_t)r.number, "files",
			 list);
	(void)session_unlock(&u->session);
	if (2 * u->count >= r.count) /* it took its time anyway, and the first run need not wait */
		stage_prepare(&u->session, &r);
	revision_done(&r);
	return 0;
}

/* What a person types becomes files[]: paths, or - with --name. */
static int take_operands(struct request *r, struct err *err)
{
	size_t i;

	if (!r->operands)
		return 0;
	r->files = json_array();
	for (i = 0; r->operands[i]; i++) {
		bool is_stdin = !strcmp(r->operands[i], "-");
		json_t *v = is_stdin ? json_pack("{s:i}", "fd", 0) :
				       json_pack("{s:s}", "path", r->operands[i]);

		if (is_stdin && !r->name) {
			json_decref(v);
			return err_set(err, ERR_USAGE, "'-' needs --name");
		}
		if (r->name && (i > 0 || r->operands[i + 1])) {
			json_decref(v);
			return err_set(err, ERR_USAGE, "--name takes one file");
		}
		if (r->name)
			(void)json_object_set_new(v, "name", json_string(r->name));
		(void)json_array_append_new(r->files, v);
	}
	return 0;
}

static int check(struct call *call, const struct request *r, struct err *err)
{
	if (call->is_request && (r->operands || r->name))
		return err_set(err, ERR_REQUEST, "unknown member"),
		       err_at(err, r->name ? "/name" : "/operands");
	if (!json_is_array(r->files) || json_array_size(r->files) == 0)
		return call->is_request ? (err_set(err, ERR_REQUEST, "a list of files is needed"),
					   err_at(err, "/files")) :
					  err_set(err, ERR_USAGE, "a file is needed");
	if (json_array_size(r->files) > FILES_MAX)
		return err_set(err, ERR_REQUEST, "more than %d files", FILES_MAX),
		       err_at(err, "/files");
	return 0;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	struct upload u = { .call = call,
			    .mime = { .config = call->config },
			    .session = { .dir = -1, .user_dir = -1 } };
	size_t i;
	int done = -1;

	if (json_decode(request, fields, COUNT(fields), &r, "", err) == 0 &&
	    take_operands(&r, err) == 0 && check(call, &r, err) == 0 &&
	    session_of_request(call, r.session, true, &u.session, err) == 0) {
		u.read_only = r.read_only;
		done = keep(&u, r.files, ret, err);
		if (done < 0)
			session_drop_new(&u.session);
	}
	mime_done(&u.mime);
	for (i = 0; i < u.count; i++)
		entry_done(&u.entries[i]);
	free(u.entries);
	session_done(&u.session);
	json_release(fields, COUNT(fields), &r);
	return done;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	(void)call;
	listing_show(json_object_get(answer, "files"), out);
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 'n', "name", "name", OPTION_STRING, "NAME", "its name in the session" },
	{ 'r', "read-only", "read_only", OPTION_FLAG, NULL, "runs may not change them" },
	{ 0 },
};

const struct verb verb_upload = {
	.name = "upload",
	.operands = "FILE...",
	.operand_member = "operands",
	.summary = "store files in a session",
	.options = options,
	.takes_stdin = true,
	.run = run,
	.show = show,
};
