// SPDX-License-Identifier: Apache-2.0
/* image: root file systems for profiles. The work is done by images/build.sh, which needs no root. */
#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "verb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { ANSWER_MAX = 8 << 20, DIFFERS_MAX = 1000, DIFFERS = 3 };

struct request {
	VERB_MEMBERS;
	char *action, *name, *mirror, *suite, *from;
	char **operands;
	bool locked;
};

#define S(m, hi) JSON_FIELD(request, m, .kind = JSON_KIND_STRING, .min = 1, .max = (hi))
static const struct json_field fields[] = {
	VERB_FIELDS(request),
	S(action, 8),
	S(name, 64),
	S(mirror, 1000),
	S(suite, 64),
	S(from, 4000),
	JSON_FIELD(request, locked, .kind = JSON_KIND_BOOL),
	JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS, .max = 2),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

static json_t *read_image(const struct config *config, const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%.64s.json", config->images, name);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *text = fd < 0 ? NULL : io_read_all(fd, 4 << 20, NULL);
	return text ? json_loads(text, 0, NULL) : NULL;
}

static int list(const struct config *config, json_t **ret)
{
	AUTO_DIR DIR *dir = opendir(config->images);
	json_t *rows = json_array(), *row;
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		size_t len = strlen(de->d_name);

		if (de->d_name[0] == '.' || len < 6 || strcmp(de->d_name + len - 5, ".json") != 0)
			continue;
		de->d_name[len - 5] = 0;
		row = read_image(config, de->d_name);
		if (row)
			(void)json_array_append_new(rows, row);
	}
	*ret = json_pack("{s:s,s:o}", "directory", config->images, "images", rows);
	return 0;
}

/* In the child: what it prints for a person goes to stderr as it comes. */
static void become(char *const *argv, int out)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)dup2(null, 0);
	(void)dup2(out, 1);
	(void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	(void)execv("/bin/bash", argv);
	_exit(127);
}

static int run_script(const struct request *r, const struct config *config, char **ret_text,
		      int *ret_status, struct err *err)
{
	const char *argv[20] = { "bash", NULL };
	char script[PATH_MAX];
	int out[2], status;
	size_t n = 1, len;
	pid_t pid;

	(void)snprintf(script, sizeof(script), "%.4000s/../images/build.sh", config->profiles);
	if (access(script, R_OK) < 0)
		return err_sys(err, ERR_RUNTIME, "read '%s'", script);
	argv[n++] = script;
	argv[n++] = r->action;
	argv[n++] = r->name;
	argv[n++] = "--images";
	argv[n++] = config->images;
	if (r->mirror)
		argv[n++] = "--mirror", argv[n++] = r->mirror;
	if (r->suite)
		argv[n++] = "--suite", argv[n++] = r->suite;
	if (r->from)
		argv[n++] = "--from", argv[n++] = r->from;
	if (r->locked)
		argv[n++] = "--locked";
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(err, ERR_INTERNAL, "make a pipe");
	pid = fork();
	if (pid == 0)
		become((char *const *)(uintptr_t)argv, out[1]);
	(void)close(out[1]);
	*ret_text = pid < 0 ? NULL : io_read_all(out[0], ANSWER_MAX, &len);
	(void)close(out[0]);
	if (pid < 0)
		return err_sys(err, ERR_INTERNAL, "start '%s'", script);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_INTERNAL, "wait for '%s'", script);
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
	return *ret_text ? 0 : err_set(err, ERR_INTERNAL, "'%s' said too much", script);
}

static int tampered(const char *name, const char *text, struct err *err)
{
	const char *first = strchr(text, '\n'), *p;
	size_t n = 0;

	for (p = first ? first + 1 : ""; *p; p++)
		n += *p == '\n';
	first = first ? first + 1 : "";
	(void)err_set(err, ERR_CORRUPT,
		      "image '%s' is not as it was built: %zu paths differ, first: %.*s", name, n,
		      (int)(strcspn(first, "\n") > 200 ? 200 : strcspn(first, "\n")), first);
	return err_hint(err, "build it again: 'sbx image build %s --locked'", name);
}

static int act(const struct request *r, const struct config *config, json_t **ret, struct err *err)
{
	AUTO_FREE char *text = NULL;
	int status = 0;

	if (run_script(r, config, &text, &status, err) < 0)
		return -1;
	if (!strcmp(r->action, "check") && status == DIFFERS)
		return tampered(r->name, text, err);
	if (status != 0) {
		(void)err_set(err, status == 2 ? ERR_REQUEST : ERR_RUNTIME,
			      "image %s '%s' failed (status %d)", r->action, r->name, status);
		return err_hint(
			err,
			strcmp(r->action, "build") ?
				"the lines above say why" :
				"the lines above say why; an ordinary user needs mmdebstrap, uidmap, and a "
				"range in /etc/subuid and /etc/subgid");
	}
	if (!strcmp(r->action, "rm"))
		*ret = json_pack("{s:s}", "removed", r->name);
	else
		*ret = json_pack("{s:o?,s:b}", "image", read_image(config, r->name), "intact", 1);
	return 0;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	int done = json_decode(request, fields, FIELD_COUNT - (call->is_request ? 1 : 0), &r, "",
			       err);

	if (done == 0 && r.operands && r.operands[0]) {
		free(r.action);
		r.action = strdup(r.operands[0]);
		if (r.operands[1]) {
			free(r.name);
			r.name = strdup(r.operands[1]);
		}
	}
	if (done == 0 && (!r.action || !strcmp(r.action, "ls")))
		done = list(call->config, ret);
	else if (done == 0 && r.name &&
		 (!strcmp(r.action, "build") || !strcmp(r.action, "check") ||
		  !strcmp(r.action, "rm")))
		done = strspn(r.name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(r.name) &&
				       r.name[0] != '-' ?
			       act(&r, call->config, ret, err) :
			       err_set(err, ERR_REQUEST, "'%.64s' is no name of an image", r.name);
	else if (done == 0)
		done = err_set(err, call->is_request ? ERR_REQUEST : ERR_USAGE,
			       "ls, build NAME, check NAME or rm NAME");
	json_release(fields, FIELD_COUNT, &r);
	return done;
}

static void show_row(json_t *v, FILE *out)
{
	(void)fprintf(out, "%-16s %s  %6lld packages %12lld bytes  %.16s\n",
		      json_string_value(json_object_get(v, "name")),
		      json_string_value(json_object_get(v, "built")),
		      json_integer_value(json_object_get(v, "packages")),
		      json_integer_value(json_object_get(v, "bytes")),
		      json_string_value(json_object_get(v, "hash")));
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	(void)call;
	json_array_foreach(json_object_get(answer, "images"), i, v)
		show_row(v, out);
	if (json_is_object(json_object_get(answer, "image")))
		show_row(json_object_get(answer, "image"), out);
}

static const struct option_row options[] = {
	{ 0, "mirror", "mirror", OPTION_STRING, "URL",
	  "where packages come from (default: this host's apt)" },
	{ 0, "suite", "suite", OPTION_STRING, "NAME", "the release (default: this host's)" },
	{ 0, "from", "from", OPTION_STRING, "DIR|TAR", "take this root instead of building one" },
	{ 0, "locked", "locked", OPTION_FLAG, NULL, "the exact versions of NAME.lock" },
	{ 0 },
};

const struct verb verb_image = {
	.name = "image",
	.operands = "[ls | build NAME | check NAME | rm NAME]",
	.operand_member = "operands",
	.summary = "root file systems for profiles: list, build, check, remove",
	.options = options,
	.is_quiet = true,
	.run = run,
	.show = show,
};
