// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include "cleanup.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static const char *type_name(enum json_kind kind)
{
	static const char *const names[] = {
		"a string",          "an integer",           "true or false",
		"a list of strings", "an object of strings", "a value",
	};

	return names[kind];
}

static int wrong(struct err *err, const char *at, const char *name, const char *what)
{
	char buf[64];

	(void)err_set(err, ERR_REQUEST, "%s", what);
	return err_at(err, "%s/%s", at, json_pointer_name(name, buf, sizeof(buf)));
}

static int take_string(json_t *v, char **ret, int64_t min, int64_t max)
{
	size_t len = json_string_length(v);

	if (strlen(json_string_value(v)) != len)
		return -1;
	if ((int64_t)len < min || (max && (int64_t)len > max))
		return -1;
	free(*ret);
	*ret = strdup(json_string_value(v));
	return *ret ? 0 : -1;
}

static char **strings_of(json_t *v)
{
	size_t n = json_array_size(v), i;
	char **list = calloc(n + 1, sizeof(*list));

	for (i = 0; list && i < n; i++) {
		json_t *item = json_array_get(v, i);

		if (!json_is_string(item) || take_string(item, &list[i], 0, 0) < 0) {
			json_strings_free(list);
			return NULL;
		}
	}
	return list;
}

static char **map_of(json_t *v)
{
	char **list = calloc(json_object_size(v) + 1, sizeof(*list));
	const char *name;
	json_t *item;
	size_t i = 0;

	if (!list)
		return NULL;
	json_object_foreach(v, name, item) {
		if (!json_is_string(item) || strchr(name, '=') || /* it would be another name */
		    strlen(json_string_value(item)) != json_string_length(item) ||
		    asprintf(&list[i], "%s=%s", name, json_string_value(item)) < 0) {
			list[i] = NULL;
			json_strings_free(list);
			return NULL;
		}
		i++;
	}
	return list;
}

static bool type_fits(json_t *v, enum json_kind kind)
{
	switch (kind) {
	case JSON_KIND_STRING:
		return json_is_string(v);
	case JSON_KIND_INT:
		return json_is_integer(v);
	case JSON_KIND_BOOL:
		return json_is_boolean(v);
	case JSON_KIND_STRINGS:
		return json_is_array(v);
	case JSON_KIND_MAP:
		return json_is_object(v);
	case JSON_KIND_ANY:
		return true;
	}
	return false;
}

static int take_list(json_t *v, const struct json_field *f, char ***list, const char *at,
		     struct err *err)
{
	bool is_map = f->kind == JSON_KIND_MAP;
	char why[120];

	if ((is_map ? json_object_size(v) : json_array_size(v)) > (size_t)f->max) {
		(void)snprintf(why, sizeof(why), "has more than %lld entries", (long long)f->max);
		return wrong(err, at, f->name, why);
	}
	json_strings_free(*list);
	*list = is_map ? map_of(v) : strings_of(v);
	if (*list)
		return 0;
	(void)snprintf(why, sizeof(why), "must be %s without NUL bytes", type_name(f->kind));
	return wrong(err, at, f->name, why);
}

static int take(json_t *v, const struct json_field *f, char *out, const char *at, struct err *err)
{
	void *slot = out + f->offset;
	char why[120];

	if (!type_fits(v, f->kind)) {
		(void)snprintf(why, sizeof(why), "must be %s", type_name(f->kind));
		return wrong(err, at, f->name, why);
	}
	switch (f->kind) {
	case JSON_KIND_STRING:
		if (take_string(v, slot, f->min, f->max) == 0)
			return 0;
		(void)snprintf(why, sizeof(why), "must have %lld to %lld bytes, none of them NUL",
			       (long long)f->min, (long long)f->max);
		return wrong(err, at, f->name, why);
	case JSON_KIND_INT:
		if (json_integer_value(v) >= f->min && json_integer_value(v) <= f->max) {
			*(int64_t *)slot = json_integer_value(v);
			return 0;
		}
		(void)snprintf(why, sizeof(why), "must be between %lld and %lld", (long long)f->min,
			       (long long)f->max);
		return wrong(err, at, f->name, why);
	case JSON_KIND_BOOL:
		*(bool *)slot = json_is_true(v);
		return 0;
	case JSON_KIND_STRINGS:
	case JSON_KIND_MAP:
		return take_list(v, f, slot, at, err);
	case JSON_KIND_ANY:
		json_decref(*(json_t **)slot);
		*(json_t **)slot = json_incref(v);
		return 0;
	}
	return 0;
}

int json_decode(json_t *object, const struct json_field *fields, size_t count, void *out,
		const char *at, struct err *err)
{
	const char *name;
	json_t *v;
	size_t i;

	if (!json_is_object(object)) {
		(void)err_set(err, ERR_REQUEST, "must be an object");
		return err_at(err, "%s", at);
	}
	json_object_foreach(object, name, v) {
		for (i = 0; i < count && strcmp(fields[i].name, name) != 0; i++)
			;
		if (i == count)
			return wrong(err, at, name, "unknown member");
		if (take(v, &fields[i], out, at, err) < 0)
			return -1;
	}
	for (i = 0; i < count; i++)
		if (fields[i].required && !json_object_get(object, fields[i].name))
			return wrong(err, at, fields[i].name, "is missing");
	return 0;
}

void json_release(const struct json_field *fields, size_t count, void *out)
{
	size_t i;

	for (i = 0; i < count; i++) {
		void *slot = (char *)out + fields[i].offset;

		if (fields[i].kind == JSON_KIND_STRING) {
			free(*(char **)slot);
			*(char **)slot = NULL;
		} else if (fields[i].kind == JSON_KIND_STRINGS || fields[i].kind == JSON_KIND_MAP) {
			json_strings_free(*(char ***)slot);
			*(char ***)slot = NULL;
		} else if (fields[i].kind == JSON_KIND_ANY) {
			json_decref(*(json_t **)slot);
			*(json_t **)slot = NULL;
		}
	}
}

json_t *json_parse(const char *text, size_t len, struct err *err)
{
	json_error_t why;
	json_t *doc = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	char clean[JSON_ERROR_TEXT_LENGTH * 3];

	if (!doc) {
		text_clean(why.text, clean, sizeof(clean));
		(void)err_set(err, ERR_REQUEST, "no valid JSON: line %d, column %d: %s", why.line,
			      why.column, clean);
	}
	return doc;
}

void json_strings_free(char **list)
{
	size_t i;

	for (i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

size_t json_strings_count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

json_t *json_from_strings(char *const *list)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; list && list[i]; i++)
		(void)json_array_append_new(array, json_text(list[i], strlen(list[i])));
	return array;
}

json_t *json_text(const char *bytes, size_t len)
{
	size_t n;
	AUTO_FREE char *utf8 = text_utf8(bytes, len, &n);

	return utf8 ? json_stringn_nocheck(utf8, n) : NULL;
}

const char *json_pointer_name(const char *name, char *buf, size_t size)
{
	size_t n = 0;

	for (; *name && n + 3 < size; name++) {
		if (*name == '~' || *name == '/') {
			buf[n++] = '~';
			buf[n++] = *name == '~' ? '0' : '1';
		} else {
			/* a hostile member name must not write to a terminal */
			buf[n++] = (unsigned char)*name < 32 || *name == 127 ? '?' : *name;
		}
	}
	buf[n] = 0;
	return buf;
}
