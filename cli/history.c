// SPDX-License-Identifier: Apache-2.0
#include "history.h"

#include "audit.h"
#include "cleanup.h"
#include "io.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TIME_LEN = 24, MONTH_LEN = sizeof("YYYY-MM.jsonl") - 1 };

enum { NO_HISTORY = -2 }; /* instead of a descriptor: the user has none yet */

#define TIME_KEY "{\"time\":\""

static int open_user(int state, const char *user, bool make, struct err *err)
{
	AUTO_FD int dir = -1;
	int fd;

	if (make && io_mkdir(state, "history") < 0)
		return err_sys(err, ERR_INTERNAL, "make the history directory");
	dir = io_open_dir(state, "history");
	if (dir >= 0 && make && io_mkdir(dir, user) < 0)
		return err_sys(err, ERR_INTERNAL, "make the history of '%s'", user);
	fd = dir < 0 ? -1 : io_open_dir(dir, user);
	if (fd < 0 && !make && errno == ENOENT)
		return NO_HISTORY;
	return fd < 0 ? err_sys(err, ERR_INTERNAL, "open the history of '%s'", user) : fd;
}

/* Ends what a killed writer left, in the same write that adds our line. */
static int append(int fd, const char *text, const char *when, const char *user, struct err *err)
{
	AUTO_FREE char *line = NULL;
	char last = '\n';
	struct stat st;
	int len;

	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_INTERNAL, "lock the history of '%s'", user);
	if (fstat(fd, &st) < 0 || (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1))
		return err_sys(err, ERR_INTERNAL, "read the history of '%s'", user);
	len = asprintf(&line, "%s" TIME_KEY "%s\"%s%s\n", last == '\n' ? "" : "\n", when,
		       text[1] == '}' ? "" : ",", text + 1);
	if (len < 0) {
		line = NULL;
		return err_set(err, ERR_INTERNAL, "write the history: out of memory");
	}
	if (io_write_all(fd, line, (size_t)len) < 0) {
		(void)err_sys(err, ERR_INTERNAL, "write the history of '%s'", user);
		(void)ftruncate(fd, st.st_size); /* otherwise a reader skips half a line */
		return -1;
	}
	return 0;
}

int history_add(int state, const char *user, json_t *receipt, struct err *err)
{
	AUTO_FD int dir = open_user(state, user, true, err);
	AUTO_JSON json_t *copy = json_copy(receipt);
	AUTO_FREE char *text = NULL;
	char when[32], name[32];

	if (dir < 0)
		return -1;
	(void)json_object_del(copy, "time");
	text = json_dumps(copy, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (!text)
		return err_set(err, ERR_INTERNAL, "write the history: no object, or out of memory");
	(void)text_time(text_now_ms(), when);
	(void)snprintf(name, sizeof(name), "%.7s.jsonl", when);
	AUTO_FD int fd = io_open(dir, name, O_RDWR | O_CREAT | O_APPEND, 0600);
	if (fd < 0)
		return err_sys(err, ERR_INTERNAL, "open the history of '%s'", user);
	return append(fd, text, when, user, err);
}

/* ---- reading ---- */

static bool is_month(const char *name)
{
	return strlen(name) == MONTH_LEN && strspn(name, "0123456789") == 4 && name[4] == '-' &&
	       strspn(name + 5, "0123456789") == 2 && !strcmp(name + 7, ".jsonl");
}

/* The newest month older than `before`; false when there is none. */
static bool month_before(int dir, const char *before, char *ret)
{
	int fd = io_open_dir(dir, ".");
	AUTO_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char best[MONTH_LEN + 1] = "";
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (is_month(de->d_name) && strcmp(de->d_name, before) < 0 &&
		    strcmp(de->d_name, best) > 0)
			memcpy(best, de->d_name, sizeof(best));
	memcpy(ret, best, sizeof(best));
	return best[0] != 0;
}

struct query {
	const struct history_filter *filter;
	const char *exec_id;
	char since[32], session[160], status[160], id[160];
	json_t *rows;
};

enum { QUERY_FULL = 1, QUERY_OLD = 2 };

static bool is_equal(json_t *row, const char *member, const char *value)
{
	const char *is = json_string_value(json_object_get(row, member));

	return !value || (is && !strcmp(is, value));
}

static bool has(const char *line, size_t len, const char *text)
{
	return !*text || memmem(line, len, text, strlen(text));
}

static int look(const char *line, size_t len, void *arg)
{
	struct query *q = arg;
	const struct history_filter *f = q->filter;
	json_t *row;

	/* lines stand in the order of their times, so the first that is too old ends it */
	if (q->since[0] && len > sizeof(TIME_KEY) + TIME_LEN &&
	    !memcmp(line, TIME_KEY, sizeof(TIME_KEY) - 1) &&
	    memcmp(line + sizeof(TIME_KEY) - 1, q->since, TIME_LEN) < 0)
		return QUERY_OLD;
	if (!has(line, len, q->session) || !has(line, len, q->status) || !has(line, len, q->id))
		return 0;
	row = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!row || !is_equal(row, "session", f->session) || !is_equal(row, "status", f->status) ||
	    !is_equal(row, "exec_id", q->exec_id)) {
		json_decref(row);
		return 0;
	}
	(void)json_array_append_new(q->rows, row);
	return f->limit > 0 && (int64_t)json_array_size(q->rows) >= f->limit ? QUERY_FULL : 0;
}

