// SPDX-License-Identifier: Apache-2.0
/* ps, top and kill: what runs of this user, what it uses, and its end. */
#include "cleanup.h"
#include "exec.h"
#include "io.h"
#include "running.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { END_MS = 10000, SAMPLES_MAX = 4096 };

/* ---- ps ---- */

struct ps_request {
	VERB_MEMBERS;
};

static const struct json_field ps_fields[] = { VERB_FIELDS(ps_request) };

/* CPU time at an earlier look, so that a share can be told. */
struct sample {
	char exec[ID_SIZE];
	int64_t cpu_us, at_us;
};

struct look {
	struct call *call;
	json_t *list;
	struct sample *samples; /* or NULL */
	size_t count;
};

static int64_t share_of(struct look *look, const char *exec, int64_t cpu_us)
{
	int64_t now = io_now_us(), share = -1;
	size_t i;

	for (i = 0; i < look->count && strcmp(look->samples[i].exec, exec) != 0; i++)
		;
	if (i == SAMPLES_MAX)
		return -1;
	if (i < look->count && now > look->samples[i].at_us)
		share = (cpu_us - look->samples[i].cpu_us) * 100 / (now - look->samples[i].at_us);
	if (i == look->count)
		(void)snprintf(look->samples[look->count++].exec, ID_SIZE, "%s", exec);
	look->samples[i].cpu_us = cpu_us;
	look->samples[i].at_us = now;
	return share < 0 ? -1 : share;
}

static int add(const struct running *r, void *arg)
{
	struct look *look = arg;
	struct running_use use;
	int64_t share, age = text_now_ms() - r->started_ms;
	char time[32];
	json_t *v;

	if (running_use(r, &use) < 0)
		return 0; /* it has just ended */
	v = json_pack("{s:o,s:o,s:s,s:s,s:i,s:s,s:I,s:I,s:I,s:I,s:I,s:o,s:s}", "exec_id",
		      id_json(look->call, r->exec), "session", id_json(look->call, r->session),
		      "user", r->user, "lang", r->lang, "pid", (int)r->pid, "started",
		      text_time(r->started_ms, time), "wall_ms", (json_int_t)(age > 0 ? age : 0),
		      "cpu_ms", (json_int_t)(use.cpu_us / 1000), "memory_bytes",
		      (json_int_t)use.memory_bytes, "swap_bytes", (json_int_t)use.swap_bytes,
		      "processes", (json_int_t)use.tasks, "limits", limits_json(&r->limits),
		      "counted_by", use.is_cgroup ? "cgroup" : "proc");
	if (use.is_cgroup)
		(void)json_object_set_new(v, "cgroup_limits", limits_json(&use.set));
	share = look->samples ? share_of(look, r->exec, use.cpu_us) : -1;
	if (share >= 0)
		(void)json_object_set_new(v, "cpu_percent", json_integer(share));
	return json_array_append_new(look->list, v);
}

static int list(struct look *look, json_t **ret, struct err *err)
{
	look->list = json_array();
	if (running_each(look->call, look->call->user, add, look, err) < 0) {
		json_decref(look->list);
		return -1;
	}
	*ret = json_pack("{s:s,s:o}", "user", look->call->user, "running", look->list);
	return 0;
}

static int run_ps(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct ps_request r = { 0 };
	struct look look = { .call = call };
	int done = json_decode(request, ps_fields, COUNT(ps_fields), &r, "", err);

	json_release(ps_fields, COUNT(ps_fields), &r);
	return done < 0 ? -1 : list(&look, ret, err);
}

static int64_t number(json_t *v, const char *name)
{
	return json_integer_value(json_object_get(v, name));
}

static void show_mib(FILE *out, int64_t bytes, int64_t limit)
{
	char text[48];

	(void)snprintf(text, sizeof(text), "%" PRId64 "/%" PRId64 "M", bytes >> 20, limit >> 20);
	(void)fprintf(out, "%11s ", text);
}

static void show_ps(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	(void)call;
	(void)fprintf(out, "%-36s %-10s %8s %14s %5s %11s %8s\n", "EXEC", "LANG", "PID",
		      "TIME/LIMIT", "CPU", "MEMORY", "TASKS");
	json_array_foreach(json_object_get(answer, "running"), i, v) {
		json_t *limits = json_object_get(v, "limits"),
		       *share = json_object_get(v, "cpu_percent");
		char text[48], lang[32];

		text_clean(json_string_value(json_object_get(v, "lang")), lang, sizeof(lang));
		(void)snprintf(text, sizeof(text), "%.1f/%.1fs",
			       (double)number(v, "wall_ms") / 1000,
			       (double)number(limits, "wall_ms") / 1000);
		(void)fprintf(out, "%-36s %-10s %8" PRId64 " %14s ",
			      json_string_value(json_object_get(v, "exec_id")), lang,
			      number(v, "pid"), text);
		if (share)
			(void)fprintf(out, "%4" PRId64 "%% ", (int64_t)json_integer_value(share));
		else
			(void)fprintf(out, "%4.1fs ", (double)number(v, "cpu_ms") / 1000);
		show_mib(out, number(v, "memory_bytes"), number(limits, "memory_bytes"));
		(void)snprintf(text, sizeof(text), "%" PRId64 "/%" PRId64, number(v, "processes"),
			       number(limits, "processes"));
		(void)fprintf(out, "%8s\n", text);
	}
}

