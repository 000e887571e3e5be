// SPDX-License-Identifier: Apache-2.0
/* The answer of a run: its status told by evidence, and what was read back, never what was asked. */
#include "cleanup.h"
#include "commands.h"
#include "exec.h"
#include "filter_hash.h"
#include "io.h"
#include "libraries.h"

#include <fcntl.h>
#include <nettle/base64.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void hit(json_t *list, const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (!strcmp(json_string_value(v), name))
			return;
	(void)json_array_append_new(list, json_string(name));
}

/* What the counters say was met, whatever became of the run. */
static json_t *evidence(struct exec *x)
{
	const struct report *r = &x->run.report;
	json_t *list = json_array();

	if (r->end == REPORT_WALL)
		hit(list, "wall_ms");
	if (r->end == REPORT_CPU || (r->end == REPORT_SIGNAL && r->code == SIGXCPU))
		hit(list, "cpu_ms");
	if (r->end == REPORT_MEMORY || x->cgroup.oom_kills > 0 || r->is_memory_refused)
		hit(list, "memory_bytes");
	if (r->end == REPORT_PROCESSES || x->cgroup.pids_refused > 0 ||
	    (r->is_process_refused && !x->cgroup.has_pids))
		hit(list, "processes");
	if (r->is_scratch_full)
		hit(list, r->scratch_files >= x->limits.scratch_files ? "scratch_files" :
									"scratch_bytes");
	if (r->end == REPORT_SIGNAL && r->code == SIGXFSZ)
		hit(list, "file_bytes");
	if (r->end == REPORT_OUTPUT || x->run.out.total > x->limits.stdout_bytes)
		hit(list, "stdout_bytes");
	if (x->run.err.total > x->limits.stderr_bytes)
		hit(list, "stderr_bytes");
	return list;
}

static bool is_hit(json_t *list, const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (!strcmp(json_string_value(v), name))
			return true;
	return false;
}

static const char *tell_status(const struct report *r, json_t *hits)
{
	switch (r->end) {
	case REPORT_WALL:
		return "timeout";
	case REPORT_CPU:
		return "cpu_limit";
	case REPORT_MEMORY:
		return "memory_limit";
	case REPORT_PROCESSES:
		return "process_limit";
	case REPORT_OUTPUT:
		return "output_limit";
	case REPORT_KILLED:
		return "killed";
	case REPORT_EXITED:
		if (r->code == 0)
			return "success";
		break;
	default:
		break;
	}
	if (is_hit(hits, "memory_bytes"))
		return "memory_limit";
	if (is_hit(hits, "cpu_ms"))
		return "cpu_limit";
	if (is_hit(hits, "file_bytes") || is_hit(hits, "scratch_bytes") ||
	    is_hit(hits, "scratch_files"))
		return "disk_limit";
	if (is_hit(hits, "processes"))
		return "process_limit";
	return r->end == REPORT_SIGNAL ? "signal" : "error";
}

json_t *id_json(const struct call *call, const char *id)
{
	char brief[ID_SHORT_SIZE];

	if (!call->id_short)
		return json_string(id);
	id_shorten(id, brief);
	return json_string(brief);
}

static json_t *base64(const char *text, size_t len)
{
	char *out = malloc(BASE64_ENCODE_RAW_LENGTH(len) + 1);
	json_t *v;

	if (!out)
		return json_null();
	base64_encode_raw(out, len, (const uint8_t *)text);
	v = json_stringn(out, BASE64_ENCODE_RAW_LENGTH(len));
	free(out);
	return v;
}

static void put_output(struct exec *x, json_t *a, const struct sink *sink, const char *name)
{
	bool raw = x->request->encoding && !strcmp(x->request->encoding, "base64"), cut;
	char key[32];
	size_t len;

	AUTO_FREE char *text = sink_text(sink, &len, &cut);
	(void)json_object_set_new(a, name, json_text(text ? text : "", len));
	(void)snprintf(key, sizeof(key), "%s_bytes", name);
	(void)json_object_set_new(a, key, json_integer(sink->total));
	(void)snprintf(key, sizeof(key), "%s_truncated", name);
	(void)json_object_set_new(a, key, json_boolean(cut));
	(void)snprintf(key, sizeof(key), "%s_base64", name);
	if (raw)
		(void)json_object_set_new(a, key, base64(text ? text : "", len));
}

