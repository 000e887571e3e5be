// SPDX-License-Identifier: Apache-2.0
#include "cleanup.h"
#include "history.h"
#include "io.h"
#include "text.h"

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

static int add(int state, const char *user, int n)
{
	char id[40], session[40];

	(void)snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012d", n);
	(void)snprintf(session, sizeof(session), "11111111-0000-4000-8000-%012d", n % 3);
	AUTO_JSON json_t *r = json_pack("{s:s,s:s,s:s,s:s,s:{s:i,s:i},s:s}", "exec_id", id,
					"session", session, "status", n % 4 ? "success" : "timeout",
					"lang", "python", "usage", "wall_ms", 31, "cpu_ms", n,
					"time", "forged");
	return history_add(state, user, r, NULL);
}

static size_t count(int state, const char *user, struct history_filter f)
{
	AUTO_JSON json_t *rows = NULL;

	return history_list(state, user, &f, &rows, NULL) < 0 ? 999999 : json_array_size(rows);
}

static void test_basics(int state)
{
	AUTO_JSON json_t *rows = NULL, *one = NULL;
	struct history_filter f = { .limit = 3 };
	struct err err = { 0 };
	json_t *first;
	char name[64], when[32];
	int i, fd;

	ok(count(state, "alice", (struct history_filter){ 0 }) == 0,
	   "who never ran anything has no history");
	for (i = 0; i < 12; i++)
		(void)add(state, "alice", i);
	(void)add(state, "bob", 100);
	ok(history_list(state, "alice", &f, &rows, NULL) == 0 && json_array_size(rows) == 3,
	   "a limit is kept");
	first = json_array_get(rows, 0);
	ok(!strcmp(json_string_value(json_object_get(first, "exec_id")),
		   "00000000-0000-4000-8000-000000000011"),
	   "the newest stands first");
	ok(json_string_length(json_object_get(first, "time")) == 24,
	   "the time is ours, not the receipt's");
	ok(count(state, "alice", (struct history_filter){ .status = "timeout" }) == 3 &&
		   count(state, "alice",
			 (struct history_filter){
				 .session = "11111111-0000-4000-8000-000000000001" }) == 4,
	   "status and session narrow it");
	ok(count(state, "alice", (struct history_filter){ .since_ms = text_now_ms() + 9999 }) ==
			   0 &&
		   count(state, "alice",
			 (struct history_filter){ .since_ms = text_now_ms() - 60000 }) == 12,
	   "a time narrows it");
	ok(history_find(state, "alice", "00000000-0000-4000-8000-000000000005", &one, &err) == 0 &&
		   json_integer_value(json_object_get(json_object_get(one, "usage"), "cpu_ms")) ==
			   5,
	   "a run is found");
	json_decref(one);
	one = NULL;
	ok(history_find(state, "alice", "00000000-0000-4000-8000-000000000100", &one, &err) < 0 &&
		   err.code == ERR_NOT_FOUND,
	   "a run of somebody else is not found");
	(void)snprintf(name, sizeof(name), "history/alice/%.7s.jsonl",
		       text_time(text_now_ms(), when));
	fd = openat(state, name, O_WRONLY | O_APPEND);
	(void)io_write_all(fd, "{\"time\":\"20", 11);
	(void)close(fd);
	ok(count(state, "alice", (struct history_filter){ 0 }) == 12 &&
		   add(state, "alice", 12) == 0 &&
		   count(state, "alice", (struct history_filter){ 0 }) == 13,
	   "a line that was never finished costs no other");
	fd = openat(state, "history/alice/1999-12.jsonl", O_WRONLY | O_CREAT, 0600);
	(void)io_write_all(fd, "{\"time\":\"1999-12-31T23:59:59.999Z\",\"exec_id\":\"old\"}\n", 53);
	(void)close(fd);
	ok(count(state, "alice", (struct history_filter){ 0 }) == 14 &&
		   count(state, "alice", (struct history_filter){ .since_ms = 1000000000000 }) ==
			   13,
	   "older months follow");
	ok(history_erase(state, "alice", NULL) == 0 && history_erase(state, "alice", NULL) == 0 &&
		   count(state, "alice", (struct history_filter){ 0 }) == 0 &&
		   count(state, "bob", (struct history_filter){ 0 }) == 1,
	   "a user's history can be erased, alone");
}

