// SPDX-License-Identifier: Apache-2.0
/*
 * Settings: built in, then the system's file, then the user's own, then the environment. Who runs
 * sbx owns the store that it uses, so nothing here needs to be kept from them.
 */
#include "config.h"

#include "cleanup.h"
#include "io.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SIZE_MAX_BYTES ((int64_t)1 << 50)
#define S(m, ...) JSON_FIELD(config, m, .kind = JSON_KIND_STRING, .min = 1, .max = 4000)
#define N(m, lo, hi) JSON_FIELD(config, m, .kind = JSON_KIND_INT, .min = (lo), .max = (hi))
#define B(m) JSON_FIELD(config, m, .kind = JSON_KIND_BOOL)
#define L(m) JSON_FIELD(config, m, .kind = JSON_KIND_STRINGS, .max = 256)

static const struct json_field fields[] = {
	S(storage),
	S(state),
	S(profile),
	S(run_as),
	S(cgroup),
	S(proc),
	S(workspace),
	S(libexec),
	S(profiles),
	S(images),
	S(layers),
	L(require),
	L(trusted),
	L(extensions),
	B(fsync),
	B(user_object_id),
	B(keep_code),
	B(audit),
	N(upload_bytes, 1, SIZE_MAX_BYTES),
	N(session_bytes, 1, SIZE_MAX_BYTES),
	N(session_files, 1, 10000000),
	N(user_bytes, 1, SIZE_MAX_BYTES),
	N(user_sessions, 1, 10000000),
	N(session_ttl_ms, 0, INT64_MAX),
	N(storage_bytes, 0, SIZE_MAX_BYTES),
	N(pressure_percent, 0, 100),
	N(slots_user, 1, 100000),
	N(slots_total, 1, 100000),
	N(wait_ms, 0, 3600000),
	N(queue, 0, 1000000),
	N(rate_per_minute, 0, 1000000),
	N(rate_burst, 1, 1000000),
	N(day_runs, 0, INT64_MAX),
	N(day_cpu_ms, 0, INT64_MAX),
	N(day_bytes, 0, INT64_MAX),
	N(audit_bytes, 4096, SIZE_MAX_BYTES),
	N(audit_keep, 1, 100000),
	N(audit_ttl_days, 0, 36500),
	N(history_ttl_days, 0, 36500),
	S(metrics_prefix),
	L(alert_command),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

static const char defaults[] =
	"{\"profile\":\"default\",\"run_as\":\"sbx\",\"cgroup\":\"auto\",\"proc\":\"fresh\","
	"\"workspace\":\"auto\",\"require\":[],\"trusted\":[],\"fsync\":true,\"user_object_id\":false,"
	"\"keep_code\":false,\"audit\":true,\"upload_bytes\":1073741824,\"session_bytes\":4294967296,"
	"\"session_files\":20000,\"user_bytes\":17179869184,\"user_sessions\":100000,"
	"\"session_ttl_ms\":0,\"storage_bytes\":0,\"pressure_percent\":90,\"slots_user\":5,"
	"\"slots_total\":64,\"wait_ms\":30000,\"queue\":1000,\"rate_per_minute\":0,\"rate_burst\":10,"
	"\"day_runs\":0,\"day_cpu_ms\":0,\"day_bytes\":0,\"audit_bytes\":67108864,\"audit_keep\":100,"
	"\"audit_ttl_days\":0,\"history_ttl_days\":0,\"metrics_prefix\":\"sbx_\"}";

/* The environment's names; a later row wins. Values of unit are multiplied by it. */
static const struct {
	const char *env, *member;
	int64_t unit;
} env_names[] = {
	{ "SANDBOX_STORAGE_PATH", "storage", 0 },
	{ "SBX_STORAGE", "storage", 0 },
	{ "SBX_STATE", "state", 0 },
	{ "SBX_PROFILE", "profile", 0 },
	{ "SBX_CGROUP", "cgroup", 0 },
	{ "SBX_PROFILES", "profiles", 0 },
	{ "SBX_LIBEXEC", "libexec", 0 },
	{ "SBX_IMAGES", "images", 0 },
	{ "SBX_LAYERS", "layers", 0 },
	{ "SBX_RUN_AS", "run_as", 0 },
	{ "SANDBOX_MAX_CONCURRENT_EXECUTIONS", "slots_user", 1 },
	{ "MAX_CONCURRENT_EXECUTIONS", "slots_user", 1 },
	{ "RATE_LIMIT_PER_MINUTE", "rate_per_minute", 1 },
	{ "RATE_LIMIT_BURST", "rate_burst", 1 },
	{ "SANDBOX_AUDIT_TTL_DAYS", "audit_ttl_days", 1 },
	{ "SBX_SLOTS_USER", "slots_user", 1 },
	{ "SBX_SLOTS_TOTAL", "slots_total", 1 },
	{ "SBX_WAIT_MS", "wait_ms", 1 },
};

static int apply(struct config *config, json_t *doc, const char *origin, struct err *err)
{
	const char *name;
	json_t *v;

	if (json_decode(doc, fields, FIELD_COUNT, config, "", err) < 0) {
		err->code = ERR_CONFIG;
		return err_ctx(err, "%s", origin);
	}
	json_object_foreach(doc, name, v)
		(void)json_object_set_new(config->origins, name, json_string(origin));
	return 0;
}

static int apply_file(struct config *config, const char *path, bool must, struct err *err)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	AUTO_FREE char *text = NULL;
	size_t len = 0;

	if (fd < 0)
		return !must && (errno == ENOENT || errno == ENOTDIR) ?
			       0 :
			       err_sys(err, ERR_CONFIG, "open '%s'", path);
	text = io_read_all(fd, 1 << 20, &len);
	if (!text)
		return err_sys(err, ERR_CONFIG, "read '%s'", path);
	AUTO_JSON json_t *doc = json_parse(text, len, err);
	if (!doc) {
		err->code = ERR_CONFIG;
		return err_ctx(err, "%s", path);
	}
	return apply(config, doc, path, err);
}