/* What a line must hold to be worth parsing; a long or odd value is left to the comparison. */
static void needle(char *buf, size_t size, const char *member, const char *value)
{
	buf[0] = 0;
	if (!value || strpbrk(value, "\"\\/") || !text_is_utf8(value, strlen(value)))
		return;
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < 32 || (unsigned char)*p > 126)
			return;
	if (snprintf(buf, size, "\"%s\":\"%s\"", member, value) >= (int)size)
		buf[0] = 0;
}

static int query(int state, const char *user, const struct history_filter *filter,
		 const char *exec_id, json_t **ret, struct err *err)
{
	AUTO_FD int dir = open_user(state, user, false, err);
	AUTO_JSON json_t *rows = json_array();
	struct query q = { .filter = filter, .exec_id = exec_id, .rows = rows };
	char month[MONTH_LEN + 1] = "~";
	int got = 0;

	if (dir < 0 && dir != NO_HISTORY)
		return -1;
	if (filter->since_ms > 0)
		(void)text_time(filter->since_ms, q.since);
	needle(q.session, sizeof(q.session), "session", filter->session);
	needle(q.status, sizeof(q.status), "status", filter->status);
	needle(q.id, sizeof(q.id), "exec_id", exec_id);
	while (dir >= 0 && got == 0 && month_before(dir, month, month)) {
		AUTO_FD int fd = io_open_regular(dir, month, O_RDONLY);
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0)
			return err_sys(err, ERR_INTERNAL, "open the history of '%s'", user);
		got = audit_lines_back(fd, st.st_size, look, &q);
	}
	if (got < 0)
		return err_sys(err, ERR_INTERNAL, "read the history of '%s'", user);
	*ret = take_ptr(&rows);
	return 0;
}

int history_list(int state, const char *user, const struct history_filter *filter, json_t **ret,
		 struct err *err)
{
	return query(state, user, filter, NULL, ret, err);
}

int history_find(int state, const char *user, const char *exec_id, json_t **ret, struct err *err)
{
	static const struct history_filter one = { .limit = 1 };
	AUTO_JSON json_t *rows = NULL;

	if (query(state, user, &one, exec_id, &rows, err) < 0)
		return -1;
	if (json_array_size(rows) == 0)
		return err_set(err, ERR_NOT_FOUND, "no such run");
	*ret = json_incref(json_array_get(rows, 0));
	return 0;
}

int history_erase(int state, const char *user, struct err *err)
{
	AUTO_FD int dir = io_open_dir(state, "history");

	if (dir < 0)
		return errno == ENOENT ? 0 :
					 err_sys(err, ERR_INTERNAL, "open the history directory");
	if (io_remove_tree(dir, user) < 0)
		return err_sys(err, ERR_INTERNAL, "remove the history of '%s'", user);
	return 0;
}

/* A name of a month sorts as its time does. */
static int64_t expire_months(int dir, const char *oldest, bool dry_run)
{
	int fd = io_open_dir(dir, ".");
	AUTO_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	int64_t n = 0;

	while (d && (de = readdir(d)))
		if (is_month(de->d_name) && strcmp(de->d_name, oldest) < 0 &&
		    (dry_run || unlinkat(dir, de->d_name, 0) == 0))
			n++;
	return n;
}

int history_expire(int state, int64_t days, int64_t now_ms, bool dry_run, int64_t *ret_months,
		   struct err *err)
{
	char oldest[32];
	struct dirent *de;

	*ret_months = 0;
	if (days <= 0)
		return 0;
	(void)text_time(now_ms - days * 86400000, oldest);
	oldest[7] = 0; /* the month that this day is in stays */
	AUTO_FD int dir = io_open_dir(state, "history");
	int fd = dir < 0 ? -1 : io_open_dir(dir, ".");
	AUTO_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return errno == ENOENT ? 0 :
					 err_sys(err, ERR_INTERNAL, "open the history directory");
	while ((de = readdir(d))) {
		AUTO_FD int user = de->d_name[0] == '.' ? -1 : io_open_dir(dir, de->d_name);

		if (user >= 0)
			*ret_months += expire_months(user, oldest, dry_run);
	}
	return 0;
}
