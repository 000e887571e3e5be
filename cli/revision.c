// SPDX-License-Identifier: Apache-2.0
/*
 * A revision is .manifest/<N>.json, written whole and linked in: who finds EEXIST was slower. Its
 * names are data; the stored files behind them never change.
 */
#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "json.h"
#include "names.h"
#include "store.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { MANIFEST_MAX = 64 << 20, FORMAT_VERSION = 1 };

struct raw {
	char *name, *id, *ext, *sha256, *mime, *origin, *exec;
	int64_t size, created;
	bool read_only;
};

#define S(m, hi) JSON_FIELD(raw, m, .kind = JSON_KIND_STRING, .required = true, .max = (hi))
static const struct json_field raw_fields[] = {
	S(name, NAME_BYTES),
	S(id, 36),
	S(ext, 15),
	S(sha256, 64),
	S(mime, 99),
	S(origin, 8),
	JSON_FIELD(raw, exec, .kind = JSON_KIND_STRING, .max = 36),
	JSON_FIELD(raw, size, .kind = JSON_KIND_INT, .required = true, .max = INT64_MAX),
	JSON_FIELD(raw, created, .kind = JSON_KIND_INT, .required = true, .max = INT64_MAX),
	JSON_FIELD(raw, read_only, .kind = JSON_KIND_BOOL),
};
enum { RAW_COUNT = sizeof(raw_fields) / sizeof(raw_fields[0]) };

void entry_done(struct entry *entry)
{
	free(entry->name);
	entry->name = NULL;
}

int entry_copy(struct entry *to, const struct entry *from)
{
	*to = *from;
	to->name = strdup(from->name);
	return to->name ? 0 : -1;
}

void revision_done(struct revision *revision)
{
	size_t i;

	for (i = 0; i < revision->count; i++)
		entry_done(&revision->entries[i]);
	free(revision->entries);
	memset(revision, 0, sizeof(*revision));
}

int64_t revision_newest(const struct session *session)
{
	AUTO_DIR DIR *dir = NULL;
	int fd = io_open_dir(session->dir, ".manifest");
	struct dirent *de;
	int64_t newest = 0;

	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (de = readdir(dir))) {
		char number[24];
		int64_t n;
		size_t len = strlen(de->d_name);

		if (len < 6 || len > sizeof(number) + 4 ||
		    strcmp(de->d_name + len - 5, ".json") != 0)
			continue;
		(void)snprintf(number, sizeof(number), "%.*s", (int)(len - 5), de->d_name);
		if (text_count(number, 1, INT64_MAX, &n) && n > newest)
			newest = n;
	}
	return newest;
}

