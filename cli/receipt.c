// SPDX-License-Identifier: Apache-2.0
/*
 * The receipt of a run: by it the run can be told, and made again. Code, input and environment may
 * hold what nobody wants in a log: unless the configuration keeps them, only their hashes stay.
 */
#include "receipt.h"

#include "cleanup.h"
#include "config.h"
#include "hash.h"

#include <string.h>

void receipt_hash(json_t *object, char *ret)
{
	AUTO_FREE char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	hash_bytes(text ? text : "", text ? strlen(text) : 0, ret);
}

static void put_hash(json_t *r, const char *name, const char *hash)
{
	(void)json_object_set_new(r, name, json_string(hash));
}

/* A text of the request: its hash always, itself when it is kept. */
static void put_text(json_t *r, const char *name, const char *hash_name, const char *text,
		     bool keep)
{
	char hash[HASH_SIZE];

	if (!text)
		return;
	hash_bytes(text, strlen(text), hash);
	put_hash(r, hash_name, hash);
	if (keep)
		(void)json_object_set_new(r, name, json_text(text, strlen(text)));
}

static void put_request(json_t *r, struct exec *x)
{
	const struct exec_request *q = x->request;
	bool keep = x->call->config->keep_code;
	char hash[HASH_SIZE];

	if (q->code)
		put_text(r, "code", "code_sha256", q->code, keep);
	else
		(void)json_object_set_new(r, "command",
					  json_from_strings(q->argv ? q->argv : x->spec.argv));
	if (q->args && q->args[0])
		(void)json_object_set_new(r, "args", json_from_strings(q->args));
	if (q->stdin_text)
		put_text(r, "stdin", "stdin_sha256", q->stdin_text, keep);
	else if (x->run.stdin_fd >= 0) /* it went through without being read by us */
		(void)json_object_set_new(r, "stdin_sha256", json_null());
	if (q->env && q->env[0]) {
		AUTO_JSON json_t *env = json_from_strings(q->env);

		receipt_hash(env, hash);
		put_hash(r, "env_sha256", hash);
		if (keep)
			(void)json_object_set(r, "env", env);
	}
	if (q->limits_json)
		(void)json_object_set(r, "limits_asked", q->limits_json);
	receipt_hash(x->profile.doc, hash);
	put_hash(r, "profile_sha256", hash);
}

static json_t *inputs_of(const struct stage *stage)
{
	json_t *inputs = json_array();
	size_t i;

	for (i = 0; i < stage->count && i < RECEIPT_INPUTS; i++) {
		const struct input *in = &stage->inputs[i];
		json_t *v = json_pack("{s:s,s:s,s:s}", "id", in->entry.id, "name", in->entry.name,
				      "sha256", in->entry.sha256);

		if (in->read_only)
			(void)json_object_set_new(v, "read_only", json_true());
		(void)json_array_append_new(inputs, v);
	}
	return inputs;
}

json_t *receipt_make(struct exec *x, json_t *answer)
{
	static const char *const members[] = {
		"exec_id",   "session", "revision",   "committed",    "status",
		"exit_code", "signal",  "limits_hit", "stdout_bytes", "stderr_bytes",
		"files",     "skipped", "usage",      "timing",       "limits",
		"isolation", "blocked", "lang",       "lang_version", "profile",
	};
	json_t *r = json_object();
	char hash[HASH_SIZE];
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		(void)json_object_set(r, members[i], json_object_get(answer, members[i]));
	/* kept ids are long ones, whatever form the caller asked for */
	(void)json_object_set_new(r, "exec_id", json_string(x->stage.exec));
	(void)json_object_set_new(r, "session", json_string(x->session.id));
	(void)json_object_set_new(r, "base_revision", json_integer(x->base_revision));
	(void)json_object_set_new(r, "inputs", inputs_of(&x->stage));
	(void)json_object_set_new(r, "inputs_count", json_integer((json_int_t)x->stage.count));
	sink_hash(&x->run.out, hash);
	put_hash(r, "stdout_sha256", hash);
	sink_hash(&x->run.err, hash);
	put_hash(r, "stderr_sha256", hash);
	put_request(r, x);
	return r;
}
