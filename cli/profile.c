// SPDX-License-Identifier: Apache-2.0
/* Profiles: one JSON file each; "extends" is resolved here, objects are merged a level deep. */
#include "profile.h"

#include "cleanup.h"
#include "commands.h"
#include "config.h"
#include "io.h"
#include "libraries.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define BYTES_MAX ((int64_t)1 << 43)
#define DAYS_30_MS ((int64_t)30 * 86400 * 1000)
#define N(m, lo, hi) JSON_FIELD(limits, m, .kind = JSON_KIND_INT, .min = (lo), .max = (hi))

static const struct json_field limit_fields[] = {
	N(wall_ms, 1, DAYS_30_MS),          N(cpu_ms, 1, DAYS_30_MS),
	N(compile_ms, 1, 600000),           N(memory_bytes, 8 << 20, BYTES_MAX),
	N(swap_bytes, 0, BYTES_MAX),        N(processes, 1, 100000),
	N(open_files, 16, 65536),           N(file_bytes, 1, BYTES_MAX),
	N(stack_bytes, 1 << 16, BYTES_MAX), N(scratch_bytes, 1 << 16, BYTES_MAX),
	N(scratch_files, 16, 10000000),     N(stdout_bytes, 0, 64 << 20),
	N(stderr_bytes, 0, 64 << 20),       N(cpu_percent, 1, 100000),
	N(io_bytes_per_s, 1, BYTES_MAX),
};
enum { LIMIT_COUNT = sizeof(limit_fields) / sizeof(limit_fields[0]) };

#define S(m, ...) JSON_FIELD(profile, m, .kind = JSON_KIND_STRING, .max = 65536, __VA_ARGS__)
#define L(m) JSON_FIELD(profile, m, .kind = JSON_KIND_STRINGS, .max = 512)
static const struct json_field profile_fields[] = {
	S(description),
	S(root, .min = 1),
	S(seccomp, .min = 1),
	S(network, .min = 1),
	S(prompt),
	JSON_FIELD(profile, exec_writable, .kind = JSON_KIND_BOOL),
	JSON_FIELD(profile, landlock_min, .kind = JSON_KIND_INT, .max = 64),
	JSON_FIELD(profile, env, .kind = JSON_KIND_MAP, .max = 128),
	L(require),
	L(mounts),
	L(keep),
	JSON_FIELD(profile, languages, .kind = JSON_KIND_ANY),
	{ .name = "limits", .kind = JSON_KIND_ANY, .offset = offsetof(struct profile, limits_doc) },
	JSON_FIELD(profile, tools, .kind = JSON_KIND_ANY),
	JSON_FIELD(profile, libraries, .kind = JSON_KIND_ANY),
	JSON_FIELD(profile, commands, .kind = JSON_KIND_ANY),
};
enum { PROFILE_COUNT = sizeof(profile_fields) / sizeof(profile_fields[0]) };

static const struct json_field language_fields[] = {
	JSON_FIELD(language, file, .kind = JSON_KIND_STRING, .required = true, .min = 1, .max = 64),
	JSON_FIELD(language, run, .kind = JSON_KIND_STRINGS, .required = true, .max = 64),
	JSON_FIELD(language, compile, .kind = JSON_KIND_STRINGS, .max = 64),
	JSON_FIELD(language, version, .kind = JSON_KIND_STRINGS, .max = 8),
	JSON_FIELD(language, aliases, .kind = JSON_KIND_STRINGS, .max = 16),
	JSON_FIELD(language, support, .kind = JSON_KIND_STRINGS, .max = 16),
	JSON_FIELD(language, env, .kind = JSON_KIND_MAP, .max = 32),
};
enum { LANGUAGE_COUNT = sizeof(language_fields) / sizeof(language_fields[0]), EXTENDS_MAX = 8 };

int limits_decode(json_t *object, struct limits *ret, const char *at, struct err *err)
{
	return json_decode(object, limit_fields, LIMIT_COUNT, ret, at, err);
}

static int64_t *slot(const struct limits *limits, size_t i)
{
	return (int64_t *)(uintptr_t)((const char *)limits + limit_fields[i].offset);
}

json_t *limits_json(const struct limits *limits)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < LIMIT_COUNT; i++)
		if (*slot(limits, i) || !strcmp(limit_fields[i].name, "swap_bytes"))
			(void)json_object_set_new(object, limit_fields[i].name,
						  json_integer(*slot(limits, i)));
	return object;
}

int limits_lower(const struct limits *request, const struct limits *ceiling, struct limits *ret,
		 struct err *err)
{
	size_t i;

