// SPDX-License-Identifier: Apache-2.0
/*
 * Rates, budgets, slots, counters, history and audit around every verb. What is only told (counters,
 * history, audit) never makes an operation fail that has been done; a person sees why on stderr.
 */
#include "govern.h"

#include "alert.h"
#include "audit.h"
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "hash.h"
#include "history.h"
#include "ids.h"
#include "io.h"
#include "pressure.h"
#include "rate.h"
#include "receipt.h"
#include "slot.h"
#include "stats.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LOOK_AGAIN_MS = 50 };

static int wait_for_room(const struct config *config, int64_t *waited, struct err *err)
{
	struct timespec pause = { 0, LOOK_AGAIN_MS * 1000000L };
	int64_t begin = io_now_ms();

	while (pressure_check(config, err) < 0) {
		if (err->code != ERR_BUSY || io_now_ms() - begin >= config->wait_ms)
			return -1;
		(void)nanosleep(&pause, NULL);
		memset(err, 0, sizeof(*err));
	}
	*waited = io_now_ms() - begin;
	return 0;
}

static bool has_budget(const struct config *c)
{
	return c->day_runs || c->day_cpu_ms || c->day_bytes;
}

int govern_admit(struct call *call, int *ret_slot, int64_t *ret_wait_ms, struct err *err)
{
	const struct config *c = call->config;
	int state = call_state(call, err);
	int64_t waited = 0, queued = 0;

	*ret_slot = -1;
	if (state < 0 || (c->pressure_percent && wait_for_room(c, &waited, err) < 0))
		return -1;
	if (!call->is_aside && has_budget(c) &&
	    budget_take(state, c, call->user, text_now_ms(), err) < 0)
		return -1;
	if (slot_take(state, c, call->user, ret_slot, &queued, err) < 0)
		return -1;
	*ret_wait_ms = waited + queued;
	return 0;
}

int govern_rate(struct call *call, const char *verb, struct err *err)
{
	int state;

	if (!call->config->rate_per_minute)
		return 0;
	state = call_state(call, err);
	return state < 0 ? -1 :
			   rate_take(state, call->config, call->user, verb, text_now_ms(), err);
}

