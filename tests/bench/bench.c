// SPDX-License-Identifier: Apache-2.0
/*
 * bench: runs commands by turns, so that what else the machine does meets all alike, and prints
 * medians with their ratio to the first one. bench ROUNDS NAME COMMAND... [-- NAME COMMAND...]...
 * A NAME that begins with '=' resets the reference for what follows; one that begins with '~' and a word
 * is measured by the command itself: the member of that name in "timing" of the JSON that it prints.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CASES = 32, ROUNDS = 10000 };

struct subject {
	const char *name;
	char **argv;
	double *ms;
	const char *input;	/* text after '<' is its standard input */
};

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static int feed(const char *text)
{
	int fds[2];

	if (!text)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (pipe2(fds, O_CLOEXEC) < 0 || write(fds[1], text, strlen(text)) < 0)
		return -1;
	(void)close(fds[1]);
	return fds[0];
}

/* The member of "timing" that s->name begins with, of what the command printed; -1 without it. */
static double told(const struct subject *s, int out)
{
	char member[32] = "";
	json_t *answer;
	double ms;

	(void)sscanf(s->name, "~%31s", member);
	if (lseek(out, 0, SEEK_SET) < 0 || !(answer = json_loadfd(out, 0, NULL)))
		return -1;
	ms = json_number_value(json_object_get(json_object_get(answer, "timing"), member));
	json_decref(answer);
	return ms > 0 ? ms : -1;
}

/* Returns the time from fork to the end, or what the command tells; -1 when it failed. */
static double once(const struct subject *s)
{
	bool tells = s->name[0] == '~';
	int out = tells ? memfd_create("answer", MFD_CLOEXEC) : open("/dev/null", O_WRONLY | O_CLOEXEC);
	double begin = now_ms(), ms;
	int in = feed(s->input), status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)dup2(in, 0);
		(void)dup2(out, 1);
		(void)execvp(s->argv[0], s->argv);
		_exit(127);
	}
	(void)close(in);
	ms = pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0 ? -1 : now_ms() - begin;
	if (tells && ms >= 0)
		ms = told(s, out);
	(void)close(out);
	return ms;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	struct subject list[CASES] = { 0 };
	int count = 0, rounds = argc > 3 ? atoi(argv[1]) : 0, i, r;
	double reference = 0;

	for (i = 2; i < argc && count < CASES;) {
		struct subject *s = &list[count++];

		s->name = argv[i++];
		s->argv = argv + i;
		while (i < argc && strcmp(argv[i], "--") != 0) {
			if (argv[i][0] == '<') {
				s->input = argv[i] + 1;
				argv[i] = NULL;
			}
			i++;
		}
		if (i < argc)
			argv[i++] = NULL;
		s->ms = calloc((size_t)(rounds > 0 ? rounds : 1), sizeof(double));
	}
	if (rounds < 1 || rounds > ROUNDS || !count) {
		(void)fputs("usage: bench ROUNDS NAME COMMAND... [-- NAME COMMAND...]...\n", stderr);
		return 2;
	}
	for (r = -1; r < rounds; r++)	/* the first round only warms the caches */
		for (i = 0; i < count; i++) {
			double ms = once(&list[i]);

			if (ms < 0) {
				(void)fprintf(stderr, "bench: '%s' failed\n", list[i].name);
				return 1;
			}
			if (r >= 0)
				list[i].ms[r] = ms;
		}
	for (i = 0; i < count; i++) {
		double median;
		json_t *row;

		qsort(list[i].ms, (size_t)rounds, sizeof(double), by_value);
		median = list[i].ms[rounds / 2];
		if (i == 0 || list[i].name[0] == '=')
			reference = median;
		row = json_pack("{s:s,s:f,s:f,s:f}", "name", list[i].name, "median_ms", median, "p90_ms",
				list[i].ms[rounds * 9 / 10], "ratio", median / reference);
		(void)printf("%-34s %9.2f ms  %6.2f\n", list[i].name, median, median / reference);
		if (getenv("BENCH_JSON")) {
			FILE *out = fopen(getenv("BENCH_JSON"), "a");

			if (out) {
				(void)json_dumpf(row, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
				(void)fputc('\n', out);
				(void)fclose(out);
			}
		}
		json_decref(row);
	}
	return 0;
}
