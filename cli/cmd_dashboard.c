// SPDX-License-Identifier: Apache-2.0
/* dashboard: gathers what the page shows and writes it. */
#include "dashboard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct verb verb_dashboard;

static const struct json_field fields[] = {
	VERB_FIELDS(dashboard_request),
	JSON_FIELD(dashboard_request, output, .kind = JSON_KIND_STRING, .min = 1, .max = 4095),
	JSON_FIELD(dashboard_request, title, .kind = JSON_KIND_STRING, .min = 1, .max = 80),
	JSON_FIELD(dashboard_request, storage_of, .kind = JSON_KIND_MAP, .max = 100000),
	JSON_FIELD(dashboard_request, health, .kind = JSON_KIND_MAP, .max = 64),
	JSON_FIELD(dashboard_request, storage, .kind = JSON_KIND_BOOL),
	JSON_FIELD(dashboard_request, refresh, .kind = JSON_KIND_INT, .min = 0, .max = 86400),
};

enum {
	FIELD_COUNT = sizeof(fields) / sizeof(*fields),
	WALK_MAX = 500000, /* files and users that are looked at for the storage of all users */
};

static const struct option_row options[] = {
	{ 'o', "output", "output", OPTION_STRING, "OUT",
	  "write the page there (default: to stdout)" },
	{ 0, "title", "title", OPTION_STRING, "TEXT", "its title (default: the name of the host)" },
	{ 0, "storage", "storage", OPTION_FLAG, NULL,
	  "look through the store for the bytes of each user" },
	{ 0, "storage-of", "storage_of", OPTION_MAP, "USER=BYTES",
	  "show these instead, may be repeated" },
	{ 0, "health", "health", OPTION_MAP, "LAYER=TEXT",
	  "a row of the health table; a text that begins with 'ok' is good" },
	{ 0, "refresh", "refresh", OPTION_INT, "SECONDS",
	  "the page loads itself again (default: 0, never)" },
	{ 0 },
};

/* Keeps the DASHBOARD_TOP largest, the largest first. */
static void put_sorted(json_t *rows, const char *user, int64_t bytes)
{
	size_t at = json_array_size(rows);

	while (at > 0 && dashboard_count_of(json_array_get(rows, at - 1), "bytes") < bytes)
		at--;
	(void)json_array_insert_new(rows, at,
				    json_pack("{s:o,s:I}", "user", json_text(user, strlen(user)),
					      "bytes", (json_int_t)bytes));
	if (json_array_size(rows) > DASHBOARD_TOP)
		(void)json_array_remove(rows, DASHBOARD_TOP);
}

static json_t *storage_given(char *const *list)
{
	json_t *rows = json_array();

	for (; *list; list++) {
		const char *is = strchr(*list, '=');
		int64_t bytes;
		char user[80];

		(void)snprintf(user, sizeof(user), "%.*s", (int)(is - *list), *list);
		if (text_count(is + 1, 0, INT64_MAX, &bytes))
			put_sorted(rows, user, bytes);
	}
	return rows;
}

static DIR *dir_at(int fd, const char *name)
{
	int dir = io_open_dir(fd, name);
	DIR *d = dir < 0 ? NULL : fdopendir(dir);

	if (!d && dir >= 0)
		(void)close(dir);
	return d;
}