/* ---- top ---- */

struct top_request {
	VERB_MEMBERS;
	int64_t interval_ms, count;
};

static const struct json_field top_fields[] = {
	VERB_FIELDS(top_request),
	JSON_FIELD(top_request, interval_ms, .kind = JSON_KIND_INT, .min = 100, .max = 3600000),
	JSON_FIELD(top_request, count, .kind = JSON_KIND_INT, .min = 1, .max = INT64_MAX),
};

static void pause_ms(int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

/* As JSON one look over one interval; for a person one after the other until it is interrupted. */
static int run_top(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct top_request r = { .interval_ms = 1000 };
	struct look look = { .call = call };
	int64_t i;
	int done = json_decode(request, top_fields, COUNT(top_fields), &r, "", err);

	json_release(top_fields, COUNT(top_fields), &r);
	AUTO_FREE struct sample *samples = done < 0 ? NULL : calloc(SAMPLES_MAX, sizeof(*samples));
	if (!samples)
		return done < 0 ? -1 : err_sys(err, ERR_INTERNAL, "allocate");
	look.samples = samples;
	if (list(&look, ret, err) < 0)
		return -1;
	if (!r.count)
		r.count = call->is_json ? 1 : INT64_MAX;
	for (i = 0; i < r.count; i++) {
		json_decref(*ret);
		*ret = NULL;
		pause_ms(r.interval_ms);
		if (look.count > SAMPLES_MAX / 2)
			look.count = 0; /* mostly of runs that are long gone */
		if (list(&look, ret, err) < 0)
			return -1;
		if (call->is_json || i + 1 == r.count)
			continue;
		if (isatty(STDOUT_FILENO))
			(void)fputs("\033[H\033[2J", stdout);
		show_ps(call, *ret, stdout);
		if (fflush(stdout) != 0)
			return 0;
	}
	return 0;
}

/* ---- kill ---- */

struct kill_request {
	VERB_MEMBERS;
	char **execs;
};

static const struct json_field kill_fields[] = {
	VERB_FIELDS(kill_request),
	JSON_FIELD(kill_request, execs, .kind = JSON_KIND_STRINGS, .required = true, .max = 1000),
};

struct search {
	const char *exec;
	struct running found;
	bool is_found;
};

static int compare(const struct running *r, void *arg)
{
	struct search *search = arg;

	if (strcmp(r->exec, search->exec) != 0)
		return 0;
	search->found = *r;
	search->is_found = true;
	return 1;
}

/*
 * SIGTERM to its sbx, which ends the run in good order. Through a descriptor that is held while the
 * start time is compared, so that no process which took the number over is ever meant.
 */
static int end_run(struct call *call, const char *id, json_t *ended, struct err *err)
{
	char exec[ID_SIZE];
	struct search search = { .exec = exec };

	if (!id_parse(id, exec))
		return err_set(err, ERR_REQUEST, "'%.60s' is no id of a run", id);
	if (running_each(call, call->user, compare, &search, err) < 0)
		return -1;
	AUTO_FD int fd = search.is_found ? (int)syscall(SYS_pidfd_open, search.found.pid, 0) : -1;
	if (fd < 0 || running_start(search.found.pid) != search.found.pid_start)
		return err_set(err, ERR_NOT_FOUND, "no run '%.60s' is going on", id);
	if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(err, ERR_INTERNAL, "end the run '%.60s'", id);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool gone = poll(&p, 1, END_MS) == 1;
	return json_array_append_new(ended, json_pack("{s:o,s:b}", "exec_id", id_json(call, exec),
						      "ended", gone));
}

static int run_kill(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct kill_request r = { 0 };
	json_t *ended = json_array();
	size_t i;
	int done = json_decode(request, kill_fields, COUNT(kill_fields), &r, "", err);

	for (i = 0; done == 0 && r.execs[i]; i++)
		if (end_run(call, r.execs[i], ended, err) < 0)
			done = err_at(err, "/execs/%zu", i);
	json_release(kill_fields, COUNT(kill_fields), &r);
	if (done < 0)
		json_decref(ended);
	else
		*ret = json_pack("{s:o}", "killed", ended);
	return done;
}

static void show_kill(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	(void)call;
	json_array_foreach(json_object_get(answer, "killed"), i, v)
		(void)fprintf(out, "%s  %s\n", json_string_value(json_object_get(v, "exec_id")),
			      json_is_true(json_object_get(v, "ended")) ? "ended" : "is ending");
}

static const struct option_row ps_options[] = { VERB_USER_OPTION, { 0 } };
static const struct option_row top_options[] = {
	VERB_USER_OPTION,
	{ 0, "interval", "interval_ms", OPTION_DURATION, "TIME",
	  "between two looks (default: 1s)" },
	{ 0, "count", "count", OPTION_INT, "N", "stop after so many looks" },
	{ 0 },
};

const struct verb verb_ps = { .name = "ps",
			      .summary = "what runs now, with what it uses",
			      .options = ps_options,
			      .run = run_ps,
			      .show = show_ps };
const struct verb verb_top = { .name = "top",
			       .summary = "watch what runs",
			       .options = top_options,
			       .run = run_top,
			       .show = show_ps };
const struct verb verb_kill = { .name = "kill",
				.operands = "EXEC...",
				.operand_member = "execs",
				.summary = "end a run, and nothing else",
				.options = ps_options,
				.run = run_kill,
				.show = show_kill };