/* Where name is, or would be put. */
static size_t position(const struct revision *revision, const char *name, bool *ret_found)
{
	size_t low = 0, high = revision->count;

	*ret_found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(revision->entries[mid].name, name);

		if (order == 0) {
			*ret_found = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct entry *revision_find_name(const struct revision *revision, const char *name)
{
	bool found;
	size_t i = position(revision, name, &found);

	return found ? &revision->entries[i] : NULL;
}

struct entry *revision_find(const struct revision *revision, const char *id_or_name)
{
	char id[ID_SIZE];
	size_t i;

	if (!id_parse(id_or_name, id))
		return revision_find_name(revision, strncmp(id_or_name, "./", 2) ? id_or_name :
										   id_or_name + 2);
	for (i = 0; i < revision->count; i++)
		if (!strcmp(revision->entries[i].id, id))
			return &revision->entries[i];
	return NULL;
}

int revision_put(struct revision *revision, const struct entry *entry, struct err *err)
{
	bool found;
	size_t i = position(revision, entry->name, &found);
	struct entry copy, *more;

	if (entry_copy(&copy, entry) < 0)
		return err_sys(err, ERR_INTERNAL, "allocate");
	if (found) {
		entry_done(&revision->entries[i]);
		revision->entries[i] = copy;
		return 0;
	}
	/* grows by doubling: the size is a power of two whenever it is full */
	if ((revision->count & (revision->count - 1)) == 0) {
		more = realloc(revision->entries,
			       (revision->count ? revision->count * 2 : 1) * sizeof(*more));
		if (!more) {
			entry_done(&copy);
			return err_sys(err, ERR_INTERNAL, "allocate");
		}
		revision->entries = more;
	}
	memmove(revision->entries + i + 1, revision->entries + i,
		(revision->count - i) * sizeof(copy));
	revision->entries[i] = copy;
	revision->count++;
	return 0;
}

void revision_remove(struct revision *revision, size_t index)
{
	entry_done(&revision->entries[index]);
	revision->count--;
	memmove(revision->entries + index, revision->entries + index + 1,
		(revision->count - index) * sizeof(*revision->entries));
	/* keep revision_put's rule: a full table has a power of two */
	if ((revision->count & (revision->count - 1)) == 0 && revision->count) {
		struct entry *less = realloc(revision->entries, revision->count * sizeof(*less));

		if (less)
			revision->entries = less;
	}
}

static bool is_below(const char *dir, const char *name)
{
	size_t len = strlen(dir);

	return !strncmp(dir, name, len) && name[len] == '/';
}

bool revision_conflicts(const struct revision *revision, const char *name, size_t *ret_index)
{
	char parent[NAME_BYTES + 1];
	char *slash;
	size_t i;
	bool found;

	(void)snprintf(parent, sizeof(parent), "%s", name);
	while ((slash = strrchr(parent, '/'))) { /* a file where a directory is needed */
		*slash = 0;
		i = position(revision, parent, &found);
		if (found) {
			*ret_index = i;
			return true;
		}
	}
	/* names below it sort behind name + "/" */
	(void)snprintf(parent, sizeof(parent), "%s/", name);
	i = position(revision, parent, &found);
	if (i < revision->count && is_below(name, revision->entries[i].name)) {
		*ret_index = i;
		return true;
	}
	return false;
}

static int take_entry(const struct raw *raw, struct entry *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!id_parse(raw->id, ret->id) || name_fault(raw->name, strlen(raw->name)) ||
	    raw->size < 0 || !*raw->ext ||
	    strspn(raw->ext, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(raw->ext) ||
	    strlen(raw->sha256) != 64 || strspn(raw->sha256, "0123456789abcdef") != 64)
		return -1; /* it becomes part of paths */
	(void)snprintf(ret->extension, sizeof(ret->extension), "%s", raw->ext);
	(void)snprintf(ret->sha256, sizeof(ret->sha256), "%s", raw->sha256);
	(void)snprintf(ret->mime, sizeof(ret->mime), "%s", raw->mime);
	(void)snprintf(ret->exec, sizeof(ret->exec), "%s", raw->exec ? raw->exec : "");
	ret->size = raw->size;
	ret->created = raw->created;
	ret->is_run = !strcmp(raw->origin, "run");
	ret->read_only = raw->read_only;
	ret->name = raw->name;
	return 0;
}

int revision_decode(json_t *doc, struct revision *ret, struct err *err)
{
	json_t *files = json_object_get(doc, "files"), *v;
	const char *op = json_string_value(json_object_get(doc, "op"));
	const char *exec = json_string_value(json_object_get(doc, "exec"));
	size_t i;

	if (json_integer_value(json_object_get(doc, "v")) != FORMAT_VERSION)
		return err_set(err, ERR_CORRUPT, "the format is not version %d", FORMAT_VERSION);
	if (!json_is_array(files))
		return err_set(err, ERR_CORRUPT, "the list of files is missing");
	ret->parent = json_integer_value(json_object_get(doc, "parent"));
	ret->created = json_integer_value(json_object_get(doc, "created"));
	(void)snprintf(ret->op, sizeof(ret->op), "%s", op ? op : "");
	(void)snprintf(ret->exec, sizeof(ret->exec), "%s", exec ? exec : "");
	json_array_foreach(files, i, v) {
		struct raw raw = { 0 };
		struct entry entry;
		int done = json_decode(v, raw_fields, RAW_COUNT, &raw, "", err);

		if (done == 0)
			done = take_entry(&raw, &entry) < 0 ?
				       err_set(err, ERR_CORRUPT, "a bad entry") :
				       revision_put(ret, &entry, err);
		json_release(raw_fields, RAW_COUNT, &raw);
		if (done < 0)
			return -1;
	}
	return 0;
}

int revision_load(const struct session *session, int64_t number, struct revision *ret,
		  struct err *err)
{
	AUTO_FREE char *text = NULL;
	char path[48];
	size_t len;

	memset(ret, 0, sizeof(*ret));
	ret->number = number ? number : revision_newest(session);
	if (ret->number == 0)
		return 0;
	(void)snprintf(path, sizeof(path), ".manifest/%lld.json", (long long)ret->number);
	text = io_read_file(session->dir, path, MANIFEST_MAX, &len);
	if (!text)
		return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "no such revision") :
					 err_sys(err, ERR_STORAGE, "read revision %lld",
						 (long long)ret->number);
	AUTO_JSON json_t *doc = json_parse(text, len, err);
	if (doc && revision_decode(doc, ret, err) == 0)
		return 0;
	if (err) {
		err->code = ERR_CORRUPT;
		err->pointer[0] = 0;
	}
	revision_done(ret);
	return err_ctx(err, "revision %s", path);
}

json_t *revision_encode(const struct revision *r)
{
	json_t *files = json_array();
	size_t i;

	for (i = 0; i < r->count; i++) {
		const struct entry *e = &r->entries[i];
		json_t *v = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I}", "name", e->name, "id",
				      e->id, "ext", e->extension, "sha256", e->sha256, "mime",
				      e->mime, "origin", e->is_run ? "run" : "upload", "size",
				      (json_int_t)e->size, "created", (json_int_t)e->created);

		if (e->exec[0])
			(void)json_object_set_new(v, "exec", json_string(e->exec));
		if (e->read_only)
			(void)json_object_set_new(v, "read_only", json_true());
		(void)json_array_append_new(files, v);
	}
	return json_pack("{s:i,s:I,s:I,s:I,s:s,s:s,s:o}", "v", FORMAT_VERSION, "revision",
			 (json_int_t)r->number, "parent", (json_int_t)r->parent, "created",
			 (json_int_t)r->created, "op", r->op, "exec", r->exec, "files", files);
}