static json_t *files_of(struct exec *x)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < x->collect.count; i++) {
		const struct change *c = &x->collect.changes[i];
		json_t *v = json_pack("{s:o,s:s,s:s}", "id", id_json(x->call, c->entry.id), "name",
				      c->entry.name, "change",
				      c->kind == 'c' ? "created" :
				      c->kind == 'm' ? "modified" :
						       "deleted");

		if (c->kind != 'd') {
			(void)json_object_set_new(v, "size", json_integer(c->entry.size));
			(void)json_object_set_new(v, "mime", json_string(c->entry.mime));
			(void)json_object_set_new(v, "sha256", json_string(c->entry.sha256));
		}
		if (c->from[0])
			(void)json_object_set_new(v, "from", id_json(x->call, c->from));
		(void)json_array_append_new(list, v);
	}
	return list;
}

static json_t *usage_of(const struct exec *x)
{
	const struct report *r = &x->run.report;
	const struct cgroup *c = &x->cgroup;
	int64_t cpu = c->job >= 0 && c->cpu_us ? c->cpu_us : r->cpu_us;
	int64_t memory = c->has_memory && c->memory_peak ? c->memory_peak : r->memory_peak;
	int64_t tasks = c->has_pids && c->pids_peak ? c->pids_peak : r->processes_peak;

	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:b}", "wall_ms", (json_int_t)(r->run_us / 1000),
			 "cpu_ms", (json_int_t)(cpu / 1000), "throttled_ms",
			 (json_int_t)(c->throttled_us / 1000), "memory_peak_bytes",
			 (json_int_t)memory, "processes_peak", (json_int_t)tasks, "scratch_bytes",
			 (json_int_t)r->scratch_bytes, "exact", c->has_memory);
}

static json_t *timing_of(const struct exec *x)
{
	const struct report *r = &x->run.report;
	int64_t now = io_now_us();

	return json_pack("{s:I,s:f,s:f,s:f,s:f,s:f,s:f}", "wait_ms", (json_int_t)x->wait_ms,
			 "stage_ms", (double)(x->staged_us - x->begin_us) / 1000, "jail_ms",
			 (double)r->jail_us / 1000, "run_ms",
			 (double)(r->run_us - r->compile_us) / 1000, "compile_ms",
			 (double)r->compile_us / 1000, "collect_ms", (double)r->collect_us / 1000,
			 "total_ms", (double)(now - x->begin_us) / 1000);
}

static json_t *isolation_of(const struct exec *x)
{
	const struct report *r = &x->run.report;
	char filter[160];

	(void)snprintf(filter, sizeof(filter), "%s:%s", x->spec.seccomp,
		       filter_describe(x->spec.seccomp, r->notify));
	return json_pack("{s:s,s:[sssssss],s:b,s:o,s:o,s:s,s:s,s:b,s:i,s:s,s:s,s:b}", "method",
			 "userns", "namespaces", "user", "mnt", "pid", "net", "ipc", "uts",
			 "cgroup", "keyring", r->keyring, "seccomp",
			 r->seccomp_mode == 2 || r->seccomp_mode == -1 ? json_string(filter) :
									 json_null(),
			 "landlock", r->landlock_abi ? json_integer(r->landlock_abi) : json_null(),
			 "cgroup", x->cgroup.method, "caps", r->caps_held ? "some" : "none",
			 "no_new_privs", r->no_new_privs != 0, "groups", r->groups, "workspace",
			 r->overlay ? "overlay" : "copy", "proc", r->proc_fresh ? "fresh" : "empty",
			 "notify", r->notify);
}

