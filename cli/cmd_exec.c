// SPDX-License-Identifier: Apache-2.0
/* exec: the main job, step by step; each step's failure undoes what the steps before have made. */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "govern.h"
#include "image.h"
#include "io.h"
#include "running.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int open_profile(struct exec *x, struct err *err)
{
	const char *name = x->request->profile ? x->request->profile : x->call->config->profile;

	if (profile_load(x->call->config, name, &x->profile, err) < 0)
		return err->code == ERR_NOT_FOUND ? err_at(err, "/profile") : -1;
	if (x->request->lang &&
	    profile_language(&x->profile, x->request->lang, &x->language, err) < 0)
		return -1;
	if (limits_lower(&x->request->limits, &x->profile.limits, &x->limits, err) < 0)
		return -1;
	if (!strcmp(x->profile.root, "host"))
		return 0;
	x->run.root = image_open(x->call->config, x->profile.root, err);
	return x->run.root < 0 ? -1 : 0;
}

static bool wants(const struct exec *x, const char *layer)
{
	char *const *sources[] = { x->call->config->require, x->profile.require,
				   x->request->require };
	size_t i, k;

	for (i = 0; i < 3; i++)
		for (k = 0; sources[i] && sources[i][k]; k++)
			if (!strcmp(sources[i][k], layer))
				return true;
	return false;
}

static int make_stage(struct exec *x, struct err *err)
{
	struct input *inputs;
	size_t count;

	if (exec_inputs(x, &inputs, &count, err) < 0)
		return -1;
	if (stage_make(&x->session, inputs, count, x->request->files ? 0 : x->base_revision,
		       &x->stage, err) < 0)
		return -1;
	x->revision = x->base_revision;
	x->staged_us = io_now_us();
	return 0;
}

static void prepare_collect(struct exec *x)
{
	const char *commit = x->request->commit ? x->request->commit : "success";

	x->mime.config = x->call->config;
	x->collect.session = &x->session;
	x->collect.stage = &x->stage;
	x->collect.limits = &x->limits;
	x->collect.mime = &x->mime;
	x->collect.exec = x->stage.exec;
	x->collect.keep = x->profile.keep;
	x->collect.commit = (unsigned char)commit[0];
}

static int adopt(struct jail_run *run, void *arg, struct err *err)
{
	struct exec *x = arg;

	if (cgroup_adopt(&x->cgroup, run->pid, err) < 0)
		return -1;
	return running_add(x->call, x->stage.exec, x->session.id, run->pid, &x->limits,
			   x->language.name ? x->language.name : "argv", err);
}

static int open_stdin(struct exec *x, struct err *err)
{
	const struct exec_request *r = x->request;
	struct stat st;
	int fd;

	if (r->stdin_text && r->stdin_text[0]) {
		fd = memfd_create("stdin", MFD_CLOEXEC);
		if (fd < 0 || io_write_all(fd, r->stdin_text, strlen(r->stdin_text)) < 0 ||
		    lseek(fd, 0, SEEK_SET) < 0)
			return err_sys(err, ERR_INTERNAL, "hold the program's input");
		x->run.stdin_fd = fd;
	} else if (r->stdin_file) {
		fd = open(r->stdin_file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return err_sys(err, ERR_NOT_FOUND, "open '%.200s'", r->stdin_file);
		x->run.stdin_fd = fd;
	} else if (r->stdin_fd) {
		if (fstat((int)r->stdin_fd, &st) < 0 ||
		    !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) {
			(void)err_set(err, ERR_REQUEST, "must be an open pipe");
			return err_at(err, "/stdin_fd");
		}
		x->run.stdin_fd = (int)r->stdin_fd;
		x->run.stdin_direct = true;
	} else if (!x->call->is_request && fstat(0, &st) == 0 &&
		   (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode))) {
		x->run.stdin_fd = 0;
		x->run.stdin_direct = S_ISFIFO(st.st_mode);
	}
	return 0;
}

static int run_jail(struct exec *x, struct err *err)
{
	int done;

	x->run.spec = &x->spec;
	x->run.libexec = x->call->config->libexec;
	x->run.input = x->stage.view;
	x->run.cgroup = x->cgroup.job;
	x->run.take = collect_take;
	x->run.taker = &x->collect;
	x->run.ready = adopt;
	x->run.ready_arg = x;
	x->run.out.cap = (size_t)x->limits.stdout_bytes;
	x->run.err.cap = (size_t)x->limits.stderr_bytes;
	x->run.output_kill = 16 * (x->limits.stdout_bytes + x->limits.stderr_bytes) + (1 << 20);
	if (x->request->stream) {
		x->run.out.event = "stdout";
		x->run.err.event = "stderr";
		sink_event(json_pack("{s:i,s:s,s:o,s:o}", "v", 1, "event", "start", "exec_id",
				     id_json(x->call, x->stage.exec), "session",
				     id_json(x->call, x->session.id)));
	} else if (!x->call->is_json) {
		x->run.out.live = STDOUT_FILENO;
		x->run.err.live = STDERR_FILENO;
	}
	done = jail_run(&x->run, err);
	running_remove(x->call, x->stage.exec);
	return done;
}

