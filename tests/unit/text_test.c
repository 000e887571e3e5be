// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

/* Every sequence of up to three bytes against a plain reading of RFC 3629. */
static size_t reference(const unsigned char *s, size_t len)
{
	unsigned long c;

	if (len >= 1 && s[0] < 0x80)
		return 1;
	if (len >= 2 && (s[0] & 0xe0) == 0xc0 && (s[1] & 0xc0) == 0x80) {
		c = (s[0] & 0x1fUL) << 6 | (s[1] & 0x3fUL);
		return c >= 0x80 ? 2 : 0;
	}
	if (len >= 3 && (s[0] & 0xf0) == 0xe0 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80) {
		c = (s[0] & 0x0fUL) << 12 | (s[1] & 0x3fUL) << 6 | (s[2] & 0x3fUL);
		return c >= 0x800 && !(c >= 0xd800 && c <= 0xdfff) ? 3 : 0;
	}
	if (len >= 4 && (s[0] & 0xf8) == 0xf0 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 && (s[3] & 0xc0) == 0x80) {
		c = (s[0] & 0x07UL) << 18 | (s[1] & 0x3fUL) << 12 | (s[2] & 0x3fUL) << 6 | (s[3] & 0x3fUL);
		return c >= 0x10000 && c <= 0x10ffff ? 4 : 0;
	}
	return 0;
}

static void test_sequences(void)
{
	unsigned long i, wrong = 0;

	for (i = 0; i < 1UL << 24; i += i >> 22 ? 3 : 1) {	/* sparse where the first byte is high: still all of it in turn */
		unsigned char s[4] = { (unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i, 0x80 };
		size_t len = 1 + i % 4;

		wrong += text_sequence((char *)s, (char *)s + len) != reference(s, len);
	}
	ok(wrong == 0, "a sequence is valid where RFC 3629 says so, and nothing is read past the end");
}

static bool becomes(const char *in, size_t len, const char *want)
{
	size_t n = 99;
	char *out = text_utf8(in, len, &n);
	bool good = out && n == strlen(want) && !memcmp(out, want, n) && out[n] == 0 && text_is_utf8(out, n);

	free(out);
	return good;
}

static void test_utf8(void)
{
	ok(becomes("", 0, "") && becomes("abc", 3, "abc") && becomes("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
	   "good text stays as it is");
	ok(becomes("a\xff" "b", 3, "a\xef\xbf\xbd" "b") && becomes("\xc3(", 2, "\xef\xbf\xbd(") && becomes("\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd") &&
	   becomes("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") && becomes("\xc0\x80", 2, "\xef\xbf\xbd\xef\xbf\xbd"),
	   "each byte that is none becomes U+FFFD");
}

static void test_unfinished(void)
{
	ok(text_unfinished("", 0) == 0 && text_unfinished("a", 1) == 0 && text_unfinished("\xc3\xa9", 2) == 0, "whole text has no open end");
	ok(text_unfinished("a\xc3", 2) == 1 && text_unfinished("\xe2\x82", 2) == 2 && text_unfinished("\xf0\x9f\x98", 3) == 3 &&
	   text_unfinished("\xf0", 1) == 1 && text_unfinished("x\xe2", 2) == 1, "an open character is told with its length");
	ok(text_unfinished("\xff", 1) == 0 && text_unfinished("\x80", 1) == 0 && text_unfinished("\xe0\x80", 2) == 0 && text_unfinished("\xed\xa0", 2) == 0 &&
	   text_unfinished("\xc0", 1) == 0 && text_unfinished("\xf5", 1) == 0, "what nothing can complete is not open");
}

static bool cleaned(const char *in, const char *want)
{
	char buf[64];

	text_clean(in, buf, sizeof(buf));
	return !strcmp(buf, want);
}

static void test_clean(void)
{
	char buf[4];

	ok(cleaned("plain", "plain") && cleaned("a\x1b[31m\n\r\x7f", "a?[31m???") && cleaned("a\xc2\x9b" "b", "a?b") && cleaned("\xff\xc3\xa9", "?\xc3\xa9"),
	   "control characters and broken bytes become '?'");
	text_clean("abcdef", buf, sizeof(buf));
	ok(!strcmp(buf, "abc"), "it ends in bounds");
	text_clean("ab\xc3\xa9", buf, sizeof(buf));
	ok(!strcmp(buf, "ab"), "no character is cut in two");
}

static void test_numbers(void)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1.5", "1e3", "abc", "9223372036854775808", "1\n", "\xd9\xa1" };
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "0", 0 }, { "1", 1000 }, { "250ms", 250 }, { "10s", 10000 }, { "2m", 120000 }, { "1h", 3600000 }, { "7d", 604800000 } };
	static const char *const bad_units[] = { "1x", "1 s", "s", "1S", "1ss", "1h2m", "-1s", "99999999999999999d", "", "1sm" };
	int64_t n = 0;
	size_t i, k;

	for (k = i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		k += !text_count(bad[i], 0, INT64_MAX, &n);
	ok(k == i, "a count is digits and nothing else");
	ok(text_count("9223372036854775807", 0, INT64_MAX, &n) && n == INT64_MAX && text_count("007", 0, 9, &n) && n == 7, "up to the largest");
	ok(!text_count("5", 6, 9, &n) && !text_count("10", 6, 9, &n) && text_count("6", 6, 9, &n) && text_count("9", 6, 9, &n), "in its range");
	for (k = i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		k += text_duration(good[i].text, 0, INT64_MAX, &n) && n == good[i].ms;
	ok(k == i, "durations have units, a bare number is seconds");
	for (k = i = 0; i < sizeof(bad_units) / sizeof(bad_units[0]); i++)
		k += !text_duration(bad_units[i], 0, INT64_MAX, &n);
	ok(k == i, "other units, signs and overflows are refused");
	ok(text_size("1K", 0, INT64_MAX, &n) && n == 1024 && text_size("2M", 0, INT64_MAX, &n) && n == 2 << 20 && text_size("3G", 0, INT64_MAX, &n) &&
	   n == (int64_t)3 << 30 && text_size("7", 0, INT64_MAX, &n) && n == 7 && !text_size("1k", 0, INT64_MAX, &n) && !text_size("1KB", 0, INT64_MAX, &n) &&
	   !text_size("9223372036854775807K", 0, INT64_MAX, &n), "sizes are powers of 1024");
}

int main(void)
{
	char buf[32];

	test_sequences();
	test_utf8();
	test_unfinished();
	test_clean();
	test_numbers();
	ok(!strcmp(text_time(0, buf), "1970-01-01T00:00:00.000Z") && !strcmp(text_time(1700000000123, buf), "2023-11-14T22:13:20.123Z"),
	   "time is RFC 3339 in UTC with milliseconds");
	printf("1..%d\n", tests);
	return failures != 0;
}