static json_t *blocked_of(const struct report *r)
{
	json_t *list = json_array();
	int i;

	for (i = 0; i < r->blocked_count; i++) {
		const struct report_blocked *b = &r->blocked[i];

		(void)json_array_append_new(
			list,
			json_pack(
				"{s:s,s:o,s:s,s:s,s:I,s:s}", "op", b->op, "target",
				b->target[0] ? json_text(b->target, strlen(b->target)) :
					       json_null(),
				"rule", "seccomp", "errno", err_errno(b->sys), "count",
				(json_int_t)b->count, "hint",
				"this system call is never needed by code that stays in its session"));
	}
	return list;
}

/* The limits in force: what the kernel has in the place of what was asked for. */
static json_t *limits_of(const struct exec *x)
{
	const struct report *r = &x->run.report;
	const struct limits *set = &x->cgroup.set;
	struct limits l = x->limits;

	if (set->memory_bytes)
		l.memory_bytes = set->memory_bytes;
	if (x->cgroup.has_memory)
		l.swap_bytes = set->swap_bytes;
	if (set->processes)
		l.processes = set->processes;
	else if (r->limit_nproc > 0)
		l.processes = r->limit_nproc;
	if (set->cpu_percent)
		l.cpu_percent = set->cpu_percent;
	if (set->io_bytes_per_s)
		l.io_bytes_per_s = set->io_bytes_per_s;
	if (r->limit_nofile > 0)
		l.open_files = r->limit_nofile;
	if (r->limit_fsize > 0)
		l.file_bytes = r->limit_fsize;
	return limits_json(&l);
}

/* What a failed run lacked, where its own words say so: the reason, which it cannot know. */
static void put_hint(struct exec *x, json_t *a)
{
	AUTO_FD int host = x->run.root < 0 ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	int root = x->run.root < 0 ? host : x->run.root;
	const char *errors = json_string_value(json_object_get(a, "stderr"));
	char hint[512];

	if (root >= 0 && errors && strcmp(x->status, "success") != 0 &&
	    (libraries_hint(&x->profile, root, errors, hint, sizeof(hint)) ||
	     commands_hint(&x->profile, root, errors, hint, sizeof(hint))))
		(void)json_object_set_new(a, "hint", json_string(hint));
}

json_t *exec_answer(struct exec *x)
{
	const struct report *r = &x->run.report;
	json_t *hits = evidence(x), *a, *limits = limits_of(x), *end_code;
	bool committed = x->collect.is_keeping, is_signal = r->end == REPORT_SIGNAL;
	char version[80];

	x->status = tell_status(r, hits);
	language_version(x->call, &x->profile, &x->language, version, sizeof(version));
	end_code = r->end == REPORT_EXITED || r->end == REPORT_COMPILE ? json_integer(r->code) :
									 json_null();
	a = json_pack("{s:o,s:s,s:o,s:I,s:b,s:s,s:o,s:o,s:o}", "exec_id",
		      id_json(x->call, x->stage.exec), "user", x->session.user, "session",
		      id_json(x->call, x->session.id), "revision", (json_int_t)x->revision,
		      "committed", committed, "status", x->status, "exit_code", end_code, "signal",
		      is_signal ? json_integer(r->code) : json_null(), "limits_hit", hits);
	put_output(x, a, &x->run.out, "stdout");
	put_output(x, a, &x->run.err, "stderr");
	put_hint(x, a);
	(void)json_object_set_new(a, "files", files_of(x));
	(void)json_array_extend(x->skipped, x->collect.skipped);
	(void)json_object_set(a, "skipped", x->skipped);
	(void)json_object_set_new(a, "usage", usage_of(x));
	(void)json_object_set_new(a, "timing", timing_of(x));
	(void)json_object_set_new(a, "limits", limits);
	(void)json_object_set_new(a, "isolation", isolation_of(x));
	(void)json_object_set_new(a, "blocked", blocked_of(r));
	(void)json_object_set_new(a, "start", json_string("cold"));
	(void)json_object_set_new(a, "lang",
				  x->language.name ? json_string(x->language.name) : json_null());
	(void)json_object_set_new(a, "lang_version",
				  version[0] ? json_string(version) : json_null());
	(void)json_object_set_new(a, "profile", json_string(x->profile.name));
	if (r->end == REPORT_COMPILE)
		(void)json_object_set_new(a, "compile_failed", json_true());
	return a;
}
