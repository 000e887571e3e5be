// SPDX-License-Identifier: Apache-2.0
/*
 * replay: a recorded run once more, on the same immutable inputs, and what came out compared by hash.
 * It runs in a session of its own, which goes away unless it is to be kept: nothing of the first
 * run's session changes. What the receipt does not keep must be given, and has to have its hash.
 */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "hash.h"
#include "history.h"
#include "io.h"
#include "receipt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { CODE_MAX = 1 << 20, STDIN_MAX = 16 << 20 };

struct request {
	VERB_MEMBERS;
	char **exec, **env;
	char *code, *stdin_text, *file, *stdin_file;
	bool keep;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, exec, .kind = JSON_KIND_STRINGS, .required = true, .max = 1),
	JSON_FIELD(request, code, .kind = JSON_KIND_STRING, .max = CODE_MAX),
	{ .name = "stdin",
	  .kind = JSON_KIND_STRING,
	  .max = STDIN_MAX,
	  .offset = offsetof(struct request, stdin_text) },
	JSON_FIELD(request, env, .kind = JSON_KIND_MAP, .max = 64),
	JSON_FIELD(request, keep, .kind = JSON_KIND_BOOL),
	/* of the shell form only: the last ones */
	JSON_FIELD(request, file, .kind = JSON_KIND_STRING, .min = 1, .max = 4000),
	JSON_FIELD(request, stdin_file, .kind = JSON_KIND_STRING, .min = 1, .max = 4000),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]), SHELL_FIELDS = 2 };

static int read_text(const char *path, size_t max, char **ret, struct err *err)
{
	size_t len;

	if (!path)
		return 0;
	AUTO_FD int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : dup(0);
	if (fd < 0)
		return err_sys(err, ERR_NOT_FOUND, "open '%.200s'", path);
	free(*ret);
	*ret = io_read_all(fd, max, &len);
	if (!*ret)
		return err_sys(err, ERR_REQUEST, "read '%.200s'", path);
	return strlen(*ret) == len ? 0 : err_set(err, ERR_REQUEST, "'%.200s' has NUL bytes", path);
}

static bool has_hash(json_t *run, const char *name, const char *text)
{
	const char *want = json_string_value(json_object_get(run, name));
	char hash[HASH_SIZE];

	hash_bytes(text, strlen(text), hash);
	return want && !strcmp(want, hash);
}

/* A text that the receipt has, or has the hash of. */
static int take_text(json_t *run, const char *name, const char *given, json_t *doc, struct err *err)
{
	json_t *kept = json_object_get(run, name);
	char hash_name[32];

	(void)snprintf(hash_name, sizeof(hash_name), "%s_sha256", name);
	if (given && json_is_string(json_object_get(run, hash_name)) &&
	    !has_hash(run, hash_name, given)) {
		(void)err_set(err, ERR_REQUEST, "is not the %s of that run: its hash is another",
			      name);
		return err_at(err, "/%s", name);
	}
	if (given)
		return json_object_set_new(doc, name, json_string(given));
	if (kept)
		return json_object_set(doc, name, kept);
	if (!json_is_string(json_object_get(run, hash_name)))
		return 0;
	(void)err_set(err, ERR_REQUEST, "the receipt has only the hash of the %s", name);
	(void)err_hint(err, "give it with --%s, or set keep_code before the next run", name);
	return err_at(err, "/%s", name);
}

static json_t *env_of(json_t *list)
{
	json_t *env = json_object(), *v;
	size_t i;

	json_array_foreach(list, i, v) {
		const char *text = json_string_value(v), *eq = text ? strchr(text, '=') : NULL;
		AUTO_FREE char *name = eq ? strndup(text, (size_t)(eq - text)) : NULL;

		if (name)
			(void)json_object_set_new(env, name, json_text(eq + 1, strlen(eq + 1)));
	}
	return env;
}

static int take_env(json_t *run, char *const *given, json_t *doc, struct err *err)
{
	const char *want = json_string_value(json_object_get(run, "env_sha256"));
	AUTO_JSON json_t *list = given ? json_from_strings(given) :
					 json_incref(json_object_get(run, "env"));
	char hash[HASH_SIZE];

	if (!want && !given)
		return 0;
	if (list)
		receipt_hash(list, hash);
	if (!want || !list || strcmp(hash, want) != 0) {
		(void)err_set(err, ERR_REQUEST,
			      list ? "is not the environment of that run: its hash is another" :
				     "the receipt has only the hash of the environment");
		return err_at(err, "/env");
	}
	return json_object_set_new(doc, "env", env_of(list));
}

static void add_file(json_t *files, const char *id, const char *name, bool read_only)
{
	(void)json_array_append_new(files, json_pack("{s:s,s:s,s:b}", "id", id, "name", name,
						     "read_only", read_only));
}

