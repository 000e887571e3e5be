// SPDX-License-Identifier: Apache-2.0
#include "cleanup.h"
#include "io.h"
#include "stats.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static json_int_t value(json_t *o, const char *a, const char *b)
{
	json_t *v = json_object_get(o, a);

	return json_integer_value(b ? json_object_get(v, b) : v);
}

static char *metrics(int state, const char *prefix)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (stats_prometheus(state, out, prefix, NULL) < 0)
		abort();
	(void)fclose(out);
	return text;
}

static const char *const limits[] = { "wall_ms", "memory_bytes", NULL };

static void test_counts(int state)
{
	struct stats_run run = { .status = "success",
				 .lang = "python",
				 .isolation = "userns",
				 .wall_ms = 31,
				 .cpu_ms = 1500,
				 .memory_bytes = 9000,
				 .wait_ms = 4 };
	AUTO_JSON json_t *o = NULL;
	int i;

	for (i = 0; i < 98; i++)
		(void)stats_run_add(state, &run, NULL);
	run = (struct stats_run){ .status = "timeout",
				  .lang = "bash\"} 1\nevil",
				  .isolation = "userns",
				  .wall_ms = 10001,
				  .memory_bytes = 5,
				  .limits_hit = limits,
				  .blocked = 3 };
	(void)stats_run_add(state, &run, NULL);
	(void)stats_run_add(state, &(struct stats_run){ .wall_ms = 9999999, .cpu_ms = -5 }, NULL);
	(void)stats_count(state, STATS_UPLOADS, 2, NULL);
	(void)stats_count(state, STATS_UPLOAD_BYTES, 4711, NULL);
	(void)stats_error(state, ERR_RATE, NULL);
	(void)stats_error(state, ERR_ISOLATION, NULL);
	(void)stats_error(state, ERR_NOT_FOUND, NULL);
	o = stats_json(state, NULL);
	ok(value(o, "executions", NULL) == 100 && value(o, "by_status", "success") == 98 &&
		   value(o, "by_status", "timeout") == 1 && value(o, "by_status", "unknown") == 1,
	   "runs are counted by status");
	/* S3-60 */
	ok(value(o, "by_lang", "python") == 98 && value(o, "by_isolation", "userns") == 99,
	   "runs are counted by language and isolation");
	/* S3-63, S3-64 */
	ok(value(o, "limits_hit", "wall_ms") == 1 && value(o, "timeouts", NULL) == 1 &&
		   value(o, "blocked", NULL) == 3,
	   "limits, timeouts and denied operations are counted");
	ok(value(o, "memory_peak_bytes_max", NULL) == 9000 && value(o, "cpu_ms", NULL) == 147000,
	   "memory is a maximum, CPU time a sum");
	ok(value(o, "uploads", NULL) == 2 && value(o, "upload_bytes", NULL) == 4711 &&
		   value(o, "rate_refused", NULL) == 1 &&
		   value(o, "isolation_failures", NULL) == 1 &&
		   value(o, "errors", "E_NOT_FOUND") == 1,
	   "transfers, refusals and errors are counted");
	ok(json_array_size(json_object_get(o, "minutes")) == 120, "two hours are shown by minute");
	ok(json_real_value(json_object_get(json_object_get(o, "wall"), "p50_ms")) > 25 &&
		   json_real_value(json_object_get(json_object_get(o, "wall"), "p50_ms")) < 50,
	   "the median lies in its bucket");
}

static void test_text(int state)
{
	AUTO_FREE char *text = metrics(state, NULL), *other = metrics(state, "omnimind_sandbox_");
	char *line, *rest = strdup(text), *keep = rest;
	bool is_plain = true;

	/* S3-60, S3-66 */
	ok(strstr(text,
		  "# TYPE sbx_executions_total counter\nsbx_executions_total{isolation=\"userns\"} 99\n") &&
		   strstr(text, "# HELP sbx_executions_total "),
	   "a metric has HELP, TYPE and its label");
	/* S3-67, S3-68, S3-69, S3-70 */
	ok(strstr(text, "sbx_cpu_seconds_total 147.000\n") &&
		   strstr(text, "sbx_memory_bytes_max 9000\n") &&
		   strstr(text, "sbx_timeouts_total 1\n") &&
		   strstr(text, "sbx_security_violations_total 3\n"),
	   "the names that were asked for are there");
	ok(strstr(text, "_bucket{le=\"0.05\"} 98\n") &&
		   strstr(text, "_bucket{le=\"+Inf\"} 100\n") &&
		   strstr(text, "execution_duration_seconds_count 100\n"),
	   "the histogram is cumulative");
	/* S3-66: the prefix */
	ok(strstr(other, "omnimind_sandbox_executions_total{") && !strstr(other, "sbx_"),
	   "another prefix is used throughout");
	while ((line = strsep(&rest, "\n")))
		is_plain &= !*line || *line == '#' || !strncmp(line, "sbx_", 4);
	ok(is_plain && strstr(text, "lang=\"bash___1_evil\""),
	   "a hostile name makes no line of its own");
	free(keep);
}

