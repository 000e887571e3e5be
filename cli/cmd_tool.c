// SPDX-License-Identifier: Apache-2.0
/* tool: the named tools of a profile, each a language with what stands around the code. */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

enum { CODE_MAX = 1 << 20 };

struct request {
	VERB_MEMBERS;
	char *name, *profile, *session, *code, *file;
	char **operands, **args;
};

struct tool {
	char *description, *lang, *before, *after;
	char **args;
};

#define S(m, hi, lo) JSON_FIELD(request, m, .kind = JSON_KIND_STRING, .min = (lo), .max = (hi))
static const struct json_field fields[] = {
	VERB_FIELDS(request), S(name, 64, 1),
	S(profile, 64, 1),    S(session, 64, 1),
	S(code, CODE_MAX, 0), JSON_FIELD(request, args, .kind = JSON_KIND_STRINGS, .max = 256),
	S(file, 4000, 1),     JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS, .max = 2),
};
#define T(m, ...) JSON_FIELD(tool, m, .kind = JSON_KIND_STRING, .max = 65536, __VA_ARGS__)
static const struct json_field tool_fields[] = {
	T(description),
	T(lang, .required = true, .min = 1),
	T(before),
	T(after),
	JSON_FIELD(tool, args, .kind = JSON_KIND_STRINGS, .max = 64),
};
enum {
	FIELD_COUNT = sizeof(fields) / sizeof(fields[0]),
	TOOL_COUNT = sizeof(tool_fields) / sizeof(tool_fields[0])
};

static json_t *list(const struct profile *p)
{
	json_t *rows = json_array(), *v;
	const char *name;

	json_object_foreach(p->tools, name, v)
		(void)json_array_append_new(rows,
					    json_pack("{s:s,s:O?,s:O?}", "name", name, "lang",
						      json_object_get(v, "lang"), "description",
						      json_object_get(v, "description")));
	return json_pack("{s:s,s:o}", "profile", p->name, "tools", rows);
}

static json_t *join(json_t *a, char *const *b)
{
	json_t *all = a ? a : json_array();
	size_t i;

	for (i = 0; b && b[i]; i++)
		(void)json_array_append_new(all, json_string(b[i]));
	return all;
}

static int run_tool(struct call *call, const struct profile *p, const struct request *r,
		    json_t **ret, struct err *err)
{
	struct tool tool = { 0 };
	AUTO_FREE char *code = NULL;
	AUTO_JSON json_t *doc = NULL;
	int done = json_decode(json_object_get(p->tools, r->name), tool_fields, TOOL_COUNT, &tool,
			       "/tools", err);

	if (done < 0) {
		err->code = ERR_CONFIG;
		json_release(tool_fields, TOOL_COUNT, &tool);
		return err_ctx(err, "profile '%s', tool '%s'", p->name, r->name);
	}
	if (asprintf(&code, "%s%s%s", tool.before ? tool.before : "", r->code,
		     tool.after ? tool.after : "") < 0)
		code = NULL;
	doc = json_pack("{s:s,s:s,s:o,s:o,s:s*}", "lang", tool.lang, "profile", p->name, "code",
			code ? json_string(code) : json_string(""), "args",
			join(json_from_strings(tool.args), r->args), "session", r->session);
	json_release(tool_fields, TOOL_COUNT, &tool);
	done = exec_document(call, doc, ret, err);
	if (done == 0)
		(void)json_object_set_new(*ret, "tool", json_string(r->name));
	return done;
}

static int take_operands(struct call *call, struct request *r, struct err *err)
{
	size_t len;

	if (call->is_request)
		return 0;
	if (r->operands && r->operands[0])
		r->name = strdup(r->operands[0]);
	if (r->operands && r->operands[0] && r->operands[1]) {
		free(r->file);
		r->file = strdup(r->operands[1]);
	}
	if (!r->file)
		return 0;
	if (r->code)
		return err_set(err, ERR_USAGE, "a file and other code at once");
	FILE *in = strcmp(r->file, "-") ? fopen(r->file, "re") : stdin;
	if (!in)
		return err_sys(err, ERR_NOT_FOUND, "open '%.200s'", r->file);
	r->code = calloc(1, CODE_MAX + 2);
	len = r->code ? fread(r->code, 1, CODE_MAX + 1, in) : 0;
	if (in != stdin)
		(void)fclose(in);
	if (len > CODE_MAX) /* the begin of a program is another program */
		return err_set(err, ERR_REQUEST, "'%.200s' is larger than %d bytes", r->file,
			       CODE_MAX);
	return !r->code || strlen(r->code) != len ?
		       err_set(err, ERR_REQUEST, "'%.200s' is no text", r->file) :
		       0;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	struct profile p = { 0 };
	bool has_profile = false;
	int done = json_decode(request, fields, FIELD_COUNT - (call->is_request ? 2 : 0), &r, "",
			       err);

	if (done == 0)
		done = take_operands(call, &r, err);
	if (done == 0) {
		done = profile_load(call->config, r.profile ? r.profile : call->config->profile, &p,
				    err);
		has_profile = done == 0;
	}
	if (done == 0 && !r.name) {
		*ret = list(&p);
	} else if (done == 0 && !json_object_get(p.tools, r.name)) {
		(void)err_set(err, ERR_POLICY, "profile '%s' has no tool '%.64s'", p.name, r.name);
		(void)err_at(err, "/name");
		done = err_hint(err, "'sbx tool --profile %s' lists its tools", p.name);
	} else if (done == 0 && !r.code) {
		(void)err_set(err, call->is_request ? ERR_REQUEST : ERR_USAGE,
			      "the tool's code is missing");
		done = err_at(err, "/code");
	} else if (done == 0) {
		done = run_tool(call, &p, &r, ret, err);
	}
	if (has_profile)
		profile_done(&p);
	json_release(fields, FIELD_COUNT, &r);
	return done;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	(void)call;
	json_array_foreach(json_object_get(answer, "tools"), i, v) {
		const char *about = json_string_value(json_object_get(v, "description"));
		char name[80], lang[40], text[400];

		text_clean(json_string_value(json_object_get(v, "name")), name, sizeof(name));
		text_clean(json_string_length(json_object_get(v, "lang")) ?
				   json_string_value(json_object_get(v, "lang")) :
				   "?",
			   lang, sizeof(lang));
		text_clean(about ? about : "", text, sizeof(text));
		(void)fprintf(out, "%-16s %-11s %s\n", name, lang, text);
	}
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 'p', "profile", "profile", OPTION_STRING, "NAME", "the profile" },
	{ 'c', "code", "code", OPTION_STRING, "CODE", "the code itself" },
	{ 'a', "arg", "args", OPTION_LIST, "ARG", "an argument of the program; may be repeated" },
	{ 0 },
};

const struct verb verb_tool = {
	.name = "tool",
	.operands = "[NAME [FILE]]",
	.operand_member = "operands",
	.summary = "run a named tool of a profile",
	.options = options,
	.run = run,
	.show = show,
};