static int check_quota(const struct session *session, const struct revision *r, struct err *err)
{
	int64_t sum = 0;
	size_t i;

	for (i = 0; i < r->count; i++)
		sum += r->entries[i].size;
	if ((int64_t)r->count > session->config->session_files)
		return err_set(err, ERR_QUOTA, "session_files: more than %lld files in a session",
			       (long long)session->config->session_files);
	if (sum > session->config->session_bytes)
		return err_set(err, ERR_QUOTA, "session_bytes: more than %lld bytes in a session",
			       (long long)session->config->session_bytes);
	return 0;
}

/* A crash leaves either the whole revision or none. */
static int write_new(const struct session *session, int64_t number, const char *text,
		     struct err *err)
{
	AUTO_FD int dir = io_open_dir(session->dir, ".manifest");
	char name[32];

	(void)snprintf(name, sizeof(name), "%lld.json", (long long)number);
	if (dir < 0 || io_create_file(dir, name, text, strlen(text), session->config->fsync) < 0)
		return err_sys(err, ERR_STORAGE, "write a revision");
	return 0;
}

int revision_commit(struct session *session, struct revision *revision, const char *op,
		    const char *exec, struct err *err)
{
	int64_t newest = revision_newest(session);

	if (check_quota(session, revision, err) < 0)
		return -1;
	revision->number = newest + 1;
	revision->parent = newest;
	revision->created = text_now_ms();
	(void)snprintf(revision->op, sizeof(revision->op), "%s", op);
	(void)snprintf(revision->exec, sizeof(revision->exec), "%s", exec ? exec : "");
	AUTO_JSON json_t *doc = revision_encode(revision);
	AUTO_FREE char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	if (!text)
		return err_set(err, ERR_INTERNAL, "a revision cannot be written as JSON");
	return write_new(session, revision->number, text, err);
}
