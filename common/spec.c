// SPDX-License-Identifier: Apache-2.0
#include "spec.h"

#include "cleanup.h"

#include <string.h>

#define BYTES_MAX ((int64_t)1 << 44)
#define S(m, ...) JSON_FIELD(spec, m, .kind = JSON_KIND_STRING, __VA_ARGS__)
#define N(m, lo, hi) \
	JSON_FIELD(spec, m, .kind = JSON_KIND_INT, .min = (lo), .max = (hi), .required = true)
#define B(m) JSON_FIELD(spec, m, .kind = JSON_KIND_BOOL)
#define L(m, hi, ...) JSON_FIELD(spec, m, .kind = JSON_KIND_STRINGS, .max = (hi), __VA_ARGS__)

static const struct json_field spec_fields[] = {
	N(v, 1, 1),
	L(argv, 4096, .required = true),
	L(compile, 4096),
	L(env, 256),
	L(exec_paths, 1024),
	S(hostname, .min = 1, .max = 63),
	S(workspace, .min = 1, .max = 8),
	S(proc, .min = 1, .max = 8),
	S(seccomp, .min = 1, .max = 32),
	{ .name = "mounts", .kind = JSON_KIND_ANY, .offset = offsetof(struct spec, mounts_json) },
	{ .name = "files", .kind = JSON_KIND_ANY, .offset = offsetof(struct spec, files_json) },
	B(exec_writable),
	B(exec_listed),
	B(notify),
	B(cgroup),
	B(image),
	N(landlock_min, 0, 64),
	N(wall_ms, 1, (int64_t)30 * 86400 * 1000),
	N(cpu_ms, 1, (int64_t)30 * 86400 * 1000),
	N(compile_wall_ms, 1, 3600000),
	N(memory_bytes, 1 << 20, BYTES_MAX),
	N(processes, 1, 1 << 22),
	N(open_files, 8, 1 << 20),
	N(file_bytes, 0, BYTES_MAX),
	N(stack_bytes, 1 << 16, BYTES_MAX),
	N(data_bytes, 0, BYTES_MAX),
	N(scratch_bytes, 1 << 16, BYTES_MAX),
	N(scratch_files, 16, 1 << 24),
	N(input_bytes, 0, BYTES_MAX),
};

static const struct json_field mount_fields[] = {
	JSON_FIELD(spec_mount, source, .kind = JSON_KIND_STRING, .required = true, .min = 1,
		   .max = 4000),
	JSON_FIELD(spec_mount, target, .kind = JSON_KIND_STRING, .required = true, .min = 1,
		   .max = 4000),
	JSON_FIELD(spec_mount, from_image, .kind = JSON_KIND_BOOL),
	JSON_FIELD(spec_mount, optional, .kind = JSON_KIND_BOOL),
	JSON_FIELD(spec_mount, is_file, .kind = JSON_KIND_BOOL),
	JSON_FIELD(spec_mount, exec, .kind = JSON_KIND_BOOL),
	JSON_FIELD(spec_mount, empty, .kind = JSON_KIND_BOOL),
};

