// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The second byte of a sequence may be narrower than 80..bf: no overlong form, no surrogate. */
static bool second_fits(unsigned char a, unsigned char b)
{
	if (a == 0xe0)
		return b >= 0xa0 && b <= 0xbf;
	if (a == 0xed)
		return b >= 0x80 && b <= 0x9f;
	if (a == 0xf0)
		return b >= 0x90 && b <= 0xbf;
	if (a == 0xf4)
		return b >= 0x80 && b <= 0x8f;
	return b >= 0x80 && b <= 0xbf;
}

static size_t wanted(unsigned char a)
{
	if (a < 0x80)
		return 1;
	if (a >= 0xc2 && a <= 0xdf)
		return 2;
	if (a >= 0xe0 && a <= 0xef)
		return 3;
	return a >= 0xf0 && a <= 0xf4 ? 4 : 0;
}

/* Bytes of a sequence that are there and right; *ret_want is its whole length. */
static size_t partial(const char *s, const char *end, size_t *ret_want)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t want = s < end ? wanted(u[0]) : 0, i;

	*ret_want = want;
	if (!want)
		return 0;
	for (i = 1; i < want && s + i < end; i++)
		if (i == 1 ? !second_fits(u[0], u[1]) : (u[i] & 0xc0) != 0x80)
			return 0;
	return i;
}

size_t text_sequence(const char *s, const char *end)
{
	size_t want, have = partial(s, end, &want);

	return have == want ? want : 0;
}

bool text_is_utf8(const char *s, size_t len)
{
	const char *end = s + len;

	while (s < end) {
		size_t n = text_sequence(s, end);

		if (!n)
			return false;
		s += n;
	}
	return true;
}

char *text_utf8(const char *s, size_t len, size_t *ret_len)
{
	const char *end = s + len;
	char *out = malloc(len * 3 + 1), *p = out;

	if (!out)
		return NULL;
	while (s < end) {
		size_t n = text_sequence(s, end);

		if (n) {
			memcpy(p, s, n);
			p += n;
			s += n;
		} else {
			memcpy(p, "\xef\xbf\xbd", 3);
			p += 3;
			s++;
		}
	}
	*p = 0;
	if (ret_len)
		*ret_len = (size_t)(p - out);
	return out;
}

size_t text_unfinished(const char *s, size_t len)
{
	size_t back;

	for (back = 1; back <= 3 && back <= len; back++) {
		size_t want, have = partial(s + len - back, s + len, &want);

		if (have == back && want > have)
			return back;
	}
	return 0;
}

void text_clean(const char *s, char *buf, size_t size)
{
	const char *end = s + strlen(s);
	size_t used = 0;

	while (s < end) {
		size_t n = text_sequence(s, end);
		unsigned char c = (unsigned char)*s;
		/* C1 controls are C2 80 to C2 9F in UTF-8 */
		bool bad = !n || c < 32 || c == 127 ||
			   (n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0);

		if (used + (bad ? 1 : n) + 1 > size)
			break;
		if (bad) {
			buf[used++] = '?';
		} else {
			memcpy(buf + used, s, n);
			used += n;
		}
		s += n ? n : 1;
	}
	buf[used] = 0;
}

static bool number(const char *s, char **ret_end, int64_t *ret)
{
	if (*s < '0' || *s > '9')
		return false; /* strtoll would take blanks and signs */
	errno = 0;
	*ret = strtoll(s, ret_end, 10);
	return errno == 0;
}

bool text_count(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	char *end;
	int64_t n;

	if (!number(s, &end, &n) || *end || n < min || n > max)
		return false;
	*ret = n;
	return true;
}

static bool with_unit(const char *s, const char *const *units, const int64_t *factors, int64_t min,
		      int64_t max, int64_t *ret)
{
	char *end;
	int64_t n;
	size_t i;

	if (!number(s, &end, &n))
		return false;
	for (i = 0; units[i]; i++)
		if (!strcmp(end, units[i]))
			break;
	if (!units[i] || __builtin_mul_overflow(n, factors[i], &n) || n < min || n > max)
		return false;
	*ret = n;
	return true;
}

bool text_size(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	static const char *const units[] = { "", "K", "M", "G", NULL };
	static const int64_t factors[] = { 1, 1 << 10, 1 << 20, 1 << 30 };

	return with_unit(s, units, factors, min, max, ret);
}

bool text_duration(const char *s, int64_t min, int64_t max, int64_t *ret_ms)
{
	static const char *const units[] = { "", "ms", "s", "m", "h", "d", NULL };
	static const int64_t factors[] = { 1000, 1, 1000, 60000, 3600000, 86400000 };

	return with_unit(s, units, factors, min, max, ret_ms);
}

const char *text_time(int64_t ms, char *buf)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	(void)gmtime_r(&t, &tm);
	n = strftime(buf, 24, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf + n, 32 - n, ".%03uZ", (unsigned int)(ms % 1000) % 1000);
	return buf;
}

int64_t text_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail for this clock */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
