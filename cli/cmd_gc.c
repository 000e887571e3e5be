// SPDX-License-Identifier: Apache-2.0
/* gc and fsck: what cron starts. Both walk the store in bounded memory, one session at a time. */
#include "audit.h"
#include "cgroup.h"
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "fsck.h"
#include "history.h"
#include "io.h"
#include "names.h"
#include "text.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { UNBORN_MS = 3600 * 1000 };

struct request {
	VERB_MEMBERS;
	int64_t ttl_ms, total_bytes;
	bool dry_run, repair;
};

static const struct json_field gc_fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, ttl_ms, .kind = JSON_KIND_INT, .min = 1, .max = INT64_MAX),
	JSON_FIELD(request, total_bytes, .kind = JSON_KIND_INT, .min = 1, .max = INT64_MAX),
	JSON_FIELD(request, dry_run, .kind = JSON_KIND_BOOL),
};
static const struct json_field fsck_fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, repair, .kind = JSON_KIND_BOOL),
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct gc {
	struct call *call;
	int64_t ttl_ms, now_ms;
	bool dry_run;
	int64_t sessions, removed, in_use, runs, graves, bytes, months, audit_files;
};

/* When it was used last: ms since 1970, -1 when that cannot be told. */
static int64_t used_ms(int user_dir, const char *id)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%.40s/.session.json", id);
	if (fstatat(user_dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

static int64_t ttl_of(int user_dir, const char *id, int64_t fallback)
{
	char path[64];
	size_t len;

	(void)snprintf(path, sizeof(path), "%.40s/.session.json", id);
	AUTO_FREE char *text = io_read_file(user_dir, path, 4096, &len);
	AUTO_JSON json_t *doc = text ? json_loadb(text, len, 0, NULL) : NULL;
	int64_t own = json_integer_value(json_object_get(doc, "ttl_ms"));

	return own ? own : fallback;
}

static void expire(struct gc *gc, const char *user, const char *id)
{
	struct session session;
	struct err err = { 0 };

	gc->removed++;
	if (gc->dry_run)
		return;
	if (session_open(gc->call, user, id, &session, &err) < 0)
		return;
	if (session_erase(gc->call, &session, false, &err) < 0) {
		gc->removed--;
		gc->in_use += err.code == ERR_BUSY;
	}
	session_done(&session);
}

/* A session without its file: whoever made it was ended in the middle, unless it is just being made. */
static void drop_unborn(struct gc *gc, int user_dir, const char *id)
{
	struct stat st;

	if (fstatat(user_dir, id, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    gc->now_ms - (int64_t)st.st_mtim.tv_sec * 1000 < UNBORN_MS)
		return;
	gc->graves++;
	if (!gc->dry_run)
		(void)io_remove_tree(user_dir, id);
}

static void visit_session(struct gc *gc, int user_dir, const char *user, const char *id)
{
	int64_t used = used_ms(user_dir, id),
		ttl = gc->ttl_ms ? gc->ttl_ms :
				   ttl_of(user_dir, id, gc->call->config->session_ttl_ms);
	AUTO_FD int dir = io_open_dir(user_dir, id);
	struct session session = { .dir = dir };

	gc->sessions++;
	if (dir >= 0 && !gc->dry_run) {
		gc->runs += session_sweep(&session);
		kept_sweep(&session, revision_newest(&session));
	}
	if (used < 0) {
		drop_unborn(gc, user_dir, id);
		return;
	}
	if (ttl && gc->now_ms - used > ttl)
		expire(gc, user, id);
}

static void finish_removal(int storage, int user_dir, const char *grave)
{
	struct session session = { .user_dir = user_dir, .dir = -1 };
	int64_t bytes;

	(void)grave_empty(storage, user_dir, grave, &bytes); /* what stays, the next gc finds */
	(void)usage_add(&session, -bytes, NULL);
}

static void visit_user(struct gc *gc, int storage, const char *user)
{
	AUTO_FD int user_dir = io_open_dir(storage, user);
	int again = user_dir < 0 ? -1 : openat(user_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		if (id_is(de->d_name)) {
			visit_session(gc, user_dir, user, de->d_name);
		} else if (!strncmp(de->d_name, ".gone-", 6)) {
			gc->graves++; /* an erasure that was cut short */
			if (!gc->dry_run)
				finish_removal(storage, user_dir, de->d_name);
		} else if (!strncmp(de->d_name, ".import-", 8)) {
			gc->graves++; /* an import that was cut short, unless it still goes on */
			if (gc->dry_run || hidden_erase(storage, user_dir, de->d_name, true) == 1)
				gc->graves--;
		}
	}
}

/* Sessions by time of use, least recent first, until the store is small enough. */
struct aged {
	int64_t used, bytes;
	char user[65], id[ID_SIZE];
};

static int by_age(const void *a, const void *b)
{
	const struct aged *x = a, *y = b;

	return x->used < y->used ? -1 : x->used > y->used;
}

static int64_t session_size(int user_dir, const char *id)
{
	int fd = io_open_dir(user_dir, id);
	AUTO_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int64_t sum = 0;

	while (dir && (de = readdir(dir))) {
		struct stat st;

		if (de->d_name[0] != '.' && fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			sum += st.st_size;
	}
	return sum;
}

static int shrink(struct gc *gc, int storage, int64_t limit, struct err *err)
{
	AUTO_FREE struct aged *list = NULL;
	size_t count = 0, room = 0, i;
	int64_t total = 0;
	int again = openat(storage, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *de, *in;

	while (dir && (de = readdir(dir))) {
		AUTO_FD int user_dir = de->d_name[0] == '.' ? -1 : io_open_dir(storage, de->d_name);
		int inner = user_dir < 0 ?
				    -1 :
				    openat(user_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		AUTO_DIR DIR *users = inner < 0 ? NULL : fdopendir(inner);

		while (users && (in = readdir(users))) {
			if (!id_is(in->d_name))
				continue;
			if (count == room) {
				struct aged *more = realloc(list, (room = room ? room * 2 : 64) *
									  sizeof(*list));

				if (!more)
					return err_sys(err, ERR_INTERNAL, "allocate");
				list = more;
			}
			list[count].used = used_ms(user_dir, in->d_name);
			list[count].bytes = session_size(user_dir, in->d_name);
			(void)snprintf(list[count].user, sizeof(list[count].user), "%.64s",
				       de->d_name);
			(void)snprintf(list[count].id, sizeof(list[count].id), "%.36s", in->d_name);
			total += list[count++].bytes;
		}
	}
	if (count)
		qsort(list, count, sizeof(*list), by_age);
	for (i = 0; i < count && total > limit; i++) {
		expire(gc, list[i].user, list[i].id);
		total -= list[i].bytes;
	}
	gc->bytes = total;
	return 0;
}

/* What the state keeps for so many days: receipts, and files of the audit log. */
static int expire_state(struct gc *gc, struct err *err)
{
	const struct config *c = gc->call->config;
	int state = call_state(gc->call, err);

	if (state < 0 || history_expire(state, c->history_ttl_days, gc->now_ms, gc->dry_run,
					&gc->months, err) < 0)
		return -1;
	if (gc->dry_run || !c->audit || !c->audit_ttl_days)
		return 0;
	/* busy: a verification goes on, the next gc comes */
	return audit_expire(state, c, gc->now_ms, &gc->audit_files, err) < 0 &&
			       err->code != ERR_BUSY ?
		       -1 :
		       0;
}

static int run_gc(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	int storage, done = json_decode(request, gc_fields, COUNT(gc_fields), &r, "", err);
	struct gc gc = {
		.call = call, .ttl_ms = r.ttl_ms, .now_ms = text_now_ms(), .dry_run = r.dry_run
	};
	int64_t limit = r.total_bytes ? r.total_bytes : call->config->storage_bytes;
	struct dirent *de;

	json_release(gc_fields, COUNT(gc_fields), &r);
	storage = done < 0 ? -1 : call_storage(call, err);
	if (storage < 0)
		return -1;
	int again = openat(storage, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	while (dir && (de = readdir(dir)))
		if (de->d_name[0] != '.')
			visit_user(&gc, storage, de->d_name);
	if (limit && shrink(&gc, storage, limit, err) < 0)
		return -1;
	if (expire_state(&gc, err) < 0)
		return -1;
	*ret = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b}", "sessions",
			 (json_int_t)gc.sessions, "removed", (json_int_t)gc.removed, "in_use",
			 (json_int_t)gc.in_use, "dead_runs", (json_int_t)gc.runs,
			 "unfinished_removals", (json_int_t)gc.graves, "cgroups",
			 (json_int_t)(gc.dry_run ? 0 : cgroup_sweep()), "history_months",
			 (json_int_t)gc.months, "audit_files", (json_int_t)gc.audit_files,
			 "dry_run", gc.dry_run);
	return 0;
}

static void show_numbers(const struct call *call, json_t *answer, FILE *out)
{
	const char *name;
	json_t *v;

	(void)call;
	json_object_foreach(answer, name, v)
		if (json_is_integer(v))
			(void)fprintf(out, "%-20s %lld\n", name, json_integer_value(v));
}

static int run_fsck(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	int done = json_decode(request, fsck_fields, COUNT(fsck_fields), &r, "", err);

	if (done == 0)
		done = fsck_run(call, r.repair, ret, err);
	json_release(fsck_fields, COUNT(fsck_fields), &r);
	return done;
}

static void show_fsck(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	show_numbers(call, answer, out);
	json_array_foreach(json_object_get(answer, "problems"), i, v)
		(void)fprintf(out, "%s: %s\n", json_string_value(json_object_get(v, "where")),
			      json_string_value(json_object_get(v, "what")));
}

static const struct option_row gc_options[] = {
	{ 0, "ttl", "ttl_ms", OPTION_DURATION, "TIME", "remove sessions unused for so long" },
	{ 0, "total", "total_bytes", OPTION_SIZE, "SIZE",
	  "then the least recently used, until the store is below" },
	{ 'n', "dry-run", "dry_run", OPTION_FLAG, NULL, "only say what would be removed" },
	{ 0 },
};
static const struct option_row fsck_options[] = {
	{ 0, "repair", "repair", OPTION_FLAG, NULL,
	  "rebuild the index, remove files no revision names" },
	{ 0 },
};

const struct verb verb_gc = { .name = "gc",
			      .summary = "remove what has expired",
			      .options = gc_options,
			      .run = run_gc,
			      .show = show_numbers };
const struct verb verb_fsck = { .name = "fsck",
				.summary = "check the store, rebuild its index",
				.options = fsck_options,
				.run = run_fsck,
				.show = show_fsck };