	*ret = *ceiling;
	for (i = 0; i < LIMIT_COUNT; i++) {
		int64_t asked = *slot(request, i), top = *slot(ceiling, i);

		if (!asked)
			continue;
		if ((top || !strcmp(limit_fields[i].name, "swap_bytes")) && asked > top) {
			(void)err_set(err, ERR_LIMIT, "%s: the ceiling is %lld",
				      limit_fields[i].name, (long long)top);
			return err_at(err, "/limits/%s", limit_fields[i].name);
		}
		*slot(ret, i) = asked;
	}
	return 0;
}

static bool is_name(const char *name)
{
	return *name && strlen(name) <= 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name);
}

static char *own_directory(void)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *dir = NULL;

	if (base && *base == '/' ?
		    asprintf(&dir, "%s/sbx/profiles", base) < 0 :
		    !home || *home != '/' || asprintf(&dir, "%s/.config/sbx/profiles", home) < 0)
		return NULL;
	return dir;
}

json_t *profile_read(const struct config *config, const char *name, struct err *err)
{
	AUTO_FREE char *own = own_directory();
	const char *const dirs[] = { own ? own : "/etc/sbx/profiles", "/etc/sbx/profiles",
				     config->profiles };
	char file[80];
	size_t i, len;

	if (!is_name(name)) {
		(void)err_set(err, ERR_NOT_FOUND, "no such profile");
		return NULL;
	}
	(void)snprintf(file, sizeof(file), "%s.json", name);
	for (i = 0; i < 3; i++) {
		AUTO_FD int dir = open(dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		AUTO_FREE char *text = dir < 0 ? NULL : io_read_file(dir, file, 1 << 20, &len);
		json_t *doc;

		if (!text && (errno == ENOENT || errno == EACCES || errno == ENOTDIR))
			continue;
		if (!text) {
			(void)err_sys(err, ERR_CONFIG, "read profile '%s/%s'", dirs[i], file);
			return NULL;
		}
		doc = json_parse(text, len, err);
		if (!doc) {
			err->code = ERR_CONFIG;
			(void)err_ctx(err, "%s/%s", dirs[i], file);
		}
		return doc;
	}
	(void)err_set(err, ERR_NOT_FOUND, "no profile is called '%s'", name);
	(void)err_hint(err, "'sbx profile ls' shows those there are");
	return NULL;
}

static void merge(json_t *base, json_t *over, json_t *origins, const char *origin)
{
	const char *name, *inner;
	json_t *v, *w;

	json_object_foreach(over, name, v) {
		json_t *have = json_object_get(base, name);
		char path[160];

		if (!strcmp(name, "extends"))
			continue;
		if (!json_is_object(v) || !json_is_object(have)) {
			(void)json_object_set(base, name, v);
			(void)json_object_set_new(origins, name, json_string(origin));
			continue;
		}
		json_object_foreach(v, inner, w) {
			(void)snprintf(path, sizeof(path), "%s/%s", name, inner);
			(void)json_object_set_new(origins, path, json_string(origin));
			if (json_is_null(w))
				(void)json_object_del(have, inner);
			else
				(void)json_object_set(have, inner, w);
		}
	}
}

/* From the deepest base up; returns the resolved document. */
static json_t *resolve(const struct config *config, const char *name, json_t *origins, int depth,
		       struct err *err)
{
	AUTO_JSON json_t *own = profile_read(config, name, err);
	json_t *base, *extends = own ? json_object_get(own, "extends") : NULL;

	if (!own)
		return NULL;
	if (depth > EXTENDS_MAX || (extends && !json_is_string(extends))) {
		(void)err_set(err, ERR_CONFIG,
			      "profile '%s': \"extends\" must name a profile, at most %d deep",
			      name, EXTENDS_MAX);
		return NULL;
	}
	base = extends ? resolve(config, json_string_value(extends), origins, depth + 1, err) :
			 json_object();
	if (!base) {
		err->code = ERR_CONFIG;
		(void)err_ctx(err, "profile '%s'", name);
		return NULL;
	}
	AUTO_JSON json_t *copy = json_deep_copy(base);
	json_decref(base);
	merge(copy, own, origins, name);
	return json_incref(copy);
}

static int check(struct profile *p, struct err *err)
{
	const char *name;
	json_t *v;

	if (!p->root || !p->seccomp || !p->languages || !p->limits_doc)
		return err_set(err, ERR_CONFIG, "root, seccomp, languages and limits are needed");
	if (!json_is_object(p->languages))
		return err_set(err, ERR_CONFIG, "languages must be an object");
	if (p->network && strcmp(p->network, "none") != 0)
		return err_set(err, ERR_CONFIG, "network: only \"none\" can be enforced");
	json_object_foreach(p->languages, name, v) {
		struct language language = { 0 };
		char at[120];
		int done;

		(void)snprintf(at, sizeof(at), "/languages/%s", name);
		done = json_decode(v, language_fields, LANGUAGE_COUNT, &language, at, err);
		if (done == 0 && (!language.run[0] || language.run[0][0] != '/'))
			done = err_set(err, ERR_CONFIG, "%s/run: an absolute path comes first", at);
		if (done == 0 && (strchr(language.file, '/') || language.file[0] == '.'))
			done = err_set(err, ERR_CONFIG, "%s/file: must be a plain name", at);
		language_done(&language);
		if (done < 0)
			return -1;
	}
	if (libraries_check(p->libraries, err) < 0 || commands_check(p->commands, err) < 0)
		return -1;
	if (limits_decode(p->limits_doc, &p->limits, "/limits", err) < 0)
		return -1;
	if (!p->limits.wall_ms || !p->limits.cpu_ms || !p->limits.memory_bytes ||
	    !p->limits.processes || !p->limits.open_files || !p->limits.file_bytes ||
	    !p->limits.stack_bytes || !p->limits.scratch_bytes || !p->limits.scratch_files ||
	    !p->limits.compile_ms)
		return err_set(err, ERR_CONFIG, "limits: one that has no default is missing");
	return 0;
}

int profile_load(const struct config *config, const char *name, struct profile *ret,
		 struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->name = strdup(name);
	ret->origins = json_object();
	ret->doc = resolve(config, name, ret->origins, 0, err);
	if (!ret->doc)
		goto undo_profile;
	if (json_decode(ret->doc, profile_fields, PROFILE_COUNT, ret, "", err) == 0 &&
	    check(ret, err) == 0)
		return 0;
	err->code = ERR_CONFIG;
	(void)err_ctx(err, "profile '%s': %s", name, err->pointer);
	err->pointer[0] = 0;
undo_profile:
	profile_done(ret);
	return -1;
}

void profile_done(struct profile *profile)
{
	json_release(profile_fields, PROFILE_COUNT, profile);
	json_decref(profile->doc);
	json_decref(profile->origins);
	free(profile->name);
	memset(profile, 0, sizeof(*profile));
}

static int add_names(json_t *names, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		size_t len = strlen(de->d_name);

		if (len > 5 && !strcmp(de->d_name + len - 5, ".json")) {
			de->d_name[len - 5] = 0;
			if (is_name(de->d_name))
				(void)json_object_set_new(names, de->d_name, json_true());
		}
	}
	if (dir)
		(void)closedir(dir);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *profile_names(const struct config *config)
{
	AUTO_JSON json_t *set = json_object();
	AUTO_FREE char *own = own_directory();
	json_t *list = json_array(), *v;
	const char *name;
	size_t n = 0, i;

	(void)add_names(set, config->profiles);
	(void)add_names(set, "/etc/sbx/profiles");
	if (own)
		(void)add_names(set, own);
	AUTO_FREE const char **sorted = calloc(json_object_size(set) + 1, sizeof(*sorted));
	json_object_foreach(set, name, v)
		sorted[n++] = name;
	qsort(sorted, n, sizeof(*sorted), by_text);
	for (i = 0; i < n; i++)
		(void)json_array_append_new(list, json_string(sorted[i]));
	return list;
}

static bool has_alias(json_t *row, const char *name)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(row, "aliases"), i, v)
		if (json_is_string(v) && !strcmp(json_string_value(v), name))
			return true;
	return false;
}

int profile_language(const struct profile *profile, const char *name, struct language *ret,
		     struct err *err)
{
	const char *long_name;
	json_t *v;

	memset(ret, 0, sizeof(*ret));
	json_object_foreach(profile->languages, long_name, v) {
		if (strcmp(long_name, name) != 0 && !has_alias(v, name))
			continue;
		if (json_decode(v, language_fields, LANGUAGE_COUNT, ret, "/languages", err) < 0)
			return -1;
		ret->name = strdup(long_name);
		return ret->name ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
	}
	(void)err_set(err, ERR_POLICY, "profile '%s' has no language '%.32s'", profile->name, name);
	(void)err_at(err, "/lang");
	return err_hint(err, "'sbx profile show %s' lists its languages", profile->name);
}

void language_done(struct language *language)
{
	free(language->name);
	language->name = NULL;
	json_release(language_fields, LANGUAGE_COUNT, language);
}