/* The inputs as the receipt lists them; of very many, the revision that they all are of. */
static int take_files(struct call *call, json_t *run, json_t *doc, struct err *err)
{
	json_t *inputs = json_object_get(run, "inputs"), *files = json_array(), *v;
	json_int_t count = json_integer_value(json_object_get(run, "inputs_count"));
	const char *where = json_string_value(json_object_get(run, "session"));
	struct session session;
	struct revision r;
	size_t i;
	int done;

	(void)json_object_set_new(doc, "files", files);
	json_array_foreach(inputs, i, v) {
		const char *id = json_string_value(json_object_get(v, "id"));
		const char *name = json_string_value(json_object_get(v, "name"));

		if (!id || !name)
			return err_set(err, ERR_CORRUPT,
				       "the receipt lists an input without id or name");
		add_file(files, id, name, json_is_true(json_object_get(v, "read_only")));
	}
	if (count <= (json_int_t)json_array_size(inputs))
		return 0;
	(void)json_array_clear(files);
	if (session_open(call, call->user, where ? where : "", &session, err) < 0)
		return -1;
	done = revision_load(&session, json_integer_value(json_object_get(run, "base_revision")),
			     &r, err);
	session_done(&session);
	if (done < 0)
		return -1;
	for (i = 0; i < r.count; i++)
		add_file(files, r.entries[i].id, r.entries[i].name, r.entries[i].read_only);
	done = (json_int_t)r.count == count ?
		       0 :
		       err_set(err, ERR_NOT_FOUND,
			       "the receipt lists %zu of %lld inputs, and the revision has others",
			       json_array_size(inputs), (long long)count);
	revision_done(&r);
	return done;
}

static int make_request(struct call *call, json_t *run, const struct request *r, json_t *doc,
			struct err *err)
{
	static const char *const same[][2] = {
		{ "lang", "lang" },    { "profile", "profile" },     { "args", "args" },
		{ "command", "argv" }, { "limits_asked", "limits" },
	};
	size_t i;

	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		json_t *v = json_object_get(run, same[i][0]);

		if (v && !json_is_null(v))
			(void)json_object_set(doc, same[i][1], v);
	}
	(void)json_object_set_new(doc, "commit", json_string("always"));
	if (take_text(run, "code", r->code, doc, err) < 0 ||
	    take_text(run, "stdin", r->stdin_text, doc, err) < 0 ||
	    take_env(run, r->env, doc, err) < 0)
		return -1;
	return take_files(call, run, doc, err);
}

/* ---- comparing ---- */

struct verdict {
	json_t *rows, *files;
	int64_t different, unknown;
};

static const char *judge(struct verdict *v, bool is_known, bool is_same)
{
	v->unknown += !is_known;
	v->different += is_known && !is_same;
	return !is_known ? "unknown" : is_same ? "same" : "different";
}

static void compare_member(struct verdict *v, json_t *was, json_t *is, const char *member,
			   const char *name)
{
	json_t *a = json_object_get(was, member), *b = json_object_get(is, member);

	(void)json_object_set_new(v->rows, name,
				  json_string(judge(v, a && b, a && b && json_equal(a, b))));
}

static json_t *file_named(json_t *files, const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach(files, i, v) {
		const char *is = json_string_value(json_object_get(v, "name"));

		if (is && !strcmp(is, name))
			return v;
	}
	return NULL;
}

static void compare_file(struct verdict *v, json_t *was, json_t *is, bool is_known)
{
	json_t *name = json_object_get(was ? was : is, "name");
	json_t *a = json_object_get(was, "sha256"), *b = json_object_get(is, "sha256");
	bool is_same = was && is &&
		       json_equal(json_object_get(was, "change"), json_object_get(is, "change")) &&
		       (a == b || (a && b && json_equal(a, b)));

	(void)json_array_append_new(v->files,
				    json_pack("{s:O,s:s,s:O?,s:O?}", "name", name, "result",
					      is_known && !was ? (v->different++, "new") :
					      is_known && !is  ? (v->different++, "missing") :
								 judge(v, is_known, is_same),
					      "was", a, "is", b));
}

/* Files of a run that was not committed were never kept: of those nothing is known but the name. */
static void compare_files(struct verdict *v, json_t *was, json_t *is)
{
	json_t *old = json_object_get(was, "files"), *new = json_object_get(is, "files"), *f;
	bool is_kept = json_is_true(json_object_get(was, "committed"));
	size_t i;

	json_array_foreach(old, i, f) {
		const char *name = json_string_value(json_object_get(f, "name"));

		compare_file(v, f, file_named(new, name ? name : ""), true);
	}
	json_array_foreach(new, i, f) {
		const char *name = json_string_value(json_object_get(f, "name"));

		if (!file_named(old, name ? name : ""))
			compare_file(v, NULL, f, is_kept);
	}
}

