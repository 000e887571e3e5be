// SPDX-License-Identifier: Apache-2.0
#include "sink.h"

#include "cleanup.h"
#include "io.h"
#include "text.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static const char gap[] = "\n[... output left out ...]\n";

/* Feeds data in pieces of step bytes; what the sink keeps, heap. */
static char *through(const char *data, size_t len, size_t cap, size_t step, size_t *ret_len, bool *ret_cut, int64_t *ret_total)
{
	struct sink s = { .fd = -1, .live = -1 };
	char *text = NULL;
	size_t at = 0;
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0 || sink_open(&s, p[0], cap) < 0)
		return NULL;
	while (at < len) {
		size_t n = len - at < step ? len - at : step;

		(void)io_write_all(p[1], data + at, n);
		at += n;
		(void)sink_drain(&s);
	}
	(void)sink_drain(&s);	/* nothing there: not the end */
	(void)close(p[1]);
	while (sink_drain(&s))
		;
	text = sink_text(&s, ret_len, ret_cut);
	*ret_total = s.total;
	sink_done(&s);
	sink_done(&s);
	return text;
}

static bool keeps(const char *data, size_t len, size_t cap, size_t step)
{
	size_t got_len = 0, head = cap / 2, tail = cap - cap / 2;
	int64_t total = 0;
	bool cut = false, good;
	AUTO_FREE char *got = through(data, len, cap, step, &got_len, &cut, &total);
	AUTO_FREE char *want = malloc(len + sizeof(gap) + 1);
	size_t n = 0;

	if (!got || !want)
		return false;
	if (len <= cap) {
		memcpy(want, data, len);
		n = len;
	} else {
		memcpy(want, data, head);
		memcpy(want + head, gap, sizeof(gap) - 1);
		memcpy(want + head + sizeof(gap) - 1, data + len - tail, tail);
		n = cap + sizeof(gap) - 1;
	}
	good = total == (int64_t)len && cut == (len > cap) && got_len == n && !memcmp(got, want, n) && got[n] == 0;
	if (!good)
		printf("# len %zu cap %zu step %zu: %zu bytes, cut %d\n", len, cap, step, got_len, cut);
	return good;
}

static void test_caps(void)
{
	static const size_t caps[] = { 0, 1, 2, 3, 7, 8, 100, 1000 }, steps[] = { 1, 2, 3, 5, 64, 999, 5000 };
	static const size_t lengths[] = { 0, 1, 2, 3, 4, 7, 8, 9, 99, 100, 101, 999, 1000, 1001, 1999, 2000, 2001, 4999 };
	char data[5000];
	size_t i, k, j, n = 0, all = 0;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (char)('a' + i * 7 % 26);
	for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		for (k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++)
			for (j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
				n += keeps(data, lengths[k], caps[i], steps[j]);
				all++;
			}
	ok(n == all, "head and tail are kept within the cap, whatever the pieces");
}

static void test_large(void)
{
	size_t len = 3 << 20;
	AUTO_FREE char *data = malloc(len);

	if (!data)
		return;
	memset(data, 'x', len);
	data[0] = '<';
	data[len - 1] = '>';
	ok(keeps(data, len, 1000, 60000) && keeps(data, len, 1 << 20, 60000) && keeps(data, len, len, 60000), "megabytes too");
}

static void test_live(void)
{
	struct sink s = { .fd = -1, .live = -1 };
	int p[2], q[2];
	char buf[8] = "";

	if (pipe2(p, O_CLOEXEC) < 0 || pipe2(q, O_CLOEXEC) < 0 || sink_open(&s, p[0], 2) < 0)
		return;
	s.live = q[1];
	(void)io_write_all(p[1], "abcdef", 6);
	(void)sink_drain(&s);
	ok(read(q[0], buf, 7) == 6 && !strcmp(buf, "abcdef"), "the copy that goes out at once is whole");
	(void)close(q[0]);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)io_write_all(p[1], "g", 1);
	ok(sink_drain(&s) && s.total == 7, "a reader that left does not end the run");
	(void)close(q[1]);
	(void)close(p[1]);
	sink_done(&s);
}

/* What --stream writes for data in pieces; an array of events. */
static json_t *events(const char *data, size_t len, size_t step, size_t cap)
{
	struct sink s = { .fd = -1, .live = -1, .event = "stdout" };
	int p[2], out = dup(1), memory = memfd_create("events", MFD_CLOEXEC);
	json_t *list = json_array();
	char *text, *line;
	size_t at;

	(void)fflush(stdout);
	if (pipe2(p, O_CLOEXEC) < 0 || sink_open(&s, p[0], cap) < 0 || dup2(memory, 1) < 0)
		return list;
	for (at = 0; at < len; at += step) {
		(void)io_write_all(p[1], data + at, len - at < step ? len - at : step);
		(void)sink_drain(&s);
	}
	(void)close(p[1]);
	(void)sink_drain(&s);
	sink_flush(&s);
	sink_done(&s);
	(void)dup2(out, 1);
	(void)close(out);
	(void)lseek(memory, 0, SEEK_SET);
	text = io_read_all(memory, 1 << 24, &at);
	(void)close(memory);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		(void)json_array_append_new(list, json_loads(line, 0, NULL));
	free(text);
	return list;
}

static void test_stream(void)
{
	static const char data[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\xff\xc3";
	static const char want[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\xef\xbf\xbd\xef\xbf\xbd";
	size_t step, i;
	int good = 0;

	for (step = 1; step <= 13; step++) {
		AUTO_JSON json_t *list = events(data, 13, step, 1000);
		char all[64] = "";
		json_t *v;
		bool whole = true;

		json_array_foreach(list, i, v) {
			const char *piece = json_string_value(json_object_get(v, "data"));

			whole = whole && piece && !strcmp(json_string_value(json_object_get(v, "event")), "stdout") &&
				json_integer_value(json_object_get(v, "v")) == 1;
			if (piece)
				(void)strncat(all, piece, sizeof(all) - strlen(all) - 1);
		}
		good += whole && !strcmp(all, want);
		if (strcmp(all, want) != 0)
			printf("# step %zu: %s\n", step, all);
	}
	ok(good == 13, "no event splits a character, whatever the pieces");
	AUTO_JSON json_t *few = events("0123456789abcdef", 16, 4, 6);
	char all[32] = "";
	json_t *v;

	json_array_foreach(few, i, v)
		(void)strncat(all, json_string_value(json_object_get(v, "data")), sizeof(all) - strlen(all) - 1);
	ok(strlen(all) <= 6 && !strncmp(all, "0123456789abcdef", strlen(all)), "events end at the cap");
}

int main(void)
{
	test_caps();
	test_large();
	test_live();
	test_stream();
	printf("1..%d\n", tests);
	return failures != 0;
}
