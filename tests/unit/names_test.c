// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include "names.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static bool is_good(const char *name)
{
	return name_fault(name, strlen(name)) == NULL;
}

static void test_faults(void)
{
	static const char *const bad[] = {
		"", "/", "/a", ".", "..", "a/", "a//b", "./a", "a/.", "../a", "a/..", "a/../b", "a/./b", "//a",
		"a\nb", "a\rb", "a\tb", "\x1b[31m", "a\x7f", "\x01", "a\xc2\x80" "b", "a\xc2\x9f" "b", "a\xe2\x80\xa8" "b",
		"a\xe2\x80\xae" "b", "a\xe2\x81\xa6" "b", "a\xe2\x81\xa9", "\xff", "a\xc0\xaf" "b", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"a\xc3", "\x80", "\xe2\x82",
	};
	static const char *const good[] = {
		"a", "a.b", "...", "a..", "..a", ".hidden", "-rf", "--", "a b", " ", "\xc3\xa9", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x98\x80",
		"a/b/c", "a\\b", "C:x", "*", "$(x)", "'", "\"", "a\xc2\xa0" "b", "\xe2\x80\x94", "~", "#", "%2e%2e/x", "con",
	};
	size_t i, n = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		n += !is_good(bad[i]);
		if (is_good(bad[i]))
			printf("# accepted: row %zu\n", i);
	}
	ok(n == i, "what breaks a rule of names is refused");
	for (n = i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		n += is_good(good[i]);
		if (!is_good(good[i]))
			printf("# refused: %s\n", good[i]);
	}
	ok(n == i, "odd but harmless names are good");
	ok(name_fault("a\0b", 3) != NULL && name_fault("ab\0", 3) != NULL, "a NUL byte is no part of a name");
}

static void test_bounds(void)
{
	char name[NAME_BYTES + 8], *p = name;
	int i;

	memset(name, 'x', sizeof(name));
	ok(name_fault(name, NAME_PART_BYTES) == NULL && name_fault(name, NAME_PART_BYTES + 1) != NULL,
	   "a part has a longest length");
	for (i = 0; i < NAME_BYTES; i++)
		name[i] = i % 100 == 99 ? '/' : 'x';
	ok(name_fault(name, NAME_BYTES) == NULL, "a name of the longest length is good");
	for (i = 0; i <= NAME_BYTES; i++)
		name[i] = i % 100 == 99 ? '/' : 'x';
	ok(name_fault(name, NAME_BYTES + 1) != NULL, "one byte more is not");
	for (i = 0; i < NAME_DEPTH; i++)
		p += sprintf(p, "%sd", i ? "/" : "");
	ok(name_fault(name, strlen(name)) == NULL, "the deepest name is good");
	(void)sprintf(p, "/d");
	ok(name_fault(name, strlen(name)) != NULL, "one part more is too deep");
	for (i = 0; i < 200; i++) {
		name[0] = (char)('a' + i % 26);
		name[1] = (char)(i + 1);
		name[2] = 0;
		if ((i + 1 < 32 || i + 1 == 127) && is_good(name))
			break;
	}
	ok(i == 200, "no control character of ASCII is let through");
}

static void test_user(void)
{
	struct config any = { 0 }, strict = { .user_object_id = true };
	static const char *const bad[] = { "", "_a", "-a", ".a", "a.b", "a/b", "..", "a b", "\xc3\xa9", "a\n", "a:b" };
	char name[66];
	size_t i, n = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		n += !name_is_user(&any, bad[i]);
	ok(n == i, "a user's name is letters, digits, _ and -, and begins with a letter or digit");
	memset(name, 'a', 65);
	name[65] = 0;
	ok(!name_is_user(&any, name) && (name[64] = 0, name_is_user(&any, name)), "64 characters, no more");
	ok(name_is_user(&any, "65f1c0ffee65f1c0ffee65f1") && name_is_user(&strict, "65f1c0ffee65f1c0ffee65f1") &&
	   name_is_user(&strict, "65F1C0FFEE65F1C0FFEE65F1") && !name_is_user(&strict, "65f1c0ffee65f1c0ffee65f") &&
	   !name_is_user(&strict, "65f1c0ffee65f1c0ffee65f1a") && !name_is_user(&strict, "65f1c0ffee65f1c0ffee65fg") &&
	   !name_is_user(&strict, "alice"), "an ObjectId is 24 hex digits");
}

static void test_extension(void)
{
	static const char *const rows[][2] = {
		{ "a.csv", "csv" }, { "A.CSV", "csv" }, { "a.tar.gz", "gz" }, { "a", "bin" }, { ".profile", "bin" },
		{ "a.", "bin" }, { "d.x/a", "bin" }, { "d/a.py", "py" }, { "a.b c", "bin" }, { "a.../x.../", "bin" },
		{ "a.\xc3\xa9", "bin" }, { "a.c++", "bin" }, { "a.7z", "7z" }, { "..", "bin" },
	};
	char ext[16], tiny[4];
	size_t i, n = 0;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		name_extension(rows[i][0], ext, sizeof(ext));
		n += !strcmp(ext, rows[i][1]);
		if (strcmp(ext, rows[i][1]) != 0)
			printf("# %s: %s\n", rows[i][0], ext);
	}
	ok(n == i, "extensions are plain, small, or bin");
	name_extension("a.abcdefghijklmnopqrstuvwxyz", ext, sizeof(ext));
	ok(!strcmp(ext, "bin"), "a long one is none, and not another one cut short");
	name_extension("a.abcdefghijklmno", ext, sizeof(ext));
	ok(!strcmp(ext, "abcdefghijklmno"), "one of 15 characters is whole");
	name_extension("a.abcdef", tiny, sizeof(tiny));
	ok(!strcmp(tiny, "bin"), "and in a small buffer");
}

int main(void)
{
	test_faults();
	test_bounds();
	test_user();
	test_extension();
	printf("1..%d\n", tests);
	return failures != 0;
}
