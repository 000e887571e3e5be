// SPDX-License-Identifier: Apache-2.0
#include "cleanup.h"
#include "history.h"
#include "ids.h"
#include "text.h"
#include "verb.h"

#include <string.h>

extern const struct verb verb_history, verb_show;

enum { LIMIT = 20 };

struct request {
	VERB_MEMBERS;
	char *session, *status;
	char **exec;
	int64_t since_ms, limit;
};

static const struct json_field list_fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, session, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, status, .kind = JSON_KIND_STRING, .min = 1, .max = 32),
	JSON_FIELD(request, since_ms, .kind = JSON_KIND_INT, .min = 1, .max = INT64_MAX / 4),
	JSON_FIELD(request, limit, .kind = JSON_KIND_INT, .min = 1, .max = 1000000),
};

static const struct json_field show_fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, exec, .kind = JSON_KIND_STRINGS, .required = true, .max = 1),
};

static const struct option_row list_options[] = {
	VERB_USER_OPTION,
	{ 's', "session", "session", OPTION_STRING, "ID", "only runs of this session" },
	{ 0, "status", "status", OPTION_STRING, "STATUS", "only success, error, timeout, ..." },
	{ 0, "since", "since_ms", OPTION_DURATION, "TIME", "only what is no older, as 24h" },
	{ 'n', "limit", "limit", OPTION_INT, "N", "the newest N (default: 20)" },
	{ 0 },
};

static const struct option_row show_options[] = { VERB_USER_OPTION, { 0 } };

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* An id in either form into the one that receipts have. */
static int long_id(const char *given, const char *pointer, char *ret, struct err *err)
{
	if (id_parse(given, ret))
		return 0;
	(void)err_set(err, ERR_REQUEST, "is no id");
	return err_at(err, "%s", pointer);
}

static int list(struct call *call, const struct request *r, json_t **ret, struct err *err)
{
	struct history_filter filter = { .status = r->status,
					 .limit = r->limit ? r->limit : LIMIT };
	int state = call_state(call, err);
	AUTO_JSON json_t *rows = NULL;
	char session[ID_SIZE];

	if (state < 0 || (r->session && long_id(r->session, "/session", session, err) < 0))
		return -1;
	filter.session = r->session ? session : NULL;
	filter.since_ms = r->since_ms ? text_now_ms() - r->since_ms : 0;
	if (history_list(state, call->user, &filter, &rows, err) < 0)
		return -1;
	*ret = json_pack("{s:s,s:O}", "user", call->user, "runs", rows);
	return 0;
}

static int run_history(struct call *call, json_t *request, json_t **ret_answer, struct err *err)
{
	struct request r = { 0 };
	int got = json_decode(request, list_fields, COUNT(list_fields), &r, "", err);

	if (got == 0)
		got = list(call, &r, ret_answer, err);
	json_release(list_fields, COUNT(list_fields), &r);
	return got;
}

static int find(struct call *call, const struct request *r, json_t **ret, struct err *err)
{
	int state = call_state(call, err);
	AUTO_JSON json_t *row = NULL;
	char id[ID_SIZE];

	if (state < 0)
		return -1;
	if (!r->exec[0])
		return err_set(err, ERR_USAGE, "which run: its exec_id is missing");
	if (long_id(r->exec[0], "/exec/0", id, err) < 0 ||
	    history_find(state, call->user, id, &row, err) < 0)
		return -1;
	*ret = json_pack("{s:s,s:O}", "user", call->user, "run", row);
	return 0;
}

static int run_show(struct call *call, json_t *request, json_t **ret_answer, struct err *err)
{
	struct request r = { 0 };
	int got = json_decode(request, show_fields, COUNT(show_fields), &r, "", err);

	if (got == 0)
		got = find(call, &r, ret_answer, err);
	json_release(show_fields, COUNT(show_fields), &r);
	return got;
}

static const char *text_of(json_t *row, const char *member, char *buf, size_t size)
{
	const char *text = json_string_value(json_object_get(row, member));

	text_clean(text ? text : "-", buf, size);
	return buf;
}

static void show_history(const struct call *call, json_t *answer, FILE *out)
{
	json_t *row;
	size_t i;

	(void)call;
	json_array_foreach(json_object_get(answer, "runs"), i, row) {
		json_t *usage = json_object_get(row, "usage");
		char when[32], id[48], status[24], lang[32];

		(void)fprintf(out, "%-24s  %-36s  %-13s  %-12s  %6lld ms\n",
			      text_of(row, "time", when, sizeof(when)),
			      text_of(row, "exec_id", id, sizeof(id)),
			      text_of(row, "status", status, sizeof(status)),
			      text_of(row, "lang", lang, sizeof(lang)),
			      (long long)json_integer_value(json_object_get(usage, "wall_ms")));
	}
}

/* One line a member, nested ones as a/b; strings without what a terminal would obey. */
static void show_members(const char *prefix, json_t *object, int depth, FILE *out)
{
	const char *name;
	json_t *v;

	json_object_foreach(object, name, v) {
		char clean[80], path[200], value[400];

		text_clean(name, clean, sizeof(clean));
		(void)snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "/" : "", clean);
		if (json_is_object(v) && depth < 4) {
			show_members(path, v, depth + 1, out);
		} else if (json_is_string(v)) {
			text_clean(json_string_value(v), value, sizeof(value));
			(void)fprintf(out, "%-32s %s\n", path, value);
		} else {
			AUTO_FREE char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

			(void)fprintf(out, "%-32s %s\n", path, text ? text : "?");
		}
	}
}

static void show_show(const struct call *call, json_t *answer, FILE *out)
{
	(void)call;
	show_members("", json_object_get(answer, "run"), 0, out);
}

const struct verb verb_history = {
	.name = "history",
	.summary = "list past runs, the newest first",
	.options = list_options,
	.run = run_history,
	.show = show_history,
};

const struct verb verb_show = {
	.name = "show",
	.operands = "EXEC",
	.operand_member = "exec",
	.summary = "show the receipt of a run",
	.options = show_options,
	.run = run_show,
	.show = show_show,
};
