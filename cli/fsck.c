// SPDX-License-Identifier: Apache-2.0
#include "fsck.h"

#include "cleanup.h"
#include "exec.h"
#include "hash.h"
#include "io.h"
#include "names.h"
#include "text.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PROBLEMS_MAX = 1000, ORPHAN_AGE_S = 3600 };

struct check {
	struct call *call;
	bool repair;
	int storage;
	int64_t sessions, files, orphans, repaired, wrong, user_bytes;
	json_t *problems;
};

static void problem(struct check *c, const struct session *s, const char *file, const char *what,
		    bool mended)
{
	char where[200];

	(void)snprintf(where, sizeof(where), "%s/%s/%s", s->user, s->id, file);
	if (mended)
		c->repaired++;
	else
		c->wrong++;
	if (json_array_size(c->problems) < PROBLEMS_MAX)
		(void)json_array_append_new(c->problems,
					    json_pack("{s:s,s:s,s:b}", "where", where, "what", what,
						      "repaired", mended));
}

static bool hash_is(int fd, const char *want)
{
	char text[HASH_SIZE];

	return hash_file(fd, text) == 0 && !strcmp(text, want);
}

static void check_index(struct check *c, const struct session *s, const struct entry *e)
{
	char want[160], have[160] = "", path[64], dir[16];
	ssize_t n;

	(void)snprintf(want, sizeof(want), "%s/%s/%s", s->user, s->id, e->extension);
	(void)snprintf(path, sizeof(path), ".ids/%.2s/%s", e->id, e->id);
	n = readlinkat(c->storage, path, have, sizeof(have) - 1);
	if (n > 0 && !strcmp(have, want))
		return;
	if (!c->repair) {
		problem(c, s, e->id, "not in the index, or wrongly", false);
		return;
	}
	(void)snprintf(dir, sizeof(dir), ".ids/%.2s", e->id);
	(void)unlinkat(c->storage, path, 0);
	(void)io_mkdir(c->storage, ".ids");
	(void)io_mkdir(c->storage, dir);
	problem(c, s, e->id, "not in the index, or wrongly",
		symlinkat(want, c->storage, path) == 0);
}

static void check_entry(struct check *c, const struct session *s, const struct entry *e)
{
	AUTO_FD int fd = entry_open(s, e, NULL);
	struct stat st;

	c->files++;
	if (fd < 0)
		problem(c, s, e->id, "the stored file is missing", false);
	else if (fstat(fd, &st) < 0 || st.st_size != e->size)
		problem(c, s, e->id, "the stored file has the wrong size", false);
	else if (!hash_is(fd, e->sha256))
		problem(c, s, e->id, "the stored file has the wrong hash", false);
	check_index(c, s, e);
}

/* The set of stored names that any revision of a session has: an object is the set. */
static void check_revisions(struct check *c, const struct session *s, json_t *named)
{
	int64_t newest = revision_newest(s), n;
	size_t i;

	for (n = 1; n <= newest; n++) {
		struct revision r;
		struct err err = { 0 };

		if (revision_load(s, n, &r, &err) < 0) {
			if (err.code != ERR_NOT_FOUND) /* an old one may have been removed */
				problem(c, s, ".manifest", err.msg, false);
			continue;
		}
		for (i = 0; i < r.count; i++) {
			char name[64];

			(void)snprintf(name, sizeof(name), "%s.%s", r.entries[i].id,
				       r.entries[i].extension);
			if (json_object_get(named, name))
				continue;
			(void)json_object_set_new(named, name, json_true());
			check_entry(c, s, &r.entries[i]);
		}
		revision_done(&r);
	}
}

static void check_files(struct check *c, const struct session *s, json_t *named)
{
	int again = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		struct stat st;
		char path[80];

		if (de->d_name[0] == '.' ||
		    fstatat(s->dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (json_object_get(named, de->d_name)) {
			c->user_bytes += st.st_size;
			continue;
		}
		if (time(NULL) - st.st_ctime <
		    ORPHAN_AGE_S) { /* an upload may be about to name it */
			c->user_bytes += st.st_size;
			continue;
		}
		c->orphans++;
		(void)snprintf(path, sizeof(path), ".ids/%.2s/%.36s", de->d_name, de->d_name);
		if (c->repair)
			(void)unlinkat(c->storage, path, 0);
		problem(c, s, de->d_name, "no revision names this file",
			c->repair && unlinkat(s->dir, de->d_name, 0) == 0);
	}
}

static void check_session(struct check *c, const char *user, const char *id)
{
	AUTO_JSON json_t *named = json_object();
	struct session s;

	if (session_open(c->call, user, id, &s, NULL) < 0)
		return;
	c->sessions++;
	check_revisions(c, &s, named);
	check_files(c, &s, named);
	session_done(&s);
}

static void check_usage(struct check *c, int user_dir, const char *user)
{
	struct session s = { .user_dir = user_dir, .id = "-", .dir = -1 };
	int64_t have = usage_add(&s, 0, NULL);

	(void)snprintf(s.user, sizeof(s.user), "%.64s", user);
	if (have == c->user_bytes)
		return;
	problem(c, &s, ".usage", "the sum of the user's bytes is off",
		c->repair && usage_add(&s, c->user_bytes - have, NULL) >= 0);
}

int fsck_run(struct call *call, bool repair, json_t **ret, struct err *err)
{
	struct check c = { .call = call, .repair = repair, .storage = call_storage(call, err) };
	struct dirent *de, *in;

	call->is_looking = true;
	if (c.storage < 0)
		return -1;
	c.problems = json_array();
	int again = openat(c.storage, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	while (dir && (de = readdir(dir))) {
		AUTO_FD int user_dir = de->d_name[0] == '.' ? -1 :
							      io_open_dir(c.storage, de->d_name);
		int inner = user_dir < 0 ?
				    -1 :
				    openat(user_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		AUTO_DIR DIR *users = inner < 0 ? NULL : fdopendir(inner);

		c.user_bytes = 0;
		while (users && (in = readdir(users)))
			if (id_is(in->d_name))
				check_session(&c, de->d_name, in->d_name);
		if (user_dir >= 0)
			check_usage(&c, user_dir, de->d_name);
	}
	if (c.wrong) {
		json_t *first = json_array_get(c.problems, 0);

		(void)err_set(err, ERR_CORRUPT, "%lld problems, the first: %s: %s",
			      (long long)c.wrong,
			      json_string_value(json_object_get(first, "where")),
			      json_string_value(json_object_get(first, "what")));
		(void)err_hint(err, "'fsck --repair' mends the index, sums and unnamed files");
	}
	*ret = json_pack("{s:I,s:I,s:I,s:I,s:I,s:o}", "sessions", (json_int_t)c.sessions, "files",
			 (json_int_t)c.files, "unnamed_files", (json_int_t)c.orphans, "repaired",
			 (json_int_t)c.repaired, "wrong", (json_int_t)c.wrong, "problems",
			 c.problems);
	return c.wrong ? -1 : 0;
}