static void test_processes(int state, int processes, int each)
{
	AUTO_JSON json_t *before = stats_json(state, NULL), *after = NULL;
	int i, k;

	fflush(stdout);
	for (i = 0; i < processes; i++) {
		if (fork() == 0) {
			struct stats_run run = { .status = "success",
						 .lang = i % 2 ? "c" : "d",
						 .isolation = "userns",
						 .memory_bytes = 100000 + i };

			for (k = 0; k < each; k++)
				(void)stats_run_add(state, &run, NULL);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	after = stats_json(state, NULL);
	ok(value(after, "executions", NULL) - value(before, "executions", NULL) ==
			   processes * each &&
		   value(after, "by_lang", "c") + value(after, "by_lang", "d") == processes * each,
	   "concurrent processes lose no count");
	ok(value(after, "memory_peak_bytes_max", NULL) == 100000 + processes - 1,
	   "nor the maximum");
}

static void test_odd_files(int state)
{
	AUTO_JSON json_t *o = NULL;
	struct stats_run run = { .status = "success" };
	char lang[16];
	json_int_t sum = 0;
	const char *key;
	json_t *v;
	int i, fd;

	fd = openat(state, "stats.bin", O_WRONLY | O_TRUNC);
	(void)io_write_all(fd, "garbage", 7);
	(void)close(fd);
	for (i = 0; i < 100; i++) {
		(void)snprintf(lang, sizeof(lang), "lang%d", i);
		run.lang = lang;
		(void)stats_run_add(state, &run, NULL);
	}
	o = stats_json(state, NULL);
	json_object_foreach(json_object_get(o, "by_lang"), key, v)
		sum += json_integer_value(v);
	ok(value(o, "executions", NULL) == 100 && faccessat(state, "stats-old.bin", F_OK, 0) == 0,
	   "a file of another layout is kept aside");
	ok(sum == 100 && value(o, "by_lang", "other") == 53,
	   "more names than there is room for are 'other'");
	(void)unlinkat(state, "stats.bin", 0);
	(void)mkdirat(state, "stats.bin", 0700);
	ok(stats_run_add(state, &run, NULL) < 0, "what cannot be opened is an error, not a crash");
	(void)unlinkat(state, "stats.bin", AT_REMOVEDIR);
}

static void test_birth(int state, int processes)
{
	AUTO_JSON json_t *o = NULL;
	int i;

	(void)unlinkat(state, "stats.bin", 0);
	fflush(stdout);
	for (i = 0; i < processes; i++) {
		if (fork() == 0) {
			(void)stats_count(state, STATS_DOWNLOADS, 1, NULL);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	o = stats_json(state, NULL);
	ok(value(o, "downloads", NULL) == processes,
	   "processes that make the file at once share one");
}

int main(void)
{
	char base[] = "/tmp/sbx-stats-XXXXXX";
	int state, root = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), i;
	bool is_long = getenv("SBX_LONG") != NULL;
	struct stats_run run = { .status = "success",
				 .lang = "python",
				 .isolation = "userns",
				 .wall_ms = 3,
				 .limits_hit = limits };
	int64_t best;

	if (!mkdtemp(base))
		return 1;
	state = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_counts(state);
	test_text(state);
	test_processes(state, is_long ? 200 : 50, 200);
	test_odd_files(state);
	test_birth(state, is_long ? 500 : 50);
	best = INT64_MAX;
	for (i = 0; i < 400; i++) {
		int64_t start = io_now_us();
		int k;

		for (k = 0; k < 50; k++)
			(void)stats_run_add(state, &run, NULL);
		start = io_now_us() - start;
		best = start < best ? start : best;
	}
	fprintf(stderr, "# stats_run_add: %.2f us\n", (double)best / 50);
	/* the best of many short rounds: a busy machine says nothing about the code */
	ok(best < 50 * 20, "an update costs at most 20 microseconds");
	printf("1..%d\n", tests);
	(void)close(state);
	(void)io_remove_tree(root, base + 5);
	(void)close(root);
	return failures != 0;
}