static const char *text_of(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void count_run(int state, struct exec *x, json_t *answer)
{
	json_t *usage = json_object_get(answer, "usage"),
	       *hits = json_object_get(answer, "limits_hit"), *v;
	const char *limits[16] = { NULL };
	struct stats_run run = { .status = x->status,
				 .lang = text_of(answer, "lang"),
				 .isolation = "userns",
				 .limits_hit = limits,
				 .wait_ms = x->wait_ms,
				 .wall_ms = json_integer_value(json_object_get(usage, "wall_ms")),
				 .cpu_ms = json_integer_value(json_object_get(usage, "cpu_ms")),
				 .memory_bytes = json_integer_value(
					 json_object_get(usage, "memory_peak_bytes")),
				 .blocked = x->run.report.blocked_total };
	size_t i;

	json_array_foreach(hits, i, v)
		if (i < 15)
			limits[i] = json_string_value(v);
	(void)stats_run_add(state, &run, NULL);
}

/* What a user used today is kept without any limit too, since the dashboard shows it. */
static void charge(int state, struct call *call, const struct exec *x)
{
	struct budget used = { .runs = has_budget(call->config) ? 0 : 1, /* counted when it began */
			       .cpu_ms = x->run.report.cpu_us / 1000,
			       .bytes = x->collect.bytes };

	(void)budget_charge(state, call->user, &used, text_now_ms(), NULL);
}

void govern_run(struct call *call, struct exec *x, json_t *answer, const struct err *err)
{
	int state = call_state(call, NULL);

	if (state < 0)
		return;
	if (!answer) {
		if (err->code == ERR_ISOLATION)
			(void)alert_raise(call->config, state, "isolation", err->msg, NULL);
		return;
	}
	if (call->is_aside)
		return; /* what sbx runs to see whether it can is nobody's run */
	count_run(state, x, answer);
	charge(state, call, x);
	AUTO_JSON json_t *r = receipt_make(x, answer);
	(void)history_add(state, call->user, r, NULL);
}

/* Records have the long form of an id, whatever the caller asked for; else it stays as it is. */
static json_t *long_id(json_t *value)
{
	const char *text = json_string_value(value);
	char id[ID_SIZE];

	return text && id_parse(text, id) ? json_string(id) : json_incref(value);
}

/* What the record calls it: what comes to the same has the same word, whatever verb was used. */
static const char *action_of(const char *verb)
{
	static const char *const words[][2] = {
		{ "get", "download" }, { "ls", "files_list" }, { "render", "exec" },
		{ "tool", "exec" },    { "replay", "exec" },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(verb, words[i][0]))
			return words[i][1];
	return verb;
}

static void add_execution(json_t *record, json_t *answer)
{
	json_t *usage = json_object_get(answer, "usage");

	(void)json_object_set_new(
		record, "execution",
		json_pack("{s:O?,s:O?,s:O?,s:f,s:I}", "lang", json_object_get(answer, "lang"),
			  "durationMs", json_object_get(usage, "wall_ms"), "exitCode",
			  json_object_get(answer, "exit_code"), "memoryMB",
			  (double)json_integer_value(json_object_get(usage, "memory_peak_bytes")) /
				  1048576.0,
			  "filesGenerated",
			  (json_int_t)json_array_size(json_object_get(answer, "files"))));
}

static void add_file(json_t *record, json_t *file)
{
	(void)json_object_set_new(record, "file",
				  json_pack("{s:o?,s:O?,s:O?,s:O?}", "fileId",
					    long_id(json_object_get(file, "id")), "filename",
					    json_object_get(file, "name"), "size",
					    json_object_get(file, "size"), "mimeType",
					    json_object_get(file, "mime")));
}

/* Strings of a request are anything until they are decoded: what is too long to be one is left out. */
static json_t *short_text(json_t *v, size_t max)
{
	size_t len = json_string_length(v);

	return json_is_string(v) && len > 0 && len <= max ? v : NULL;
}

/* Of an operation that failed: the file that was asked for. */
static json_t *asked_for(json_t *request)
{
	static const char *const members[] = { "id", "name", "operands", "files", "exec" };
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *v = json_object_get(request, members[i]);

		v = short_text(json_is_array(v) ? json_array_get(v, 0) : v, 600);
		if (v)
			return v;
	}
	return NULL;
}

/* What was to be run, also when it was refused: the words of a command, of code its hash. */
static void add_command(json_t *details, json_t *request)
{
	enum { WORDS_MAX = 64, WORD_MAX = 256 };
	json_t *words = json_object_get(request, "argv"), *list = json_array(), *v;
	const char *code = text_of(request, "code");
	char hash[HASH_SIZE];
	size_t i;

	if (!words)
		words = json_object_get(request, "operands");
	json_array_foreach(words, i, v) {
		const char *word = json_string_value(v);

		if (word && i < WORDS_MAX)
			(void)json_array_append_new(list, json_text(word, strnlen(word, WORD_MAX)));
	}
	if (json_array_size(list))
		(void)json_object_set(details, "command", list);
	json_decref(list);
	if (code) {
		hash_bytes(code, strlen(code), hash);
		(void)json_object_set_new(details, "codeSha256", json_string(hash));
	}
}

/* The members of a record that one verb or another has. */
static void add_details(json_t *record, const char *verb, json_t *request, json_t *answer)
{
	json_t *files = json_object_get(answer, "files"),
	       *blocked = json_object_get(answer, "blocked");
	const char *action = action_of(verb);
	AUTO_JSON json_t *d = json_object();

	if (answer && !strcmp(action, "exec"))
		add_execution(record, answer);
	if (!strcmp(verb, "upload") && json_array_size(files) > 0)
		add_file(record, json_array_get(files, 0));
	if (!strcmp(verb, "get") && json_is_string(json_object_get(answer, "id")))
		add_file(record, answer);
	if (!strcmp(action, "exec") && strcmp(verb, "exec") != 0)
		(void)json_object_set_new(d, "verb", json_string(verb));
	if (!strcmp(verb, "exec"))
		add_command(d, request);
	if (json_object_get(answer, "exec_id")) {
		(void)json_object_set_new(d, "execId", long_id(json_object_get(answer, "exec_id")));
		(void)json_object_set(d, "status", json_object_get(answer, "status"));
		if (json_array_size(blocked))
			(void)json_object_set(d, "blocked", blocked);
	} else if (json_array_size(files) > 1) {
		(void)json_object_set_new(d, "files",
					  json_integer((json_int_t)json_array_size(files)));
	}
	if (!answer && asked_for(request))
		(void)json_object_set(d, "asked", asked_for(request));
	if (json_object_size(d))
		(void)json_object_set(record, "details", d);
}