static int apply_env(struct config *config, struct err *err)
{
	size_t i;

	for (i = 0; i < sizeof(env_names) / sizeof(env_names[0]); i++) {
		const char *value = getenv(env_names[i].env);
		char origin[80];
		int64_t n;

		if (!value || !*value)
			continue;
		(void)snprintf(origin, sizeof(origin), "environment %s", env_names[i].env);
		if (env_names[i].unit && !text_count(value, 0, INT64_MAX / env_names[i].unit, &n))
			return err_set(err, ERR_CONFIG, "%s: must be a count", origin);
		AUTO_JSON json_t *doc = env_names[i].unit ?
						json_pack("{s:I}", env_names[i].member,
							  (json_int_t)n * env_names[i].unit) :
						json_pack("{s:s}", env_names[i].member, value);
		if (!doc)
			return err_set(err, ERR_CONFIG, "%s: must be UTF-8", origin);
		if (apply(config, doc, origin, err) < 0)
			return -1;
	}
	return 0;
}

static char *format(const char *fmt, const char *a, const char *b)
{
	char *s = NULL;

	if (!strcmp(fmt, "/"))
		return asprintf(&s, "%s/%s", a, b) < 0 ? NULL : s;
	return strdup(a);
}

static void fill(struct config *config, char **slot, const char *name, char *value,
		 const char *origin)
{
	if (*slot) {
		free(value);
		return;
	}
	*slot = value;
	(void)json_object_set_new(config->origins, name, json_string(origin));
}

