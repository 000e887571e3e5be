// SPDX-License-Identifier: Apache-2.0
#include "alert.h"
#include "audit.h"
#include "cleanup.h"
#include "config.h"
#include "ids.h"
#include "stats.h"
#include "text.h"
#include "verb.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern const struct verb verb_audit;

struct request {
	VERB_MEMBERS;
	char **what;
	char *session, *action, *status, *format, *expect;
	int64_t since_ms, limit, after, count;
	bool follow;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, what, .kind = JSON_KIND_STRINGS, .max = 1),
	JSON_FIELD(request, session, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, action, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, status, .kind = JSON_KIND_STRING, .min = 1, .max = 16),
	JSON_FIELD(request, format, .kind = JSON_KIND_STRING, .min = 1, .max = 8),
	JSON_FIELD(request, expect, .kind = JSON_KIND_STRING, .min = 66, .max = 90),
	JSON_FIELD(request, since_ms, .kind = JSON_KIND_INT, .min = 1, .max = INT64_MAX / 4),
	JSON_FIELD(request, limit, .kind = JSON_KIND_INT, .min = 1, .max = 1000000),
	JSON_FIELD(request, after, .kind = JSON_KIND_INT, .min = 0, .max = INT64_MAX / 4),
	JSON_FIELD(request, count, .kind = JSON_KIND_INT, .min = 1, .max = 1000000000),
	JSON_FIELD(request, follow, .kind = JSON_KIND_BOOL),
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(*fields), LIMIT = 100, FOLLOW_MS = 200 };

static const struct option_row options[] = {
	{ 'u', "user", "user", OPTION_STRING, "USER", "only records of this user" },
	{ 's', "session", "session", OPTION_STRING, "ID", "only records of this session" },
	{ 0, "action", "action", OPTION_STRING, "ACTION",
	  "only upload, exec, download, files_list, auth_failure, ..." },
	{ 0, "status", "status", OPTION_STRING, "STATUS", "only success, error or denied" },
	{ 0, "since", "since_ms", OPTION_DURATION, "TIME", "only what is no older, as 24h" },
	{ 'n', "limit", "limit", OPTION_INT, "N", "the newest N (default: 100; export: all)" },
	{ 0, "after", "after", OPTION_INT, "SEQ",
	  "only what has a greater number; of tail: all of it, then what follows" },
	{ 'f', "follow", "follow", OPTION_FLAG, NULL, "go on with what is recorded from now on" },
	{ 0, "format", "format", OPTION_STRING, "FORMAT", "of export: jsonl, csv or mongo" },
	{ 0, "count", "count", OPTION_INT, "N", "of auth-failure: how many of them" },
	{ 0, "expect", "expect", OPTION_STRING, "SEQ:HASH",
	  "of verify: this record, noted earlier, must be there" },
	{ 0 },
};

/* ---- formats ---- */

typedef int write_record(json_t *record, FILE *out);

static int write_jsonl(json_t *record, FILE *out)
{
	return json_dumpf(record, out, JSON_COMPACT | JSON_ENSURE_ASCII) < 0 ||
			       putc('\n', out) < 0 ?
		       -1 :
		       0;
}

/* As mongoimport reads it: dates are dates; the hash is the key, so a second import is none. */
static int write_mongo(json_t *record, FILE *out)
{
	static const char *const dates[] = { "createdAt", "updatedAt" };
	AUTO_JSON json_t *copy = json_object();
	size_t i;

	(void)json_object_set(copy, "_id", json_object_get(record, "hash"));
	(void)json_object_update(copy, record);
	for (i = 0; i < 2; i++)
		(void)json_object_set_new(copy, dates[i],
					  json_pack("{s:O}", "$date",
						    json_object_get(record, dates[i])));
	return write_jsonl(copy, out);
}

static const char *const columns[] = { "seq",
				       "createdAt",
				       "action",
				       "status",
				       "userId",
				       "sessionId",
				       "ip",
				       "userAgent",
				       "execution/lang",
				       "execution/durationMs",
				       "execution/exitCode",
				       "execution/memoryMB",
				       "execution/filesGenerated",
				       "file/fileId",
				       "file/filename",
				       "file/size",
				       "file/mimeType",
				       "error",
				       "details",
				       "hash" };

enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

static json_t *member_at(json_t *record, const char *path)
{
	const char *slash = strchr(path, '/');
	char name[32];

	if (!slash)
		return json_object_get(record, path);
	(void)snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
	return json_object_get(json_object_get(record, name), slash + 1);
}

/* Quoted; what a spreadsheet would take for a formula gets an apostrophe; no control characters. */
static void write_cell(const char *text, FILE *out)
{
	AUTO_FREE char *clean = malloc(strlen(text) + 1);
	const char *p;

	if (!clean)
		return;
	text_clean(text, clean, strlen(text) + 1);
	(void)putc('"', out);
	if (*clean && strchr("=+-@", *clean))
		(void)putc('\'', out);
	for (p = clean; *p; p++) {
		if (*p == '"')
			(void)putc('"', out);
		(void)putc(*p, out);
	}
	(void)putc('"', out);
}

