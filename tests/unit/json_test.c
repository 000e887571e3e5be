// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

struct thing {
	char *name, **list, **map;
	int64_t count;
	bool flag;
	json_t *any;
};

static const struct json_field fields[] = {
	JSON_FIELD(thing, name, .kind = JSON_KIND_STRING, .required = true, .min = 1, .max = 5),
	JSON_FIELD(thing, count, .kind = JSON_KIND_INT, .min = -2, .max = 9),
	JSON_FIELD(thing, flag, .kind = JSON_KIND_BOOL),
	JSON_FIELD(thing, list, .kind = JSON_KIND_STRINGS, .max = 3),
	JSON_FIELD(thing, map, .kind = JSON_KIND_MAP, .max = 2),
	JSON_FIELD(thing, any, .kind = JSON_KIND_ANY),
};
enum { COUNT = sizeof(fields) / sizeof(fields[0]) };

/* The pointer of the refusal, "ok", or "parse" when it is no JSON at all. */
static const char *decoded(const char *text, const char *at, struct err *err)
{
	struct thing t = { 0 };
	AUTO_JSON json_t *doc = json_parse(text, strlen(text), err);
	int done;

	if (!doc)
		return "parse";
	err->pointer[0] = 0;
	done = json_decode(doc, fields, COUNT, &t, at, err);
	json_release(fields, COUNT, &t);
	json_release(fields, COUNT, &t);	/* what was never filled, or freed, is accepted */
	if (done == 0)
		return "ok";
	return err->code == ERR_REQUEST && err->msg[0] ? err->pointer : "no message";
}

static void test_pointers(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{\"name\":\"a\"}", "ok" },
		{ "{\"name\":\"a\",\"count\":9,\"flag\":true,\"list\":[\"x\",\"\"],\"map\":{\"A\":\"b\"},\"any\":[1]}", "ok" },
		{ "{}", "/at/name" }, { "[]", "/at" }, { "1", "parse" }, { "{\"name\":1}", "/at/name" }, { "{\"name\":null}", "/at/name" },
		{ "{\"name\":\"\"}", "/at/name" }, { "{\"name\":\"abcdef\"}", "/at/name" }, { "{\"name\":\"a\\u0000b\"}", "/at/name" },
		{ "{\"name\":\"a\",\"count\":\"1\"}", "/at/count" }, { "{\"name\":\"a\",\"count\":1.0}", "/at/count" },
		{ "{\"name\":\"a\",\"count\":10}", "/at/count" }, { "{\"name\":\"a\",\"count\":-3}", "/at/count" },
		{ "{\"name\":\"a\",\"count\":true}", "/at/count" }, { "{\"name\":\"a\",\"flag\":1}", "/at/flag" },
		{ "{\"name\":\"a\",\"flag\":\"true\"}", "/at/flag" }, { "{\"name\":\"a\",\"list\":{}}", "/at/list" },
		{ "{\"name\":\"a\",\"list\":[1]}", "/at/list" }, { "{\"name\":\"a\",\"list\":[\"a\\u0000\"]}", "/at/list" },
		{ "{\"name\":\"a\",\"list\":[\"\",\"\",\"\",\"\"]}", "/at/list" }, { "{\"name\":\"a\",\"map\":[]}", "/at/map" },
		{ "{\"name\":\"a\",\"map\":{\"a\":1}}", "/at/map" }, { "{\"name\":\"a\",\"map\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}}", "/at/map" },
		{ "{\"name\":\"a\",\"nope\":1}", "/at/nope" }, { "{\"name\":\"a\",\"Name\":1}", "/at/Name" }, { "{\"name\":\"a\",\"\":1}", "/at/" },
		{ "{\"name\":\"a\",\"a/b~c\":1}", "/at/a~1b~0c" }, { "{\"name\":\"a\",\"a\\u001bb\":1}", "/at/a?b" },
	};
	size_t i, n = 0;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };
		const char *got = decoded(rows[i].text, "/at", &err);

		n += !strcmp(got, rows[i].want);
		if (strcmp(got, rows[i].want) != 0)
			printf("# %s: %s\n", rows[i].text, got);
	}
	ok(n == i, "each mistake is refused with its pointer");
}

static void test_parse(void)
{
	static const char *const bad[] = { "", " ", "{", "{}x", "{} {}", "{\"a\":1,\"a\":2}", "{'a':1}", "{\"a\":01}", "nul", "[1,]", "{\"a\":1e999}", "\"a\"",
					   "{\"a\":\"\\ud800\"}", "{\"a\":NaN}", "\xef\xbb\xbf{}", "{\"a\":99999999999999999999}" };
	size_t i, n = 0, depth = 100000;
	struct err err = { 0 };
	char *deep = malloc(depth + 1);

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *doc = json_parse(bad[i], strlen(bad[i]), &err);

		n += !doc && err.code == ERR_REQUEST;
		if (doc)
			printf("# parsed: %s\n", bad[i]);
		json_decref(doc);
	}
	ok(n == i, "what is not one whole document is refused");
	ok(!json_parse("{\"a\":\"\xff\"}", 9, &err) && !json_parse("{\"a\":\"\xc0\x80\"}", 10, &err), "what is no UTF-8 is refused");
	if (deep) {
		memset(deep, '[', depth);
		deep[depth] = 0;
		ok(!json_parse(deep, depth, &err), "a hundred thousand brackets do not break the stack");
	}
	free(deep);
	for (i = 0; err.msg[i]; i++)
		if ((unsigned char)err.msg[i] < 32)
			break;
	ok(!err.msg[i], "the message has no control characters");
}

static void test_text(void)
{
	json_t *v = json_text("a\xff\0b", 4);
	char small[8];
	char *list[] = { (char *)(uintptr_t)"x", (char *)(uintptr_t)"\xff", NULL };
	json_t *array = json_from_strings(list), *none = json_from_strings(NULL);

	ok(json_string_length(v) == 6 && !memcmp(json_string_value(v), "a\xef\xbf\xbd\0b", 6), "any bytes become a string of JSON");
	ok(json_array_size(array) == 2 && !strcmp(json_string_value(json_array_get(array, 1)), "\xef\xbf\xbd") && json_array_size(none) == 0,
	   "a list of strings becomes an array");
	ok(strlen(json_pointer_name("////////////", small, sizeof(small))) < sizeof(small), "a pointer's name stays in its buffer");
	ok(json_strings_count(NULL) == 0 && json_strings_count(list) == 2, "lists are counted");
	json_strings_free(NULL);
	json_decref(v);
	json_decref(array);
	json_decref(none);
}

int main(void)
{
	test_pointers();
	test_parse();
	test_text();
	printf("1..%d\n", tests);
	return failures != 0;
}
