// SPDX-License-Identifier: Apache-2.0
#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "rate.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static const int64_t noon = 1700000000000;

static void test_bucket(int state, struct config *c)
{
	struct err err = { 0 };
	int i, n = 0;

	c->rate_per_minute = 60;
	c->rate_burst = 5;
	for (i = 0; i < 20; i++)
		n += rate_take(state, c, "alice", "exec", noon, &err) == 0;
	ok(n == 5, "a burst of five is five");
	ok(err.code == ERR_RATE && err.retry_ms == 1000,
	   "a refusal says when the next token comes");
	ok(strstr(err.msg, "rate_per_minute is 60") && strstr(err.msg, "/etc/sbx.json") &&
		   strstr(err.msg, "built in"),
	   "it names the limit, its value and where it is set");
	ok(rate_take(state, c, "alice", "exec", noon + 999, &err) < 0 && err.retry_ms == 1,
	   "one millisecond early is early");
	ok(rate_take(state, c, "alice", "exec", noon + 1000, &err) == 0, "on time is on time");
	ok(rate_take(state, c, "alice", "upload", noon, &err) == 0 &&
		   rate_take(state, c, "bob", "exec", noon, &err) == 0,
	   "verbs and users have buckets of their own");
	for (i = n = 0; i < 600; i++)
		n += rate_take(state, c, "alice", "exec", noon + 1000 + i * 100, NULL) == 0;
	ok(n == 59, "sixty a minute are sustained, never one more");
	for (i = n = 0; i < 20; i++)
		n += rate_take(state, c, "alice", "exec", noon + 40 * 86400000LL, NULL) == 0;
	ok(n == 5, "a month's rest gives no more than the burst");
	ok(rate_take(state, c, "alice", "exec", noon, NULL) < 0 &&
		   rate_take(state, c, "alice", "exec", noon + 999, NULL) < 0 &&
		   rate_take(state, c, "alice", "exec", noon + 1000, NULL) == 0,
	   "a clock that is set back gives nothing at once and stops nobody for good");
	for (i = 0; i < 40; i++) {
		char verb[16];

		(void)snprintf(verb, sizeof(verb), "verb%d", i);
		(void)rate_take(state, c, "carol", verb, noon + i, NULL);
	}
	ok(rate_take(state, c, "carol", "a-verb-with-a-very-long-name", noon, NULL) == 0 &&
		   rate_take(state, c, "carol", "verb39", noon, NULL) == 0,
	   "more verbs than a file holds are no harm");
	c->rate_per_minute = 0;
	for (i = n = 0; i < 50; i++)
		n += rate_take(state, c, "alice", "exec", noon, NULL) == 0;
	ok(n == 50, "without a rate nobody is held up");
}

static void test_budget(int state, struct config *c)
{
	struct err err = { 0 };
	struct budget b = { .cpu_ms = 700, .bytes = 10 }, got;
	AUTO_JSON json_t *list = NULL;
	int64_t day = noon - noon % 86400000;
	int i, n = 0;

	c->day_runs = 3;
	c->day_cpu_ms = 1000;
	c->day_bytes = 100;
	for (i = 0; i < 6; i++)
		n += budget_take(state, c, "dave", day + 1, &err) == 0;
	ok(n == 3 && err.code == ERR_RATE && err.retry_ms == 86399999 &&
		   strstr(err.msg, "day_runs is 3"),
	   "three runs a day are three, until midnight");
	ok(budget_take(state, c, "dave", day + 86400000, &err) == 0, "a new day is a new budget");
	ok(budget_take(state, c, "dave", day + 5, &err) == 0 &&
		   budget_get(state, "dave", day + 5, &got, NULL) == 0 && got.runs == 2,
	   "a clock set back stays in the later day");
	(void)budget_charge(state, "erin", &b, day, NULL);
	ok(budget_take(state, c, "erin", day, &err) == 0, "CPU time below the budget is below it");
	(void)budget_charge(state, "erin", &b, day, NULL);
	ok(budget_take(state, c, "erin", day, &err) < 0 && strstr(err.msg, "day_cpu_ms"),
	   "CPU time used up refuses the next run");
	ok(budget_check(state, c, "erin", 80, day, &err) == 0 &&
		   budget_check(state, c, "erin", 81, day, &err) < 0 &&
		   strstr(err.msg, "day_bytes"),
	   "bytes are refused beyond their budget");
	list = budget_list(state, day, 1, &err);
	ok(json_array_size(list) == 1 &&
		   !strcmp(json_string_value(json_object_get(json_array_get(list, 0), "user")),
			   "erin"),
	   "the user with most CPU time stands first");
	ok(rate_erase(state, "erin", NULL) == 0 && rate_erase(state, "erin", NULL) == 0 &&
		   budget_get(state, "erin", day, &got, NULL) == 0 && got.cpu_ms == 0,
	   "a user can be forgotten");
}

static void test_processes(int state, struct config *c, int processes)
{
	static const char *const users[] = { "p0", "p1", "p2" };
	int i, pipes[2], taken[3] = { 0 }, runs[3] = { 0 };
	char byte;

	c->rate_per_minute = 60;
	c->rate_burst = 17;
	c->day_runs = 11;
	c->day_cpu_ms = c->day_bytes = 0;
	fflush(stdout);
	if (pipe(pipes) < 0)
		abort();
	for (i = 0; i < processes; i++) {
		if (fork() == 0) {
			int k;

			for (k = 0; k < 5; k++) {
				if (rate_take(state, c, users[i % 3], "exec", noon, NULL) == 0)
					(void)!write(pipes[1], &"abc"[i % 3], 1);
				if (budget_take(state, c, users[i % 3], noon, NULL) == 0)
					(void)!write(pipes[1], &"ABC"[i % 3], 1);
				if (i % 7 == 0 && k == 2)
					(void)kill(getpid(), SIGKILL);
			}
			_exit(0);
		}
	}
	(void)close(pipes[1]);
	while (read(pipes[0], &byte, 1) == 1) {
		if (byte >= 'a')
			taken[byte - 'a']++;
		else
			runs[byte - 'A']++;
	}
	while (wait(NULL) > 0)
		;
	(void)close(pipes[0]);
	ok(taken[0] == 17 && taken[1] == 17 && taken[2] == 17,
	   "many processes at once get the burst exactly");
	ok(runs[0] == 11 && runs[1] == 11 && runs[2] == 11, "and the runs of the day exactly");
}

int main(void)
{
	char base[] = "/tmp/sbx-rate-XXXXXX";
	struct config c = { .origins = json_pack("{s:s}", "rate_per_minute", "/etc/sbx.json") };
	int state, root = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), i;
	int64_t start;

	if (!mkdtemp(base))
		return 1;
	state = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_bucket(state, &c);
	test_budget(state, &c);
	test_processes(state, &c, getenv("SBX_LONG") ? 1000 : 200);
	start = io_now_us();
	for (i = 0; i < 1000; i++)
		(void)rate_take(state, &c, "speed", "exec", noon, NULL);
	fprintf(stderr, "# rate_take: %.1f us\n", (double)(io_now_us() - start) / 1000);
	printf("1..%d\n", tests);
	(void)close(state);
	(void)io_remove_tree(root, base + 5);
	(void)close(root);
	json_decref(c.origins);
	return failures != 0;
}