static const struct json_field file_fields[] = {
	JSON_FIELD(spec_file, path, .kind = JSON_KIND_STRING, .required = true, .min = 2,
		   .max = 4000),
	JSON_FIELD(spec_file, text, .kind = JSON_KIND_STRING, .max = 1 << 20),
	JSON_FIELD(spec_file, link, .kind = JSON_KIND_STRING, .min = 1, .max = 4000),
	JSON_FIELD(spec_file, exec, .kind = JSON_KIND_BOOL),
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_clean_path(const char *path)
{
	size_t len = strlen(path);

	return path[0] == '/' && !strstr(path, "//") && !strstr(path, "/../") &&
	       !strstr(path, "/./") && (len < 3 || strcmp(path + len - 3, "/..") != 0);
}

static int decode_list(json_t *array, const struct json_field *fields, size_t field_count,
		       size_t item_size, const char *at, void **ret, size_t *ret_count,
		       struct err *err)
{
	size_t n = json_array_size(array), i;
	char *items;

	if (array && !json_is_array(array)) {
		(void)err_set(err, ERR_REQUEST, "must be a list");
		return err_at(err, "%s", at);
	}
	if (n > SPEC_LIST_MAX)
		return err_set(err, ERR_REQUEST, "%s: more than %d entries", at, SPEC_LIST_MAX);
	items = calloc(n + 1, item_size);
	if (!items)
		return err_sys(err, ERR_INTERNAL, "allocate");
	*ret = items;
	for (i = 0; i < n; i++) {
		char where[64];

		*ret_count = i + 1;
		(void)snprintf(where, sizeof(where), "%s/%zu", at, i);
		if (json_decode(json_array_get(array, i), fields, field_count,
				items + i * item_size, where, err) < 0)
			return -1;
	}
	return 0;
}

static int check(const struct spec *spec, struct err *err)
{
	size_t i;

	if (!spec->argv[0])
		return err_set(err, ERR_REQUEST, "argv is empty");
	if (!spec->hostname || !spec->workspace || !spec->proc || !spec->seccomp)
		return err_set(err, ERR_REQUEST,
			       "hostname, workspace, proc and seccomp are needed");
	for (i = 0; i < spec->mount_count; i++)
		if (!is_clean_path(spec->mounts[i].source) ||
		    !is_clean_path(spec->mounts[i].target))
			return err_set(err, ERR_REQUEST,
				       "mount %zu: paths must be absolute and plain", i);
	for (i = 0; i < spec->file_count; i++)
		if (!is_clean_path(spec->files[i].path) ||
		    !spec->files[i].text == !spec->files[i].link)
			return err_set(err, ERR_REQUEST, "file %zu: a plain path and text or link",
				       i);
	return 0;
}

int spec_decode(const char *text, size_t len, struct spec *ret, struct err *err)
{
	AUTO_JSON json_t *doc = json_parse(text, len, err);
	void *list = NULL;

	memset(ret, 0, sizeof(*ret));
	if (!doc || json_decode(doc, spec_fields, COUNT(spec_fields), ret, "", err) < 0)
		goto undo_spec;
	if (decode_list(ret->mounts_json, mount_fields, COUNT(mount_fields), sizeof(*ret->mounts),
			"/mounts", &list, &ret->mount_count, err) < 0) {
		ret->mounts = list;
		goto undo_spec;
	}
	ret->mounts = take_ptr(&list);
	if (decode_list(ret->files_json, file_fields, COUNT(file_fields), sizeof(*ret->files),
			"/files", &list, &ret->file_count, err) < 0) {
		ret->files = list;
		goto undo_spec;
	}
	ret->files = list;
	if (check(ret, err) == 0)
		return 0;
undo_spec:
	spec_done(ret);
	return -1;
}

void spec_done(struct spec *spec)
{
	size_t i;

	for (i = 0; spec->mounts && i < spec->mount_count; i++)
		json_release(mount_fields, COUNT(mount_fields), &spec->mounts[i]);
	for (i = 0; spec->files && i < spec->file_count; i++)
		json_release(file_fields, COUNT(file_fields), &spec->files[i]);
	free(spec->mounts);
	free(spec->files);
	json_release(spec_fields, COUNT(spec_fields), spec);
	memset(spec, 0, sizeof(*spec));
}

static json_t *encode_row(const void *row, const struct json_field *fields, size_t count)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < count; i++) {
		const void *slot = (const char *)row + fields[i].offset;
		json_t *v = NULL;

		switch (fields[i].kind) {
		case JSON_KIND_STRING:
			v = *(char *const *)slot ? json_string_nocheck(*(char *const *)slot) : NULL;
			break;
		case JSON_KIND_INT:
			v = json_integer(*(const int64_t *)slot);
			break;
		case JSON_KIND_BOOL:
			v = *(const bool *)slot ? json_true() : NULL;
			break;
		case JSON_KIND_STRINGS: {
			char **list = *(char **const *)slot;
			size_t k;

			v = list ? json_array() : NULL;
			for (k = 0; list && list[k]; k++)
				(void)json_array_append_new(v, json_string_nocheck(list[k]));
			break;
		}
		case JSON_KIND_MAP:
		case JSON_KIND_ANY:
			break;
		}
		if (v)
			(void)json_object_set_new_nocheck(object, fields[i].name, v);
	}
	return object;
}

char *spec_encode(const struct spec *spec, struct err *err)
{
	AUTO_JSON json_t *doc = encode_row(spec, spec_fields, COUNT(spec_fields));
	json_t *mounts = json_array(), *files = json_array();
	char *text;
	size_t i;

	for (i = 0; i < spec->mount_count; i++)
		(void)json_array_append_new(mounts, encode_row(&spec->mounts[i], mount_fields,
							       COUNT(mount_fields)));
	for (i = 0; i < spec->file_count; i++)
		(void)json_array_append_new(files, encode_row(&spec->files[i], file_fields,
							      COUNT(file_fields)));
	(void)json_object_set_new(doc, "mounts", mounts);
	(void)json_object_set_new(doc, "files", files);
	text = json_dumps(doc, JSON_COMPACT);
	if (!text)
		(void)err_set(err, ERR_INTERNAL, "the specification cannot be written as JSON");
	return text;
}
