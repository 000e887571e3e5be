// SPDX-License-Identifier: Apache-2.0
/*
 * attack: every probe inside a jail of this host and, as its twin, outside. A probe that is refused
 * inside and does the same outside proves nothing, and is counted so.
 */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum { TEXT_MAX = 4 << 20 };

struct request {
	VERB_MEMBERS;
	char *profile;
	bool quick;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, profile, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, quick, .kind = JSON_KIND_BOOL),
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct child {
	pid_t pid;
	int in, out;
};

/* Starts the probe program outside with its own pipes. */
static int start(const char *path, char *const *argv, struct child *ret, struct err *err)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(err, ERR_INTERNAL, "make a pipe");
	if (pipe2(out, O_CLOEXEC) < 0) {
		(void)close(in[0]);
		(void)close(in[1]);
		return err_sys(err, ERR_INTERNAL, "make a pipe");
	}
	ret->pid = fork();
	if (ret->pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)dup2(null, 2);
		(void)setsid();
		(void)execv(path, argv);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	ret->in = in[1];
	ret->out = out[0];
	return ret->pid < 0 ? err_sys(err, ERR_INTERNAL, "start '%s'", path) : 0;
}

static void stop(struct child *c)
{
	(void)close(c->in); /* it ends at the end of its input */
	(void)close(c->out);
	(void)waitpid(c->pid, NULL, 0);
}

static char *output_of(const char *path, char *const *argv, struct err *err)
{
	struct child c;
	char *text;

	if (start(path, argv, &c, err) < 0)
		return NULL;
	text = io_read_all(c.out, TEXT_MAX, NULL);
	if (!text)
		(void)err_sys(err, ERR_INTERNAL, "read from '%s'", path);
	stop(&c);
	return text;
}

/* One JSON object a line, into an object by "name"; lines that are none are passed over. */
static json_t *by_name(const char *text)
{
	json_t *set = json_object();

	while (text && *text) {
		size_t len = strcspn(text, "\n");
		json_t *row = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
		const char *name = json_string_value(json_object_get(row, "name"));

		if (name)
			(void)json_object_set(set, name, row);
		json_decref(row);
		text += len + (text[len] == '\n');
	}
	return set;
}

static bool fits(const char *want, const char *result)
{
	size_t len = strlen(result);

	while (*want) {
		size_t n = strcspn(want, "|");

		if ((n == len && !strncmp(want, result, n)) ||
		    (n == 6 && !strncmp(want, "killed", 6) && !strncmp(result, "killed:", 7)))
			return true;
		want += n + (want[n] == '|');
	}
	return false;
}

static json_t *run_inside(struct call *call, const char *profile, const char *probe,
			  struct err *err)
{
	char program[] = "/run/sbx/probe", all[] = "--all", never[] = "never";
	char *argv[] = { program, all, NULL };
	struct exec_request r = {
		.argv = argv, .profile = (char *)(uintptr_t)profile, .commit = never, .probe = probe
	};
	json_t *answer = NULL;

	return exec_aside(call, &r, &answer, err) < 0 ? NULL : answer;
}

static json_t *judge(json_t *list, json_t *inside, json_t *outside, int64_t *ret_failed)
{
	json_t *rows = json_array(), *row;
	int64_t held = 0, failed = 0, unproven = 0;
	const char *name;

	json_object_foreach(list, name, row) {
		const char *want = json_string_value(json_object_get(row, "want"));
		const char *twin = json_string_value(json_object_get(row, "outside"));
		const char *in =
			json_string_value(json_object_get(json_object_get(inside, name), "result"));
		const char *out = json_string_value(
			json_object_get(json_object_get(outside, name), "result"));
		bool is_held = in && want && fits(want, in);
		bool is_proven = out &&
				 (!strcmp(twin ? twin : "", "done") ? !strcmp(out, "done") :
								      in && strcmp(in, out) != 0);
		json_t *v = json_pack("{s:s,s:O?,s:O?,s:s,s:s,s:s,s:b}", "name", name, "group",
				      json_object_get(row, "group"), "row",
				      json_object_get(row, "row"), "inside", in ? in : "no answer",
				      "outside", out ? out : "not run", "want", want ? want : "",
				      "held", is_held);

		(void)json_object_set_new(v, "proven", json_boolean(is_proven));
		(void)json_array_append_new(rows, v);
		held += is_held;
		failed += !is_held;
		/* a twin that needs root, or a thing this host lacks, proves nothing either way */
		unproven += is_held && !is_proven && out &&
			    strcmp(twin ? twin : "", "needs-root") != 0;
	}
	*ret_failed = failed;
	return json_pack("{s:I,s:I,s:I,s:o}", "held", (json_int_t)held, "failed",
			 (json_int_t)failed, "unproven", (json_int_t)unproven, "probes", rows);
}