static int finish(struct exec *x, struct err *err)
{
	if (collect_finish(&x->collect, x->run.report.overlay != 0, err) < 0)
		return -1;
	return collect_commit(&x->collect, &x->revision, err);
}

static void init(struct exec *x, struct call *call, const struct exec_request *request)
{
	memset(x, 0, sizeof(*x));
	x->call = call;
	x->request = request;
	x->begin_us = io_now_us();
	x->run.stdin_fd = x->run.root = x->run.cgroup = -1;
	x->run.out.fd = x->run.err.fd = x->run.out.live = x->run.err.live = -1;
	x->session.dir = x->session.user_dir = -1;
	x->cgroup.base = x->cgroup.job = -1;
	x->slot = -1;
	x->skipped = json_array();
	x->collect.skipped = json_array();
	id_new(x->stage.exec);
}

static void done(struct exec *x)
{
	size_t i;

	cgroup_done(&x->cgroup);
	mime_done(&x->mime);
	collect_done(&x->collect);
	sink_done(&x->run.out);
	sink_done(&x->run.err);
	stage_done(&x->stage);
	spec_done(&x->spec);
	for (i = 0; i < x->other_count; i++)
		session_done(&x->others[i]);
	free(x->others);
	if (x->run.stdin_fd > 0 && !x->run.stdin_direct)
		(void)close(x->run.stdin_fd);
	if (x->run.root >= 0)
		(void)close(x->run.root);
	session_drop_new(&x->session);
	session_done(&x->session);
	language_done(&x->language);
	profile_done(&x->profile);
	json_decref(x->skipped);
	cleanup_fd(&x->slot);
}

/* Groups beside the own one cannot be given up without privilege: then only a refusal helps. */
static bool has_other_groups(void)
{
	gid_t list[1024];
	int n = getgroups(sizeof(list) / sizeof(list[0]), list), i;

	for (i = 0; i < n; i++)
		if (list[i] != getegid())
			return true;
	return n < 0;
}

static int go(struct exec *x, struct err *err)
{
	const char *cgroup = x->call->config->cgroup;
	struct stat st;

	if (open_profile(x, err) < 0 || open_stdin(x, err) < 0 ||
	    session_of_request(x->call, x->request->session, true, &x->session, err) < 0)
		return err->code == ERR_NOT_FOUND && x->request->session ? err_at(err, "/session") :
									   -1;
	if (wants(x, "groups") && has_other_groups()) {
		(void)err_set(err, ERR_ISOLATION,
			      "the caller has supplementary groups, and \"groups\" is required");
		return err_hint(err, "a service account should have none: see sbx(1)");
	}
	if (govern_admit(x->call, &x->slot, &x->wait_ms, err) < 0 || make_stage(x, err) < 0)
		return -1;
	if (fstat(x->session.dir, &st) == 0)
		x->cgroup.disk = st.st_dev;
	if (cgroup_make(wants(x, "cgroup") ? "required" : cgroup, x->stage.exec, &x->limits,
			&x->cgroup, err) < 0)
		return -1;
	if (exec_spec(x, err) < 0)
		return -1;
	prepare_collect(x);
	if (run_jail(x, err) < 0)
		return -1;
	cgroup_read(&x->cgroup);
	return finish(x, err);
}

int exec_run(struct call *call, const struct exec_request *request, json_t **ret, struct err *err)
{
	struct exec x;
	int failed;

	init(&x, call, request);
	failed = go(&x, err);
	if (failed == 0) {
		*ret = exec_answer(&x);
		x.session.is_new = false; /* an answer names it: it stays, empty or not */
	}
	govern_run(call, &x, failed == 0 ? *ret : NULL, err);
	done(&x);
	return failed;
}

int exec_aside(struct call *call, const struct exec_request *request, json_t **ret, struct err *err)
{
	bool was_json = call->is_json, was_request = call->is_request;
	int failed;

	call->is_json = call->is_request = true;
	call->is_aside = !request->is_counted;
	failed = exec_run(call, request, ret, err);
	call->is_aside = false;
	call->is_json = was_json;
	call->is_request = was_request;
	return failed;
}

