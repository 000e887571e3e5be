// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_JSON_H
#define SBX_JSON_H

#include "err.h"

#include <jansson.h>
#include <stdint.h>

#define AUTO_JSON __attribute__((cleanup(json_cleanup)))
static inline void json_cleanup(json_t **p)
{
	json_decref(*p);
}

enum json_kind {
	JSON_KIND_STRING, /* char *: heap; length between min and max bytes, no NUL */
	JSON_KIND_INT, /* int64_t between min and max */
	JSON_KIND_BOOL, /* bool */
	JSON_KIND_STRINGS, /* char **: heap, NULL behind the last; at most max entries */
	JSON_KIND_MAP, /* char **: NAME=value each, as an environment; at most max */
	JSON_KIND_ANY, /* json_t *: a reference of its own, for a nested table */
};

/* One member of an object and where it goes in a struct. */
struct json_field {
	const char *name;
	enum json_kind kind;
	size_t offset;
	bool required;
	int64_t min, max;
};

#define JSON_FIELD(type, member, ...) \
	{ \
		.name = #member, .offset = offsetof(struct type, member), __VA_ARGS__ \
	}

/*
 * Decodes object into *out by table. An unknown, mistyped, missing or out-of-range member is an
 * ERR_REQUEST whose pointer is at + "/name". What was filled before a failure stays and is freed
 * by json_release(), which accepts what was never filled.
 */
int json_decode(json_t *object, const struct json_field *fields, size_t count, void *out,
		const char *at, struct err *err);
void json_release(const struct json_field *fields, size_t count, void *out);

/* Parses text strictly: one document, no duplicate members, nothing behind it. NULL on failure. */
json_t *json_parse(const char *text, size_t len, struct err *err);
/* Frees a NULL-terminated list of strings. */
void json_strings_free(char **list);
size_t json_strings_count(char *const *list);
/* A JSON array of a NULL-terminated list (NULL: empty). */
json_t *json_from_strings(char *const *list);
/* A JSON string of any bytes: what is no UTF-8 becomes U+FFFD. Never NULL unless out of memory. */
json_t *json_text(const char *bytes, size_t len);
/* Escapes a member name for a JSON pointer (RFC 6901) into buf. */
const char *json_pointer_name(const char *name, char *buf, size_t size);

#endif