static int attack(struct call *call, const struct request *r, json_t **ret, struct err *err)
{
	char path[PATH_MAX];
	char name[] = "sbx-probe", list_word[] = "--list", hold_word[] = "--hold",
	     bait[] = "--bait", all[] = "--all";
	char *list_argv[] = { name, list_word, NULL }, *hold_argv[] = { name, hold_word, NULL };
	char *out_argv[] = { name, bait, all, NULL };
	struct child hold;
	int64_t failed;
	char ready[64];

	(void)snprintf(path, sizeof(path), "%s/sbx-probe", call->config->libexec);
	if (access(path, X_OK) < 0)
		return err_sys(err, ERR_RUNTIME, "'%s'", path);
	AUTO_FREE char *list_text = output_of(path, list_argv, err);
	if (!list_text || start(path, hold_argv, &hold, err) < 0)
		return -1;
	(void)read(hold.out, ready, sizeof(ready)); /* its listeners are up */
	AUTO_JSON json_t *answer = run_inside(call, r->profile, path, err);
	stop(&hold);
	if (!answer)
		return -1;
	exec_forget_session(call, answer);
	AUTO_FREE char *out_text = r->quick ? strdup("") : output_of(path, out_argv, err);
	if (!out_text)
		return -1;
	AUTO_JSON json_t *list = by_name(list_text);
	AUTO_JSON json_t *inside = by_name(json_string_value(json_object_get(answer, "stdout")));
	AUTO_JSON json_t *outside = by_name(out_text);
	*ret = judge(list, inside, outside, &failed);
	(void)json_object_set(*ret, "isolation", json_object_get(answer, "isolation"));
	(void)json_object_set(*ret, "status", json_object_get(answer, "status"));
	call->status = failed ? 1 : 0;
	call->is_verdict = true;
	return 0;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	int done = json_decode(request, fields, COUNT(fields), &r, "", err);

	if (done == 0)
		done = attack(call, &r, ret, err);
	json_release(fields, COUNT(fields), &r);
	return done;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	(void)call;
	(void)fprintf(out, "%-28s %-14s %-16s %-16s %s\n", "probe", "group", "inside", "outside",
		      "");
	json_array_foreach(json_object_get(answer, "probes"), i, v)
		(void)fprintf(out, "%-28s %-14s %-16.16s %-16.16s %s\n",
			      json_string_value(json_object_get(v, "name")),
			      json_string_value(json_object_get(v, "group")),
			      json_string_value(json_object_get(v, "inside")),
			      json_string_value(json_object_get(v, "outside")),
			      json_is_true(json_object_get(v, "held")) ? "held" : "FAILED");
	(void)fprintf(out, "%lld held, %lld failed, %lld held but the same outside\n",
		      json_integer_value(json_object_get(answer, "held")),
		      json_integer_value(json_object_get(answer, "failed")),
		      json_integer_value(json_object_get(answer, "unproven")));
}

static const struct option_row options[] = {
	{ 'p', "profile", "profile", OPTION_STRING, "NAME", "attack a jail of this profile" },
	{ 'q', "quick", "quick", OPTION_FLAG, NULL, "only inside, without the twins outside" },
	{ 0 },
};

const struct verb verb_attack = { .name = "attack",
				  .summary = "try to break out of a jail on this host",
				  .options = options,
				  .run = run,
				  .show = show };