static json_t *compare(json_t *was, json_t *is, json_t *answer)
{
	static const char *const members[][2] = {
		{ "status", "status" },        { "exit_code", "exit_code" },
		{ "signal", "signal" },        { "stdout_sha256", "stdout" },
		{ "stderr_sha256", "stderr" },
	};
	static const char *const around[] = { "profile_sha256", "lang_version" };
	struct verdict v = { .rows = json_object(), .files = json_array() },
		       other = { .rows = json_object() };
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		compare_member(&v, was, is, members[i][0], members[i][1]);
	compare_files(&v, was, is);
	/* not what came out, but what may explain it */
	for (i = 0; i < sizeof(around) / sizeof(around[0]); i++)
		compare_member(&other, was, is, around[i], around[i]);
	return json_pack("{s:b,s:I,s:I,s:O,s:O,s:o,s:o,s:o}", "same", v.different == 0, "different",
			 (json_int_t)v.different, "unknown", (json_int_t)v.unknown, "exec_id",
			 json_object_get(was, "exec_id"), "replay", answer, "results", v.rows,
			 "files", v.files, "around", other.rows);
}

static int go(struct call *call, const struct request *r, json_t **ret, struct err *err)
{
	AUTO_JSON json_t *was = NULL, *is = NULL, *answer = NULL, *doc = json_object();
	int state = call_state(call, err), done;
	bool was_request = call->is_request, was_short = call->id_short;
	struct exec_request x;
	char id[ID_SIZE];

	if (state < 0)
		return -1;
	if (!r->exec[0])
		return err_set(err, ERR_USAGE, "which run: its exec_id is missing");
	if (!id_parse(r->exec[0], id)) {
		(void)err_set(err, ERR_REQUEST, "is no id");
		return err_at(err, "/exec/0");
	}
	if (history_find(state, call->user, id, &was, err) < 0 ||
	    make_request(call, was, r, doc, err) < 0)
		return -1;
	call->is_request = true;
	call->id_short = false;
	done = exec_decode(call, doc, &x, err);
	if (done == 0) {
		x.is_counted = true; /* its receipt is compared */
		done = exec_aside(call, &x, &answer, err);
		exec_release(&x);
	}
	call->is_request = was_request;
	call->id_short = was_short;
	if (done < 0)
		return -1;
	done = history_find(state, call->user,
			    json_string_value(json_object_get(answer, "exec_id")), &is, err);
	if (!r->keep)
		exec_forget_session(call, answer);
	if (done < 0)
		return -1;
	*ret = compare(was, is, answer);
	(void)json_object_set_new(*ret, "kept", json_boolean(r->keep));
	return 0;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	int done = json_decode(request, fields, FIELD_COUNT - (call->is_request ? SHELL_FIELDS : 0),
			       &r, "", err);

	if (done == 0)
		done = read_text(r.file, CODE_MAX, &r.code, err);
	if (done == 0)
		done = read_text(r.stdin_file, STDIN_MAX, &r.stdin_text, err);
	if (done == 0)
		done = go(call, &r, ret, err);
	if (done == 0)
		call->status = json_is_true(json_object_get(*ret, "same")) ? 0 : 1;
	json_release(fields, FIELD_COUNT, &r);
	return done;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	const char *name;
	json_t *v;
	size_t i;

	(void)call;
	json_object_foreach(json_object_get(answer, "results"), name, v)
		(void)fprintf(out, "%-10s %s\n", json_string_value(v), name);
	json_array_foreach(json_object_get(answer, "files"), i, v)
		(void)fprintf(out, "%-10s %s\n", json_string_value(json_object_get(v, "result")),
			      json_string_value(json_object_get(v, "name")));
	json_object_foreach(json_object_get(answer, "around"), name, v)
		if (strcmp(json_string_value(v), "same") != 0)
			(void)fprintf(out, "(%s: %s)\n", name, json_string_value(v));
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	{ 'c', "code", "file", OPTION_STRING, "FILE", "the code, when only its hash was kept" },
	{ 0, "stdin", "stdin_file", OPTION_STRING, "FILE",
	  "the program's input, when only its hash was kept" },
	{ 'e', "env", "env", OPTION_MAP, "NAME=VALUE",
	  "the environment, when only its hash was kept; may be repeated" },
	{ 'k', "keep", "keep", OPTION_FLAG, NULL, "keep the new session with what came out" },
	{ 0 },
};

const struct verb verb_replay = {
	.name = "replay",
	.operands = "EXEC",
	.operand_member = "exec",
	.summary = "run a past run again and compare what comes out",
	.options = options,
	.run = run,
	.show = show,
};