/* Beside the program when it runs from its build tree, else where it was installed. */
static void find_parts(struct config *config)
{
	char self[PATH_MAX], probe[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	if (slash) {
		*slash = 0;
		(void)snprintf(probe, sizeof(probe), "%s/sbx-jail", self);
		if (access(probe, X_OK) == 0) {
			fill(config, &config->libexec, "libexec", strdup(self), "the build tree");
			(void)snprintf(probe, sizeof(probe), "%s/../profiles", self);
			fill(config, &config->profiles, "profiles", realpath(probe, NULL),
			     "the build tree");
		}
	}
	fill(config, &config->libexec, "libexec", strdup(SBX_LIBEXECDIR), "built in");
	fill(config, &config->profiles, "profiles", format("/", SBX_DATADIR, "profiles"),
	     "built in");
}

static char *home_dir(const char *xdg, const char *below)
{
	const char *base = getenv(xdg), *home = getenv("HOME");
	char *dir = NULL;

	if (base && *base == '/')
		return format("/", base, "sbx");
	if (!home || *home != '/' || asprintf(&dir, "%s/%s/sbx", home, below) < 0)
		return NULL;
	return dir;
}

static void find_places(struct config *config)
{
	char *home = home_dir("XDG_STATE_HOME", ".local/state");
	bool shared = geteuid() == 0 ||
		      (!config->storage && access("/var/lib/sbx", W_OK | X_OK) == 0);
	const char *base = shared || !home ? "/var/lib/sbx" : home;
	const char *origin = shared || !home ? "built in" : "the user's state directory";

	fill(config, &config->storage, "storage", format("/", base, "storage"), origin);
	fill(config, &config->state, "state", format("/", base, "state"), origin);
	fill(config, &config->images, "images", format("/", base, "images"), origin);
	fill(config, &config->layers, "layers", format("/", base, "layers"), origin);
	free(home);
}

static int check_word(const char *value, const char *const *words, const char *name,
		      struct err *err)
{
	size_t i;

	for (i = 0; words[i]; i++)
		if (!strcmp(value, words[i]))
			return 0;
	return err_set(err, ERR_CONFIG, "setting '%s': unknown word '%.40s'", name, value);
}

static int check(const struct config *config, struct err *err)
{
	static const char *const cgroup[] = { "required", "auto", "off", NULL };
	static const char *const proc[] = { "fresh", "empty", NULL };
	static const char *const workspace[] = { "overlay", "auto", "copy", NULL };

	if (config->storage[0] != '/' || config->state[0] != '/')
		return err_set(err, ERR_CONFIG, "storage and state must be absolute paths");
	if (config->alert_command &&
	    (!config->alert_command[0] || config->alert_command[0][0] != '/'))
		return err_set(err, ERR_CONFIG,
			       "setting 'alert_command': the program must be an absolute path");
	if (check_word(config->cgroup, cgroup, "cgroup", err) < 0 ||
	    check_word(config->proc, proc, "proc", err) < 0)
		return -1;
	return check_word(config->workspace, workspace, "workspace", err);
}

int config_load(struct config *ret, struct err *err)
{
	const char *named = getenv("SBX_CONFIG");
	char *own = home_dir("XDG_CONFIG_HOME", ".config");
	AUTO_FREE char *own_file = own ? format("/", own, "config.json") : NULL;
	AUTO_JSON json_t *built_in = json_loads(defaults, 0, NULL);

	free(own);
	memset(ret, 0, sizeof(*ret));
	ret->origins = json_object();
	if (apply(ret, built_in, "built in", err) < 0)
		goto undo_config;
	if (named && *named ? apply_file(ret, named, true, err) < 0 :
			      apply_file(ret, "/etc/sbx/config.json", false, err) < 0 ||
				      (own_file && apply_file(ret, own_file, false, err) < 0))
		goto undo_config;
	if (apply_env(ret, err) < 0)
		goto undo_config;
	find_parts(ret);
	find_places(ret);
	if (check(ret, err) == 0)
		return 0;
undo_config:
	config_done(ret);
	return -1;
}

void config_done(struct config *config)
{
	json_release(fields, FIELD_COUNT, config);
	json_decref(config->origins);
	config->origins = NULL;
}

static json_t *value_of(const struct config *config, const struct json_field *f)
{
	const void *slot = (const char *)config + f->offset;

	switch (f->kind) {
	case JSON_KIND_STRING:
		return *(char *const *)slot ?
			       json_text(*(char *const *)slot, strlen(*(char *const *)slot)) :
			       json_null();
	case JSON_KIND_INT:
		return json_integer(*(const int64_t *)slot);
	case JSON_KIND_BOOL:
		return json_boolean(*(const bool *)slot);
	default:
		return *(char **const *)slot ? json_from_strings(*(char **const *)slot) :
					       json_null();
	}
}

json_t *config_json(const struct config *config)
{
	json_t *all = json_object();
	size_t i;

	for (i = 0; i < FIELD_COUNT; i++) {
		json_t *origin = json_object_get(config->origins, fields[i].name);

		(void)json_object_set_new(all, fields[i].name,
					  json_pack("{s:o,s:O?}", "value",
						    value_of(config, &fields[i]), "origin",
						    origin));
	}
	return all;
}