static int write_csv(json_t *record, FILE *out)
{
	size_t i;

	for (i = 0; i < COLUMNS; i++) {
		json_t *v = member_at(record, columns[i]);

		if (i)
			(void)putc(',', out);
		if (json_is_string(v)) {
			write_cell(json_string_value(v), out);
		} else if (v && !json_is_null(v)) {
			AUTO_FREE char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

			if (text && json_is_number(v))
				(void)fputs(text, out);
			else if (text)
				write_cell(text, out);
		}
	}
	return fputs("\r\n", out) < 0 ? -1 : 0;
}

static void csv_head(FILE *out)
{
	size_t i;

	for (i = 0; i < COLUMNS; i++)
		(void)fprintf(out, "%s%s", i ? "," : "", columns[i]);
	(void)fputs("\r\n", out);
}

static void write_plain(json_t *record, FILE *out)
{
	static const char *const shown[] = { "createdAt",     "status",    "action",
					     "userId",        "sessionId", "execution/lang",
					     "file/filename", "error" };
	size_t i;

	for (i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		const char *text = json_string_value(member_at(record, shown[i]));
		char clean[300];

		text_clean(text ? text : "", clean, sizeof(clean));
		if (text)
			(void)fprintf(out, "%s%s", i ? "  " : "", clean);
	}
	(void)putc('\n', out);
}

static int write_line(json_t *record, FILE *out)
{
	write_plain(record, out);
	return 0;
}

/* ---- subcommands ---- */

struct sink {
	write_record *write;
	struct err *err;
};

static int to_stdout(json_t *record, void *arg)
{
	const struct sink *sink = arg;

	if (sink->write(record, stdout) < 0 || ferror(stdout))
		return err_set(sink->err, ERR_INTERNAL, "cannot write the records");
	return 0;
}

/* session gets the long form of an id; what is none matches nothing, as any other word. */
static struct audit_filter filter_of(const struct request *r, char *session)
{
	return (struct audit_filter){
		.user = r->user,
		.session = r->session && id_parse(r->session, session) ? session : r->session,
		.action = r->action,
		.status = r->status,
		.since_ms = r->since_ms ? text_now_ms() - r->since_ms : 0,
		.limit = r->limit,
		.after = r->after < 0 ? 0 : r->after,
	};
}

static int format_of(const struct request *r, write_record **ret, struct err *err)
{
	if (!r->format || !strcmp(r->format, "jsonl"))
		*ret = write_jsonl;
	else if (!strcmp(r->format, "csv"))
		*ret = write_csv;
	else if (!strcmp(r->format, "mongo"))
		*ret = write_mongo;
	else {
		(void)err_set(err, ERR_REQUEST, "must be jsonl, csv or mongo");
		return err_at(err, "/format");
	}
	return 0;
}

static int export(struct call *call, int state, const struct request *r, struct err *err)
{
	char session[ID_SIZE];
	struct audit_filter filter = filter_of(r, session);
	struct sink sink = { .err = err };
	AUTO_JSON json_t *list = NULL;
	size_t i;
	json_t *record;

	if (format_of(r, &sink.write, err) < 0)
		return -1;
	if (r->limit && audit_list(state, &filter, &list, err) < 0)
		return -1;
	call->is_done = true;
	if (sink.write == write_csv)
		csv_head(stdout);
	if (!r->limit)
		return audit_walk(state, &filter, to_stdout, &sink, err);
	json_array_foreach(list, i, record)
		if (to_stdout(record, &sink) < 0)
			return -1;
	return 0;
}

static int follow(struct call *call, int state, const struct request *r, struct err *err)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_MS * 1000000L };
	struct audit_cursor cursor = { .fd = -1 };
	char session[ID_SIZE];
	struct audit_filter filter = filter_of(r, session);
	struct sink sink = { .write = call->is_json || r->format ? write_jsonl : write_line,
			     .err = err };
	AUTO_JSON json_t *list = NULL;
	json_t *record;
	size_t i;
	int got;

	filter.limit = r->limit ? r->limit : 10;
	cursor.is_from = r->after >= 0;
	cursor.seq = (uint64_t)filter.after;
	call->is_done = true;
	/* the end is found first: what comes while we list may show twice, never not at all */
	got = audit_follow(state, &cursor, &filter, to_stdout, &sink, err);
	if (got == 0 && !cursor.is_from)
		got = audit_list(state, &filter, &list, err);
	json_array_foreach(list, i, record)
		if (got == 0)
			got = to_stdout(record, &sink);
	while (got == 0) {
		got = audit_follow(state, &cursor, &filter, to_stdout, &sink, err);
		if (got == 0 && fflush(stdout) != 0)
			break; /* the reader has gone: done */
		(void)nanosleep(&pause, NULL);
	}
	audit_cursor_done(&cursor);
	return got;
}