/* The session in its long form, so that one filter finds all of it. */
static void add_session(json_t *record, json_t *request, json_t *answer)
{
	json_t *session = json_object_get(answer, "session");
	const char *text;
	char id[ID_SIZE];

	if (!json_is_string(session))
		session = short_text(json_object_get(request, "session"), 64);
	text = json_string_value(session);
	if (text && id_parse(text, id))
		(void)json_object_set_new(record, "sessionId", json_string(id));
	else if (text)
		(void)json_object_set(record, "sessionId", session);
}

static void add_text(json_t *record, const char *name, const char *text, size_t max)
{
	if (text)
		(void)json_object_set_new(record, name, json_text(text, strnlen(text, max)));
}

/* The code is what is looked for; what it said is a detail. */
static void add_error(json_t *record, const struct err *err)
{
	json_t *details = json_object_get(record, "details");

	if (!details)
		(void)json_object_set_new(record, "details", details = json_object());
	(void)json_object_set_new(record, "error", json_string(err_name(err->code)));
	(void)json_object_set_new(details, "message", json_text(err->msg, strlen(err->msg)));
}

/* What only looks at sbx itself is no operation on anybody's data. */
static bool is_audited(const char *verb)
{
	static const char *const quiet[] = { "audit",     "history", "show", "stats",
					     "dashboard", "ps",      "top",  "attack" };
	size_t i;

	for (i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
		if (!strcmp(quiet[i], verb))
			return false;
	return true;
}

static void count_bytes(int state, const char *verb, json_t *answer)
{
	json_t *v;
	int64_t sum = 0;
	size_t i;

	if (!strcmp(verb, "upload")) {
		json_array_foreach(json_object_get(answer, "files"), i, v)
			sum += json_integer_value(json_object_get(v, "size"));
		(void)stats_count(state, STATS_UPLOADS,
				  (int64_t)json_array_size(json_object_get(answer, "files")), NULL);
		(void)stats_count(state, STATS_UPLOAD_BYTES, sum, NULL);
	} else if (!strcmp(verb, "get")) {
		(void)stats_count(state, STATS_DOWNLOADS, 1, NULL);
		(void)stats_count(state, STATS_DOWNLOAD_BYTES,
				  json_integer_value(json_object_get(answer, "size")), NULL);
	}
}

void govern_audit(struct call *call, const char *verb, json_t *request, json_t *answer,
		  const struct err *err)
{
	struct err own = { 0 };
	int state;

	if (!is_audited(verb))
		return;
	state = call_state(call, NULL);
	if (state < 0)
		return;
	if (err)
		(void)stats_error(state, err->code, NULL);
	else
		count_bytes(state, verb, answer);
	if (!call->config->audit)
		return;
	json_t *record = json_pack("{s:s,s:s}", "action", action_of(verb), "status",
				   !err ? "success" :
				   err->code == ERR_NOT_FOUND || err->code == ERR_POLICY ||
						   err->code == ERR_RATE ?
					  "denied" :
					  "error");
	if (call->user[0] &&
	    !call->is_erased) /* the name of a user that is none is not recorded as one */
		add_text(record, "userId", call->user, 64);
	add_text(record, "ip", call->ip, 64);
	add_text(record, "userAgent", call->user_agent, 256);
	add_session(record, request, answer);
	add_details(record, verb, request, err ? NULL : answer);
	if (err)
		add_error(record, err);
	if (audit_append(state, call->config, record, &own) < 0)
		(void)alert_raise(call->config, state, "audit", own.msg, NULL);
}