/* What a shell would have for the program's end: its status, 128 and the signal, 124, 137. */
static int shell_status(json_t *answer)
{
	const char *status = json_string_value(json_object_get(answer, "status"));

	if (!strcmp(status, "success") || !strcmp(status, "error"))
		return (int)json_integer_value(json_object_get(answer, "exit_code"));
	if (!strcmp(status, "signal"))
		return 128 + (int)json_integer_value(json_object_get(answer, "signal"));
	return !strcmp(status, "timeout") ? 124 : 137;
}

int exec_document(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	bool was_request = call->is_request;
	struct exec_request x;
	int failed;

	call->is_request = false; /* the verb may set what a caller's request may not */
	failed = exec_decode(call, request, &x, err);
	call->is_request = was_request;
	if (failed < 0)
		return -1;
	failed = exec_run(call, &x, ret, err);
	exec_release(&x);
	if (failed == 0 && !call->is_json)
		call->status = shell_status(*ret);
	return failed;
}

void exec_forget_session(struct call *call, json_t *answer)
{
	const char *id = json_string_value(json_object_get(answer, "session"));
	struct session s;

	if (id && session_open(call, call->user, id, &s, NULL) == 0) {
		(void)session_erase(call, &s, true, NULL);
		session_done(&s);
	}
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct exec_request r;
	int failed;

	if (exec_decode(call, request, &r, err) < 0)
		return -1;
	failed = exec_run(call, &r, ret, err);
	if (failed == 0 && r.stream) {
		json_t *event = json_pack("{s:i,s:s,s:b}", "v", 1, "event", "result", "ok", 1);

		(void)json_object_update(event, *ret);
		sink_event(event);
		call->is_done = true;
	}
	if (failed == 0 && !call->is_json && !r.stream)
		call->status = shell_status(*ret);
	exec_release(&r);
	return failed;
}

/* The output went through live; what a person wants to know beside it goes to stderr. */
static void show(const struct call *call, json_t *answer, FILE *out)
{
	const char *status = json_string_value(json_object_get(answer, "status"));
	json_t *v;
	size_t i;

	(void)out;
	if (call->status == 124 || call->status == 137)
		(void)fprintf(stderr, "%s: the run was ended: %s\n", call->program, status);
	if (json_object_get(answer, "hint"))
		(void)fprintf(stderr, "%s: %s\n", call->program,
			      json_string_value(json_object_get(answer, "hint")));
	json_array_foreach(json_object_get(answer, "files"), i, v)
		if (isatty(STDERR_FILENO))
			(void)fprintf(stderr, "%s: %s %s\n", call->program,
				      json_string_value(json_object_get(v, "change")),
				      json_string_value(json_object_get(v, "name")));
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 'l', "lang", "lang", OPTION_STRING, "LANG",
	  "the language (default: by the file's name)" },
	{ 'c', "code", "code", OPTION_STRING, "CODE", "the code itself" },
	{ 'p', "profile", "profile", OPTION_STRING, "NAME", "the profile" },
	{ 0, "stdin", "stdin_file", OPTION_STRING, "FILE", "the program's input" },
	{ 'a', "arg", "args", OPTION_LIST, "ARG", "an argument of the program; may be repeated" },
	{ 'e', "env", "env", OPTION_MAP, "NAME=VALUE",
	  "a variable of its environment; may be repeated" },
	{ 'f', "file", "files", OPTION_LIST, "ID|NAME",
	  "exactly these files of the session; may be repeated" },
	{ 't', "wall", "limits/wall_ms", OPTION_DURATION, "TIME",
	  "its time, as 10s, 500ms, 2m; a bare number is seconds" },
	{ 0, "cpu", "limits/cpu_ms", OPTION_DURATION, "TIME", "its CPU time" },
	{ 'm', "memory", "limits/memory_bytes", OPTION_SIZE, "SIZE", "its memory, as 256M" },
	{ 0, "processes", "limits/processes", OPTION_INT, "N", "its processes and threads" },
	{ 0, "scratch", "limits/scratch_bytes", OPTION_SIZE, "SIZE", "what it may write" },
	{ 0, "commit", "commit", OPTION_STRING, "WHEN",
	  "keep its files on success, always or never" },
	{ 0, "missing", "missing", OPTION_STRING, "HOW",
	  "a listed file that is not there: fail or skip" },
	{ 0, "require", "require", OPTION_LIST, "LAYER", "refuse to run without this layer" },
	{ 0, "encoding", "encoding", OPTION_STRING, "HOW", "utf8, or base64 beside it" },
	{ 0, "stream", "stream", OPTION_FLAG, NULL, "one JSON event a line while it runs" },
	{ 0 },
};

const struct verb verb_exec = {
	.name = "exec",
	.operands = "[FILE [ARG...] | -c CODE | -- COMMAND [ARG...]]",
	.operand_member = "operands",
	.summary = "run code in a jail with the session's files",
	.options = options,
	.takes_stdin = true,
	.run = run,
	.show = show,
};