static int64_t session_bytes(int user, const char *session, int64_t *left)
{
	AUTO_DIR DIR *d = dir_at(user, session);
	struct dirent *de;
	int64_t sum = 0;

	while (d && *left > 0 && (de = readdir(d))) {
		struct stat st;

		if (de->d_name[0] == '.' ||
		    fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		(*left)--;
		sum += S_ISREG(st.st_mode) ? st.st_size : 0;
	}
	return sum;
}

/* The store counts what a user holds; where that is absent the files are looked at. */
static int64_t user_bytes(int store, const char *user, int64_t *left)
{
	AUTO_DIR DIR *d = dir_at(store, user);
	AUTO_FREE char *usage = NULL;
	struct dirent *de;
	int64_t sum = 0;
	size_t len;

	if (!d)
		return 0;
	(*left)--;
	usage = io_read_file(dirfd(d), ".usage", 32, &len);
	if (usage && len > 0 && usage[len - 1] == '\n')
		usage[len - 1] = 0;
	if (usage && text_count(usage, 0, INT64_MAX / 2, &sum))
		return sum;
	while (*left > 0 && (de = readdir(d)))
		if (de->d_name[0] != '.')
			sum += session_bytes(dirfd(d), de->d_name, left);
	return sum;
}

static json_t *storage_found(struct call *call, struct err *err)
{
	int store = call_storage(call, err);
	AUTO_DIR DIR *d = store < 0 ? NULL : dir_at(store, ".");
	int64_t left = WALK_MAX;
	struct dirent *de;
	json_t *rows;

	if (store < 0)
		return NULL;
	rows = json_array();
	while (d && left > 0 && (de = readdir(d)))
		if (de->d_name[0] != '.')
			put_sorted(rows, de->d_name, user_bytes(dirfd(d), de->d_name, &left));
	return rows;
}

/* The isolation of the newest run of the users of today. */
static void last_isolation(int state, struct dashboard *page)
{
	static const struct history_filter newest = { .limit = 1 };
	json_t *row;
	size_t i;

	json_array_foreach(page->users, i, row) {
		AUTO_JSON json_t *runs = NULL;
		const char *user = json_string_value(json_object_get(row, "user")), *when;
		json_t *run, *isolation;

		if (!user || history_list(state, user, &newest, &runs, NULL) < 0)
			continue;
		run = json_array_get(runs, 0);
		when = json_string_value(json_object_get(run, "time"));
		isolation = json_object_get(run, "isolation");
		if (!when || !json_is_object(isolation) || strcmp(when, page->last_run) <= 0)
			continue;
		json_decref(page->isolation);
		page->isolation = json_incref(isolation);
		(void)snprintf(page->last_run, sizeof(page->last_run), "%s", when);
	}
}

static void page_done(struct dashboard *page)
{
	json_decref(page->stats);
	json_decref(page->users);
	json_decref(page->storage);
	json_decref(page->isolation);
}

static int gather(struct call *call, int state, struct dashboard *page, struct err *err)
{
	const struct dashboard_request *r = page->request;

	page->now_ms = text_now_ms();
	if (gethostname(page->host, sizeof(page->host) - 1) < 0)
		(void)snprintf(page->host, sizeof(page->host), "sbx");
	page->stats = stats_json(state, err);
	page->users = page->stats ? budget_list(state, page->now_ms, DASHBOARD_TOP, err) : NULL;
	if (!page->users || slot_count(state, &page->running, &page->waiting, err) < 0)
		return -1;
	if (r->storage_of)
		page->storage = storage_given(r->storage_of);
	else if (r->storage && !(page->storage = storage_found(call, err)))
		return -1;
	last_isolation(state, page);
	return 0;
}

/* The page replaces an older one as a whole and keeps its mode, so that a server may read it. */
static int write_page(const char *path, const char *html, size_t len, struct err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	AUTO_FREE char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) :
					 strdup(".");
	AUTO_FD int dir = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct stat st;
	bool is_there;
	char clean[200];

	text_clean(path, clean, sizeof(clean));
	if (dir < 0)
		return err_sys(err, ERR_NOT_FOUND, "open the directory of '%s'", clean);
	is_there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (is_there && !S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, "'%s' is no regular file", clean);
	if (io_replace_file(dir, name, html, len, false) < 0 ||
	    (is_there && fchmodat(dir, name, st.st_mode & 0777, 0) < 0))
		return err_sys(err, ERR_STORAGE, "write '%s'", clean);
	return 0;
}

static int render(struct call *call, const struct dashboard *page, json_t **ret, struct err *err)
{
	const char *path = page->request->output;
	AUTO_FREE char *html = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&html, &len);
	int bad;

	if (!out)
		return err_sys(err, ERR_INTERNAL, "make the page");
	dashboard_body(out, page);
	bad = ferror(out);
	if (fclose(out) != 0 || bad)
		return err_set(err, ERR_INTERNAL, "make the page: out of memory");
	if (path && write_page(path, html, len, err) < 0)
		return -1;
	if (path) {
		*ret = json_pack("{s:o,s:I}", "output", json_text(path, strlen(path)), "bytes",
				 (json_int_t)len);
		return 0;
	}
	if (call->is_json) {
		*ret = json_pack("{s:o}", "html", json_text(html, len));
		return 0;
	}
	call->is_done = true;
	return fwrite(html, 1, len, stdout) == len ? 0 :
						     err_sys(err, ERR_INTERNAL, "write the page");
}

static int run(struct call *call, json_t *request, json_t **ret_answer, struct err *err)
{
	struct dashboard_request r = { 0 };
	struct dashboard page = { .request = &r, .config = call->config };
	int got = json_decode(request, fields, FIELD_COUNT, &r, "", err);
	int state = got < 0 ? -1 : call_state(call, err);

	got = state < 0 || gather(call, state, &page, err) < 0 ?
		      -1 :
		      render(call, &page, ret_answer, err);
	page_done(&page);
	json_release(fields, FIELD_COUNT, &r);
	return got;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	char clean[300];

	(void)call;
	text_clean(json_string_value(json_object_get(answer, "output")), clean, sizeof(clean));
	(void)fprintf(out, "%s\n", clean);
}

const struct verb verb_dashboard = {
	.name = "dashboard",
	.summary = "write a page that shows the state of this host",
	.options = options,
	.is_quiet = true,
	.run = run,
	.show = show,
};
