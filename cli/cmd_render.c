// SPDX-License-Identifier: Apache-2.0
/* render: a page to a picture, a PDF or one safe file; sugar for an exec of the language html. */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { CODE_MAX = 1 << 20, SIDE_MAX = 16384, WAIT_MAX = 60000 };

struct request {
	VERB_MEMBERS;
	char *session, *profile, *code, *page, *name, *scale;
	char **operands;
	int64_t width, height, wait_ms;
	bool png, pdf, is_static, full_page;
};

#define S(m, lo, hi) JSON_FIELD(request, m, .kind = JSON_KIND_STRING, .min = (lo), .max = (hi))
#define N(m, lo, hi) JSON_FIELD(request, m, .kind = JSON_KIND_INT, .min = (lo), .max = (hi))
static const struct json_field fields[] = {
	VERB_FIELDS(request),
	S(session, 1, 64),
	S(profile, 1, 64),
	S(code, 0, CODE_MAX),
	S(page, 1, 1000),
	S(name, 1, 200),
	S(scale, 1, 8),
	N(width, 1, SIDE_MAX),
	N(height, 1, SIDE_MAX),
	N(wait_ms, 0, WAIT_MAX),
	JSON_FIELD(request, png, .kind = JSON_KIND_BOOL),
	JSON_FIELD(request, pdf, .kind = JSON_KIND_BOOL),
	{ .name = "static", .kind = JSON_KIND_BOOL, .offset = offsetof(struct request, is_static) },
	JSON_FIELD(request, full_page, .kind = JSON_KIND_BOOL),
	JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS, .max = 1),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

static void add(json_t *args, const char *option, const char *value)
{
	char text[1200];

	(void)snprintf(text, sizeof(text), "%s%s%s", option, value ? "=" : "", value ? value : "");
	(void)json_array_append_new(args, json_text(text, strlen(text)));
}

static void add_count(json_t *args, const char *option, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	if (value)
		add(args, option, text);
}

static json_t *arguments(const struct request *r)
{
	json_t *args = json_array();

	if (r->png)
		add(args, "--png", NULL);
	if (r->pdf)
		add(args, "--pdf", NULL);
	if (r->is_static)
		add(args, "--static", NULL);
	if (r->full_page)
		add(args, "--full-page", NULL);
	add_count(args, "--width", r->width);
	add_count(args, "--height", r->height);
	add_count(args, "--wait", r->wait_ms);
	if (r->scale)
		add(args, "--scale", r->scale);
	if (r->page)
		add(args, "--page", r->page);
	if (r->name)
		add(args, "--name", r->name);
	return args;
}

/* A file of the caller's, or else, by the same name, one of the session's. */
static int take_operand(struct request *r, struct err *err)
{
	const char *path = r->operands ? r->operands[0] : NULL;
	size_t len;

	if (!path)
		return 0;
	if (r->code || r->page)
		return err_set(err, ERR_USAGE, "a file and another page at once");
	AUTO_FD int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : dup(0);
	if (fd < 0 && errno == ENOENT) {
		r->page = strdup(path);
		return 0;
	}
	r->code = fd < 0 ? NULL : io_read_all(fd, CODE_MAX, &len);
	if (!r->code)
		return err_sys(err, ERR_REQUEST, "read '%.200s'", path);
	return strlen(r->code) == len ? 0 :
					err_set(err, ERR_REQUEST, "'%.200s' has NUL bytes", path);
}

static int check(struct call *call, const struct request *r, struct err *err)
{
	if (!r->code == !r->page) {
		(void)err_set(err, call->is_request ? ERR_REQUEST : ERR_USAGE,
			      "one page is needed: a file, code or page");
		return err_at(err, "/code");
	}
	if (r->scale && strspn(r->scale, "0123456789.") != strlen(r->scale)) {
		(void)err_set(err, ERR_REQUEST, "must be a number");
		return err_at(err, "/scale");
	}
	return 0;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	AUTO_JSON json_t *doc = NULL;
	struct request r = { 0 };
	int done = json_decode(request, fields, FIELD_COUNT - (call->is_request ? 1 : 0), &r, "",
			       err);

	if (done == 0 && take_operand(&r, err) == 0 && check(call, &r, err) == 0)
		doc = json_pack("{s:s,s:s,s:s,s:o,s:s*}", "lang", "html", "profile",
				r.profile ? r.profile : "browser", "code", r.code ? r.code : "",
				"args", arguments(&r), "session", r.session);
	json_release(fields, FIELD_COUNT, &r);
	if (!doc)
		return err->code ? -1 : err_set(err, ERR_REQUEST, "the page is no UTF-8");
	return exec_document(call, doc, ret, err);
}

/* The names of what was made have gone out live. */
static void show(const struct call *call, json_t *answer, FILE *out)
{
	(void)out;
	if (call->status >= 124)
		(void)fprintf(stderr, "%s: the page was ended: %s\n", call->program,
			      json_string_value(json_object_get(answer, "status")));
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 'p', "profile", "profile", OPTION_STRING, "NAME", "the profile (default: browser)" },
	{ 0, "png", "png", OPTION_FLAG, NULL, "a picture (default: picture and PDF)" },
	{ 0, "pdf", "pdf", OPTION_FLAG, NULL, "a PDF" },
	{ 0, "static", "static", OPTION_FLAG, NULL, "one file without scripts, safe to show" },
	{ 0, "full-page", "full_page", OPTION_FLAG, NULL,
	  "all of the page, not only the first screen" },
	{ 0, "width", "width", OPTION_INT, "PIXELS", "of the window (default: 1280)" },
	{ 0, "height", "height", OPTION_INT, "PIXELS", "of the window (default: 800)" },
	{ 0, "scale", "scale", OPTION_STRING, "N",
	  "device pixels for each of the page (default: 1)" },
	{ 0, "wait", "wait_ms", OPTION_DURATION, "TIME", "of the page's own clock (default: 3s)" },
	{ 0, "name", "name", OPTION_STRING, "NAME", "of the results (default: page)" },
	{ 0 },
};

const struct verb verb_render = {
	.name = "render",
	.operands = "FILE",
	.operand_member = "operands",
	.summary = "turn a page into a picture, a PDF or one safe file",
	.options = options,
	.run = run,
	.show = show,
};