static int verify(struct call *call, int state, const struct request *r, json_t **ret,
		  struct err *err)
{
	struct audit_verdict v;
	char message[400];

	if (audit_verify(state, r->expect, &v, err) < 0)
		return -1;
	if (!v.is_broken) {
		*ret = audit_verdict_json(&v);
		return 0;
	}
	(void)snprintf(message, sizeof(message),
		       "the audit log is broken: %s, line %" PRIu64 ", record %" PRIu64 ": %s",
		       v.file[0] ? v.file : "the whole", v.line, v.seq, v.why);
	/* neither may hide the finding */
	(void)stats_count(state, STATS_AUDIT_BROKEN, 1, NULL);
	(void)alert_raise(call->config, state, "audit", message, NULL);
	(void)err_set(err, ERR_CORRUPT, "%s", message);
	return err_hint(err, "keep the audit directory as it is and compare it with a backup");
}

static int list(int state, const struct request *r, json_t **ret, struct err *err)
{
	char session[ID_SIZE];
	struct audit_filter filter = filter_of(r, session);
	AUTO_JSON json_t *records = NULL;

	if (!filter.limit)
		filter.limit = LIMIT;
	if (audit_list(state, &filter, &records, err) < 0)
		return -1;
	*ret = json_pack("{s:O}", "records", records);
	return 0;
}

/* Somebody came with a wrong key: told by whoever checks keys. Nobody is named, nobody was it. */
static int auth_failure(struct call *call, int state, const struct request *r, json_t **ret,
			struct err *err)
{
	int64_t count = r->count ? r->count : 1;
	json_t *record = json_pack("{s:s,s:s,s:{s:I}}", "action", "auth_failure", "status",
				   "denied", "details", "count", (json_int_t)count);

	if (call->ip)
		(void)json_object_set_new(record, "ip", json_text(call->ip, strlen(call->ip)));
	if (call->user_agent)
		(void)json_object_set_new(record, "userAgent",
					  json_text(call->user_agent, strlen(call->user_agent)));
	if (stats_count(state, STATS_AUTH_FAILED, count, err) < 0 ||
	    audit_append(state, call->config, record, err) < 0)
		return -1;
	*ret = json_pack("{s:I}", "count", (json_int_t)count);
	return 0;
}

static int dispatch(struct call *call, const struct request *r, json_t **ret, struct err *err)
{
	const char *what = r->what && r->what[0] ? r->what[0] : "";
	int state = call_state(call, err);

	if (state < 0)
		return -1;
	if (!strcmp(what, "tail") || (!*what && r->follow))
		return follow(call, state, r, err);
	if (!strcmp(what, "verify"))
		return verify(call, state, r, ret, err);
	if (!strcmp(what, "export"))
		return export(call, state, r, err);
	if (!strcmp(what, "auth-failure"))
		return auth_failure(call, state, r, ret, err);
	if (!*what)
		return list(state, r, ret, err);
	(void)err_set(err, call->is_request ? ERR_REQUEST : ERR_USAGE,
		      "audit knows verify, export, tail and auth-failure");
	return call->is_request ? err_at(err, "/what/0") : -1;
}

static int run(struct call *call, json_t *request, json_t **ret_answer, struct err *err)
{
	struct request r = { .after = -1 };
	int got = json_decode(request, fields, FIELD_COUNT, &r, "", err);

	if (got == 0)
		got = dispatch(call, &r, ret_answer, err);
	json_release(fields, FIELD_COUNT, &r);
	return got;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	json_t *records = json_object_get(answer, "records"), *record, *torn;
	size_t i;

	(void)call;
	if (json_is_array(records)) {
		json_array_foreach(records, i, record)
			write_plain(record, out);
		return;
	}
	if (!json_object_get(answer, "intact"))
		return;
	torn = json_object_get(answer, "torn");
	(void)fprintf(out, "intact: %lld records in %lld files, up to %lld:%s\n",
		      (long long)json_integer_value(records),
		      (long long)json_integer_value(json_object_get(answer, "files")),
		      (long long)json_integer_value(json_object_get(answer, "last_seq")),
		      json_string_value(json_object_get(answer, "hash")));
	if (json_integer_value(json_object_get(answer, "erased")) > 0)
		(void)fprintf(out, "%lld records were erased on request\n",
			      (long long)json_integer_value(json_object_get(answer, "erased")));
	if (json_integer_value(json_object_get(answer, "lost")) > 0)
		(void)fprintf(out, "%lld records were lost when the host went down\n",
			      (long long)json_integer_value(json_object_get(answer, "lost")));
	if (torn)
		(void)fprintf(
			out,
			"%s has an unfinished line at byte %lld; the next record sets it aside\n",
			json_string_value(json_object_get(torn, "file")),
			(long long)json_integer_value(json_object_get(torn, "offset")));
}

const struct verb verb_audit = {
	.name = "audit",
	.operands = "[verify|export|tail|auth-failure]",
	.operand_member = "what",
	.summary = "show, check or export the audit log",
	.options = options,
	.run = run,
	.show = show,
};
