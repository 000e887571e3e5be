// SPDX-License-Identifier: Apache-2.0
/* sbx: the table of verbs; the only place that prints an error or exits. */
#include "cleanup.h"
#include "config.h"
#include "govern.h"
#include "io.h"
#include "names.h"
#include "options.h"
#include "rootless.h"
#include "text.h"
#include "verb.h"
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { REQUEST_MAX = 64 << 20 };

static const struct verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; verbs[i]; i++)
		if (!strcmp(verbs[i]->name, name))
			return verbs[i];
	return NULL;
}

static void help(const char *program, FILE *out)
{
	size_t i;

	(void)fprintf(out,
		      "Usage: %s COMMAND [options] [operands]\n"
		      "Runs code that nobody has read, in a jail, with the files of a session.\n\n",
		      program);
	for (i = 0; verbs[i]; i++)
		(void)fprintf(out, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
	(void)fprintf(out, "\n'%s COMMAND --help' tells the options, %s(1) the rest.\n", program,
		      program);
}

/* The name without what a shell's path puts before it. */
static const char *name_of(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

	return slash ? slash + 1 : argv0 && *argv0 ? argv0 : "sbx";
}

static json_t *error_json(const struct err *err)
{
	json_t *e = json_pack("{s:s,s:o}", "code", err_name(err->code), "message",
			      json_text(err->msg, strlen(err->msg)));

	if (err->pointer[0])
		(void)json_object_set_new(e, "pointer",
					  json_text(err->pointer, strlen(err->pointer)));
	if (err->hint[0])
		(void)json_object_set_new(e, "hint", json_text(err->hint, strlen(err->hint)));
	if (err->retry_ms)
		(void)json_object_set_new(e, "retry_after_ms", json_integer(err->retry_ms));
	return json_pack("{s:i,s:b,s:o}", "v", 1, "ok", 0, "error", e);
}

/* One document, written once; an answer that cannot be written is a failure of its own. */
static int print_json(json_t *doc)
{
	AUTO_FREE char *text = doc ? json_dumps(doc, JSON_COMPACT | JSON_REAL_PRECISION(7)) : NULL;
	size_t len = text ? strlen(text) : 0;

	json_decref(doc);
	if (!text)
		return -1;
	text[len] = '\n';
	return io_write_all(STDOUT_FILENO, text, len + 1);
}

static int fail(const char *program, const char *verb, bool is_json, const struct err *err)
{
	char msg[sizeof(err->msg)], hint[sizeof(err->hint)];

	text_clean(err->msg, msg, sizeof(msg));
	text_clean(err->hint, hint, sizeof(hint));
	if (is_json)
		(void)print_json(error_json(err));
	else
		(void)fprintf(stderr, "%s: %s%s%s%s%s%s\n", program, err->pointer,
			      err->pointer[0] ? ": " : "", msg, hint[0] ? " (" : "", hint,
			      hint[0] ? ")" : "");
	if (err->code == ERR_USAGE && !is_json)
		(void)fprintf(stderr, "Try '%s%s%s --help'.\n", program, verb ? " " : "",
			      verb ? verb : "");
	/* the shell form of exec leaves the statuses to the program, as env(1) and timeout(1) do */
	if (verb && !strcmp(verb, "exec") && !is_json)
		return 125;
	return err_status(err->code);
}

static json_t *read_request(const char *from, struct err *err)
{
	AUTO_FD int fd = strcmp(from, "-") != 0 ? open(from, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
	AUTO_FREE char *text = NULL;
	json_t *doc;
	size_t len;

	if (fd < 0 && strcmp(from, "-") != 0) {
		(void)err_sys(err, ERR_REQUEST, "open '%.200s'", from);
		return NULL;
	}
	text = io_read_all(fd < 0 ? STDIN_FILENO : fd, REQUEST_MAX, &len);
	if (!text) {
		(void)err_sys(err, ERR_REQUEST, "read the request");
		return NULL;
	}
	doc = json_parse(text, len, err);
	if (doc && !json_is_object(doc)) {
		json_decref(doc);
		(void)err_set(err, ERR_REQUEST, "a request is an object");
		return NULL;
	}
	return doc;
}

static const char *login_name(char *buf, size_t size, const struct config *config)
{
	const struct passwd *pw = getpwuid(getuid());

	if (pw && name_is_user(config, pw->pw_name))
		(void)snprintf(buf, size, "%s", pw->pw_name);
	else
		(void)snprintf(buf, size, "u%u", (unsigned int)getuid());
	return buf;
}

static const char *text_member(json_t *request, const char *name)
{
	json_t *v = json_object_get(request, name);

	return json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v) ?
		       json_string_value(v) :
		       NULL;
}

/* What the request says of the client, else what a caller that writes no request says; NULL: nothing. */
static const char *client_of(json_t *request, const char *name, const char *variable, size_t most)
{
	const char *told = text_member(request, name);

	if (!told)
		told = getenv(variable);
	return told && told[0] && strlen(told) <= most ? told : NULL;
}

static int set_caller(struct call *call, json_t *request, struct err *err)
{
	const char *user = text_member(request, "user"), *form = text_member(request, "id_form");

	call->ip = client_of(request, "ip", "SBX_CLIENT_IP", 64);
	call->user_agent = client_of(request, "user_agent", "SBX_CLIENT_AGENT", 256);
	call->id_short = form && !strcmp(form, "short");
	if (user && !name_is_user(call->config, user)) {
		(void)err_set(err, ERR_REQUEST, "no valid name of a user");
		return err_at(err, "/user");
	}
	if (user)
		(void)snprintf(call->user, sizeof(call->user), "%s", user);
	else
		(void)login_name(call->user, sizeof(call->user), call->config);
	if (form && strcmp(form, "short") != 0 && strcmp(form, "uuid") != 0) {
		(void)err_set(err, ERR_REQUEST, "must be \"uuid\" or \"short\"");
		return err_at(err, "/id_form");
	}
	return 0;
}

static int answer(struct call *call, const struct verb *verb, json_t *result)
{
	int failed = 0;

	if (call->is_done)
		return call->status;
	if (call->is_json) {
		json_t *doc = json_pack("{s:i,s:b}", "v", 1, "ok", 1);

		(void)json_object_update(doc, result);
		failed = print_json(doc);
	} else if (verb->show) {
		verb->show(call, result, stdout);
		failed = fflush(stdout);
	}
	if (failed < 0) {
		(void)fprintf(stderr, "%s: write the answer: %s\n", call->program, strerror(errno));
		return err_status(ERR_INTERNAL);
	}
	return call->is_json && !call->is_verdict ? 0 : call->status;
}

static int serve(struct call *call, const struct verb *verb, json_t *request)
{
	AUTO_JSON json_t *result = NULL;
	struct err err = { 0 };
	int failed = set_caller(call, request, &err);

	if (failed == 0 && !verb->is_quiet)
		failed = govern_rate(call, verb->name, &err);
	if (failed == 0)
		failed = verb->run(call, request, &result, &err);
	if (!verb->is_quiet)
		govern_audit(call, verb->name, request, result, failed < 0 ? &err : NULL);
	if (failed < 0)
		return fail(call->program, verb->name, call->is_json, &err);
	return answer(call, verb, result);
}

static int start(const char *program, const struct verb *verb, int argc, char **argv)
{
	struct call call = { .program = program, .storage = -1, .state = -1 };
	AUTO_JSON json_t *request = json_object();
	struct config config = { 0 };
	struct globals g;
	struct err err = { 0 };
	int status;

	if (options_parse(verb, argc, argv, request, &g, &err) < 0 || rootless_check(&err) < 0)
		return fail(program, verb->name, g.is_json, &err);
	if (g.is_help) {
		options_help(verb, program, stdout);
		return fflush(stdout) < 0;
	}
	if (g.die_with_parent && prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return 70;
	call.is_json = g.is_json || g.request;
	if (!g.request && verb->takes_stdin && !g.options && !g.operands && !isatty(STDIN_FILENO)) {
		g.request = "-";
		call.is_json = true;
	}
	if (g.request) {
		if (g.options || g.operands) {
			(void)err_set(&err, ERR_USAGE,
				      "--request takes no other options or operands");
			return fail(program, verb->name, true, &err);
		}
		json_decref(request);
		request = read_request(g.request, &err);
		call.is_request = true;
	}
	if (!request || config_load(&config, &err) < 0 || rootless_become(&config, &err) < 0) {
		config_done(&config);
		return fail(program, verb->name, call.is_json, &err);
	}
	call.config = &config;
	status = serve(&call, verb, request);
	config_done(&config);
	return status;
}

/* Files of many sessions are open at once; the jail sets its own limit. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	const char *program = name_of(argc ? argv[0] : NULL);
	const struct verb *verb;
	struct err err = { 0 };

	(void)umask(077);
	raise_descriptors();
	if (argc < 2) {
		help(program, stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--version")) {
		(void)printf("%s " SBX_VERSION "\n", program);
		return fflush(stdout) < 0;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(program, stdout);
		return fflush(stdout) < 0;
	}
	verb = find_verb(argv[1]);
	if (verb)
		return start(program, verb, argc - 1, argv + 1);
	(void)err_set(&err, ERR_USAGE, "unknown command '%.100s'", argv[1]);
	return fail(program, NULL, false, &err);
}