static void test_writers(int state, int writers, int each)
{
	int i, n, killed = 0;
	pid_t pid;
	int64_t end;

	fflush(stdout);
	for (i = 0; i < writers; i++) {
		if (fork() == 0) {
			for (n = 0; n < each; n++)
				(void)add(state, "carol", i * each + n);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	ok(count(state, "carol", (struct history_filter){ 0 }) == (size_t)(writers * each),
	   "concurrent writers lose nothing");
	end = io_now_ms() + 300;
	while (io_now_ms() < end) {
		pid = fork();
		if (pid == 0)
			for (n = 0;; n++)
				(void)add(state, "carol", n);
		(void)usleep(3000);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		killed++;
	}
	n = (int)count(state, "carol", (struct history_filter){ 0 });
	ok(add(state, "carol", 1) == 0 &&
		   (int)count(state, "carol", (struct history_filter){ 0 }) == n + 1,
	   "and goes on after kill -9 of writers");
}

/* One month of a user, written as fast as possible: what is timed is the reading. */
static void fill(int state, const char *user, int records, bool spread)
{
	char name[80], when[32];
	FILE *out = NULL;
	int i;

	for (i = 0; i < records; i++) {
		if (i == 0 || (spread && i % 1000 == 0)) {
			(void)snprintf(name, sizeof(name), "%s%d", user, spread ? i / 1000 : 0);
			(void)add(state, name, i);
			if (out)
				(void)fclose(out);
			(void)snprintf(name, sizeof(name), "history/%s%d/%.7s.jsonl", user,
				       spread ? i / 1000 : 0, text_time(text_now_ms(), when));
			out = fdopen(openat(state, name, O_WRONLY | O_APPEND), "a");
		}
		(void)fprintf(
			out,
			"{\"time\":\"%s\",\"exec_id\":\"00000000-0000-4000-8000-%012d\",\"session\":"
			"\"11111111-0000-4000-8000-%012d\",\"status\":\"success\",\"lang\":\"python\","
			"\"code_sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","
			"\"usage\":{\"wall_ms\":31,\"cpu_ms\":24,\"memory_peak_bytes\":9437184},"
			"\"isolation\":{\"method\":\"userns\",\"seccomp\":\"default:216\"}}\n",
			when, i, i % 997);
	}
	if (out)
		(void)fclose(out);
}

static void test_speed(int state, int records)
{
	int64_t start, took;
	AUTO_JSON json_t *one = NULL;
	size_t n;

	fill(state, "many", records, true);
	start = io_now_us();
	n = count(state, "many7", (struct history_filter){ 0 });
	took = io_now_us() - start;
	fprintf(stderr, "# all %zu of one user among %d: %.1f ms\n", n, records,
		(double)took / 1000);
	ok(n >= 1000 && took < 200000, "one user among many answers within 200 ms");
	fill(state, "big", records, false);
	start = io_now_us();
	n = count(state, "big0", (struct history_filter){ .limit = 50 });
	took = io_now_us() - start;
	fprintf(stderr, "# newest 50 of a user with %d: %.1f ms\n", records, (double)took / 1000);
	ok(n == 50 && took < 200000, "the newest of a user with a long history too");
	start = io_now_us();
	n = count(state, "big0",
		  (struct history_filter){ .session = "11111111-0000-4000-8000-000000000500",
					   .limit = 50 });
	took = io_now_us() - start;
	fprintf(stderr, "# one session in them: %zu in %.1f ms\n", n, (double)took / 1000);
	start = io_now_us();
	ok(history_find(state, "big0", "00000000-0000-4000-8000-000000000003", &one, NULL) == 0,
	   "the oldest run of a long history is found");
	fprintf(stderr, "# the oldest of them: %.1f ms\n", (double)(io_now_us() - start) / 1000);
}

int main(void)
{
	char base[] = "/tmp/sbx-history-XXXXXX";
	int state, root = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_long = getenv("SBX_LONG") != NULL;

	if (!mkdtemp(base))
		return 1;
	state = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_basics(state);
	test_writers(state, is_long ? 100 : 20, 50);
	test_speed(state, is_long ? 1000000 : 20000);
	printf("1..%d\n", tests);
	(void)close(state);
	(void)io_remove_tree(root, base + 5);
	(void)close(root);
	return failures != 0;
}
