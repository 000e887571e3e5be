// SPDX-License-Identifier: Apache-2.0
#include "audit.h"
#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static char base[] = "/tmp/sbx-audit-XXXXXX";
static int base_fd = -1;

/* A fresh state directory for each subject. */
static int fresh(const char *name)
{
	if (io_remove_tree(base_fd, name) < 0 || io_mkdir(base_fd, name) < 0)
		abort();
	return io_open_dir(base_fd, name);
}

static int add(int state, const struct config *c, const char *user, const char *action, int n)
{
	struct err err = { 0 };
	json_t *r = json_pack(
		"{s:s,s:s,s:s,s:s,s:s,s:s,s:{s:i},s:{s:s,s:i,s:i,s:i,s:i},s:{s:s,s:s,s:i,s:s}}",
		"action", action, "userId", user, "sessionId",
		"0b8e9c1e-6a7e-4c5e-9d8e-1f2a3b4c5d6e", "status", n % 5 ? "success" : "error", "ip",
		"192.0.2.7", "userAgent", "Mozilla/5.0", "details", "n", n, "execution", "lang",
		"python", "durationMs", 31, "exitCode", 0, "memoryMB", 9, "filesGenerated", 1,
		"file", "fileId", "7c1d2e3f-0a1b-4c2d-8e3f-405162738495", "filename", "out.png",
		"size", 4711, "mimeType", "image/png");

	if (audit_append(state, c, r, &err) < 0) {
		fprintf(stderr, "# %s\n", err.msg);
		return -1;
	}
	return 0;
}

static struct audit_verdict verdict(int state)
{
	struct audit_verdict v = { 0 };
	struct err err = { 0 };

	if (audit_verify(state, NULL, &v, &err) < 0) {
		fprintf(stderr, "# %s\n", err.msg);
		v.is_broken = true;
	}
	return v;
}

static bool is_whole(int state, uint64_t records)
{
	struct audit_verdict v = verdict(state);

	if (v.is_broken)
		fprintf(stderr, "# %s line %llu seq %llu: %s\n", v.file, (unsigned long long)v.line,
			(unsigned long long)v.seq, v.why);
	if (records && v.records != records)
		fprintf(stderr, "# %llu records\n", (unsigned long long)v.records);
	return !v.is_broken && (!records || v.records == records);
}

static char *slurp(int state, size_t *len)
{
	return io_read_file(state, "audit/audit.jsonl", 64 << 20, len);
}

static void spill(int state, const char *text, size_t len)
{
	int fd = openat(state, "audit/audit.jsonl", O_WRONLY | O_TRUNC | O_CREAT, 0600);

	if (fd < 0 || io_write_all(fd, text, len) < 0)
		abort();
	(void)close(fd);
}

static int count_action(int state, const char *action)
{
	AUTO_JSON json_t *list = NULL;

	if (audit_list(state, &(struct audit_filter){ .action = action }, &list, NULL) < 0)
		return -1;
	return (int)json_array_size(list);
}

static void test_basics(const struct config *c)
{
	int state = fresh("basics");
	struct audit_filter f = { .user = "bob" };
	AUTO_JSON json_t *list = NULL;
	char expect[128], *text;
	struct audit_verdict v;
	json_t *r;
	size_t len, i;
	int lines = 0;

	ok(is_whole(state, 0), "an empty log verifies");
	for (i = 0; i < 10; i++)
		(void)add(state, c, i % 2 ? "bob" : "alice", i < 5 ? "exec" : "upload", (int)i);
	ok(is_whole(state, 10), "ten records verify");
	ok(audit_list(state, &f, &list, NULL) == 0 && json_array_size(list) == 5,
	   "a user's records are found");
	json_decref(list);
	list = NULL;
	f = (struct audit_filter){ .user = "bob", .action = "exec", .limit = 1 };
	ok(audit_list(state, &f, &list, NULL) == 0 && json_array_size(list) == 1 &&
		   json_integer_value(json_object_get(json_array_get(list, 0), "seq")) == 4,
	   "a limit gives the newest of a user and an action");
	json_decref(list);
	list = NULL;
	f = (struct audit_filter){ .since_ms = text_now_ms() + 60000 };
	ok(audit_list(state, &f, &list, NULL) == 0 && json_array_size(list) == 0,
	   "nothing is newer than the future");
	r = json_pack("{s:s,s:s,s:s,s:{s:s,s:s},s:{s:s,s:{s:s}},s:{s:i}}", "action", "upload",
		      "status", "denied", "userId", "x\n{\"seq\":12}\",\"hash\":\"", "file",
		      "filename", "a\nb\x1b[31m\xe2\x80\xae\",\"hash\":\"", "hash", "0000",
		      "execution", "lang", "\",\"hash\":\"", "exitCode", "hash", "1", "chain",
		      "through", 9);
	ok(audit_append(state, c, r, NULL) == 0 && is_whole(state, 11),
	   "a hostile record verifies");
	text = slurp(state, &len);
	for (i = 0; i < len; i++)
		lines += text[i] == '\n';
	ok(lines == 11 && !memchr(text, 0x1b, len) && !strstr(text, "\xe2\x80\xae") &&
		   !strstr(text, "\"chain\""),
	   "a hostile name makes no line, no escape and no chain member");
	free(text);
	v = verdict(state);
	(void)snprintf(expect, sizeof(expect), "%llu:%s", (unsigned long long)v.last_seq, v.hash);
	(void)add(state, c, "bob", "exec", 1);
	ok(audit_verify(state, expect, &v, NULL) == 0 && !v.is_broken && v.is_expected,
	   "a head that was noted is found again");
	expect[4] = expect[4] == 'a' ? 'b' : 'a';
	ok(audit_verify(state, expect, &v, NULL) == 0 && v.is_broken,
	   "a head that was never is missed");
	ok(audit_verify(state, "nonsense", &v, NULL) < 0, "a malformed head is refused");
	ok(audit_append(state, c, json_object(), NULL) < 0, "a record without action is refused");
	(void)close(state);
}

static void test_tampering(const struct config *c)
{
	int state = fresh("tampering"), i, found = 0;
	size_t len, at, tried = 0, second, third;
	struct audit_verdict v;
	char *text, *copy, *nl;

	for (i = 0; i < 4; i++)
		(void)add(state, c, "alice", "exec", i);
	text = slurp(state, &len);
	copy = malloc(len + 1);
	for (at = 0; at < len; at++) {
		memcpy(copy, text, len);
		copy[at] ^= 1;
		spill(state, copy, len);
		tried++;
		v = verdict(state);
		found += v.is_broken && v.file[0] && v.line > 0;
	}
	ok(found == (int)tried, "a flipped bit in any byte is found, with file and line");
	nl = memchr(text, '\n', len);
	second = (size_t)(nl + 1 - text);
	third = (size_t)((char *)memchr(text + second, '\n', len - second) + 1 - text);
	memcpy(copy, text, second);
	memcpy(copy + second, text + third, len - third);
	spill(state, copy, len - (third - second));
	v = verdict(state);
	ok(v.is_broken && v.line == 2 && v.seq == 2, "a removed record is found where it stood");
	memcpy(copy, text + second, third - second);
	memcpy(copy + third - second, text, second);
	memcpy(copy + third, text + third, len - third);
	spill(state, copy, len);
	ok(verdict(state).is_broken, "two exchanged records are found");
	spill(state, text, third);
	v = verdict(state);
	ok(v.is_broken && v.seq == 3, "a log cut at a line end is found");
	spill(state, text, len - 5);
	ok(verdict(state).is_broken, "a log cut within a line is found");
	spill(state, text, third);
	ok(add(state, c, "alice", "exec", 9) == 0 && count_action(state, "audit.lost") == 1 &&
		   verdict(state).is_broken,
	   "an append to a cut log is recorded, and the cut stays found");
	spill(state, "", 0);
	ok(verdict(state).is_broken, "an emptied log is found");
	free(text);
	free(copy);
	(void)close(state);
	state = fresh("headless");
	for (i = 0; i < 3; i++)
		(void)add(state, c, "alice", "exec", i);
	(void)unlinkat(state, "audit/head", 0);
	ok(verdict(state).is_broken, "a removed head is found");
	ok(add(state, c, "alice", "exec", 3) == 0 && is_whole(state, 5) &&
		   count_action(state, "audit.rebuilt") == 1,
	   "an append makes the head anew and says so");
	(void)close(state);
}

static void test_power_loss(const struct config *c)
{
	int state = fresh("power"), i;
	size_t len, head_len;
	char *text, *head, *boot, *nl;

	for (i = 0; i < 5; i++)
		(void)add(state, c, "alice", "exec", i);
	text = slurp(state, &len);
	head = io_read_file(state, "audit/head", 512, &head_len);
	nl = memchr(text, '\n', len);
	nl = memchr(nl + 1, '\n', len - (size_t)(nl + 1 - text));
	spill(state, text, (size_t)(nl + 20 - text));
	boot = strrchr(head, ' ') + 1;
	memcpy(boot, "11111111-2222", 13); /* as if written before a reboot */
	{
		int fd = openat(state, "audit/head", O_WRONLY | O_TRUNC);

		(void)io_write_all(fd, head, head_len);
		(void)close(fd);
	}
	ok(add(state, c, "alice", "exec", 9) == 0 && is_whole(state, 4) && verdict(state).lost == 3,
	   "records lost with the power are counted, and the chain goes on");
	free(text);
	free(head);
	(void)close(state);
}

static void test_torn(const struct config *c)
{
	int state = fresh("torn"), fd, i;
	struct audit_verdict v;
	char *text, *copy, name[300] = "";
	size_t len;
	struct dirent *de;
	DIR *dir;

	for (i = 0; i < 3; i++)
		(void)add(state, c, "alice", "exec", i);
	text = slurp(state, &len);
	fd = openat(state, "audit/audit.jsonl", O_WRONLY | O_APPEND);
	(void)io_write_all(fd, text, 300);
	(void)close(fd);
	v = verdict(state);
	ok(!v.is_broken && !strcmp(v.torn_file, "audit.jsonl") && v.torn_offset == (int64_t)len &&
		   v.torn_bytes == 300,
	   "a torn end verifies and is named");
	ok(add(state, c, "alice", "exec", 4) == 0 && is_whole(state, 5) &&
		   !verdict(state).torn_file[0] && count_action(state, "audit.torn") == 1,
	   "the next append records it and the chain goes on");
	dir = fdopendir(openat(state, "audit", O_RDONLY | O_DIRECTORY));
	while ((de = readdir(dir)))
		if (!strncmp(de->d_name, "torn-", 5))
			(void)snprintf(name, sizeof(name), "audit/%s", de->d_name);
	(void)closedir(dir);
	copy = io_read_file(state, name, 4096, &len);
	ok(copy && len == 300 && !memcmp(copy, text, 300),
	   "the torn bytes are kept in a file of their own");
	free(copy);
	free(text);
	(void)close(state);
	state = fresh("lagging");
	for (i = 0; i < 3; i++)
		(void)add(state, c, "alice", "exec", i);
	text = io_read_file(state, "audit/head", 512, &len);
	(void)add(state, c, "alice", "exec", 3);
	fd = openat(state, "audit/head", O_WRONLY | O_TRUNC);
	(void)io_write_all(fd, text, len);
	(void)close(fd);
	free(text);
	ok(is_whole(state, 4) && add(state, c, "alice", "exec", 4) == 0 && is_whole(state, 5),
	   "a head that lags behind a whole record is mended");
	(void)close(state);
}

static void test_writers(const struct config *c, int writers, int each)
{
	int state = fresh("writers"), i, n, status, bad = 0;

	(void)fflush(stdout);
	for (i = 0; i < writers; i++) {
		if (fork() == 0) {
			for (n = 0; n < each; n++)
				bad |= add(state, c, i % 2 ? "alice" : "bob", "exec", n) < 0;
			_exit(bad);
		}
	}
	while (wait(&status) > 0)
		bad |= status != 0;
	ok(!bad && is_whole(state, (uint64_t)(writers * each)),
	   "concurrent writers make one chain");
	(void)close(state);
}

static void test_kill(const struct config *c, int rounds)
{
	int state = fresh("kill"), i, bad = 0, torn = 0;
	struct config small = *c;

	small.audit_bytes = 60000; /* rotations are hit too */
	small.audit_keep = 3;
	fflush(stdout);
	for (i = 0; i < rounds; i++) {
		pid_t pids[4];
		int k;

		for (k = 0; k < 4; k++) {
			pids[k] = fork();
			if (pids[k] == 0)
				for (;;)
					if (add(state, &small, "alice", "exec", i) < 0)
						_exit(1);
		}
		(void)usleep((unsigned int)(2000 + (i * 7919) % 5000));
		for (k = 0; k < 4; k++)
			(void)kill(pids[k], SIGKILL);
		for (k = 0; k < 4; k++) {
			int status;

			(void)waitpid(pids[k], &status, 0);
			bad |= !WIFSIGNALED(status);
		}
		bad |= !is_whole(state, 0);
		torn += verdict(state).torn_file[0] != 0;
	}
	fprintf(stderr, "# %llu records after kills, %d torn ends\n",
		(unsigned long long)verdict(state).last_seq, torn);
	ok(!bad, "a chain verifies after each of many kill -9 of its writers");
	ok(add(state, &small, "alice", "exec", 0) == 0 && is_whole(state, 0),
	   "and is written to again");
	(void)close(state);
}

static int see(json_t *record, void *arg)
{
	int64_t *last = arg, seq = json_integer_value(json_object_get(record, "seq"));

	if (seq != *last + 1)
		return -1;
	*last = seq;
	return 0;
}

static void test_rotation(const struct config *c)
{
	int state = fresh("rotation"), i, bad = 0;
	struct config small = *c;
	struct audit_cursor cursor = { .fd = -1 };
	struct audit_filter all = { 0 };
	int64_t last = 0, files = -1, followed;
	AUTO_JSON json_t *list = NULL;
	struct audit_verdict v;
	char name[80];

	small.audit_bytes = 4000;
	(void)add(state, &small, "alice", "exec", 0);
	bad |= audit_follow(state, &cursor, &all, see, &last, NULL) < 0;
	last = followed = 1;
	for (i = 1; i < 40; i++) {
		(void)add(state, &small, i % 4 ? "alice" : "bob", "exec", i);
		if (i % 3 == 0)
			bad |= audit_follow(state, &cursor, &all, see, &followed, NULL) < 0;
	}
	ok(!bad && followed == 40, "a follower sees each record once across rotations");
	audit_cursor_done(&cursor);
	ok(is_whole(state, 40) && verdict(state).files > 5, "a rotated log verifies");
	cursor = (struct audit_cursor){ .fd = -1, .is_from = true, .seq = 13 };
	followed = 13;
	ok(audit_follow(state, &cursor, &all, see, &followed, NULL) == 0 && followed == 40,
	   "a follower that comes back gets all behind the record it names");
	for (i = 40; i < 60; i++)
		(void)add(state, &small, "alice", "exec", i);
	ok(audit_follow(state, &cursor, &all, see, &followed, NULL) == 0 && followed == 60,
	   "a follower that was away for many rotations misses nothing");
	audit_cursor_done(&cursor);
	last = 0;
	ok(audit_walk(state, &all, see, &last, NULL) == 0 && last == 60,
	   "a walk gives all files in order");
	all.after = last = 57;
	ok(audit_walk(state, &all, see, &last, NULL) == 0 && last == 60,
	   "a walk begins behind the record that is named");
	all.after = 0;
	all.limit = 15;
	ok(audit_list(state, &all, &list, NULL) == 0 && json_array_size(list) == 15 &&
		   json_integer_value(json_object_get(json_array_get(list, 0), "seq")) == 46,
	   "a list reaches back over files");
	small.audit_keep = 3;
	ok(audit_expire(state, &small, text_now_ms(), &files, NULL) == 0 && files > 2 &&
		   is_whole(state, 0) && verdict(state).first_seq > 1,
	   "files beyond those kept go, signed off");
	small.audit_keep = 0;
	small.audit_ttl_days = 1;
	ok(audit_expire(state, &small, text_now_ms(), &files, NULL) == 0 && files == 0,
	   "what is younger than the time to live stays");
	v = verdict(state);
	(void)snprintf(name, sizeof(name), "audit/audit-%020llu.jsonl",
		       (unsigned long long)v.first_seq);
	(void)unlinkat(state, name, 0);
	v = verdict(state);
	ok(v.is_broken && strstr(v.why, "missing"), "a file removed by hand is found");
	ok(audit_expire(state, &small, text_now_ms() + 3 * 86400000LL, &files, NULL) == 0 &&
		   files > 0 && is_whole(state, 0),
	   "what is older than the time to live goes");
	(void)close(state);
}

static bool is_anywhere(int state, const char *word)
{
	DIR *dir = fdopendir(openat(state, "audit", O_RDONLY | O_DIRECTORY));
	struct dirent *de;
	bool found = false;

	while ((de = readdir(dir))) {
		size_t len;
		char *text = io_read_file(dirfd(dir), de->d_name, 64 << 20, &len);

		found |= text && memmem(text, len, word, strlen(word));
		free(text);
	}
	(void)closedir(dir);
	return found;
}

static void test_erasure(const struct config *c)
{
	int state = fresh("erasure"), i;
	struct config small = *c;
	int64_t n = 0;
	struct audit_verdict v;
	char *text, *at;
	size_t len;

	small.audit_bytes = 4000;
	for (i = 0; i < 20; i++)
		(void)add(state, &small, i % 2 ? "alice" : "mallory", "exec", i);
	ok(audit_erase(state, &small, "mallory", &n, NULL) == 0 && n == 10, "a user is erased");
	v = verdict(state);
	ok(!v.is_broken && v.erased == 10 && v.records == 21,
	   "the chain verifies with ten blank records");
	ok(!is_anywhere(state, "mallory") && is_anywhere(state, "alice"),
	   "nothing names the user any more");
	ok(add(state, &small, "alice", "exec", 1) == 0 && is_whole(state, 22),
	   "the log is written to again");
	ok(audit_erase(state, &small, "mallory", &n, NULL) == 0 && n == 0 && is_whole(state, 22),
	   "erasing again changes nothing");
	text = slurp(state, &len);
	at = memmem(text, len, ",\"salt\"", 7);
	memset(at, ' ', (size_t)((char *)memchr(at, '\n', len) - 1 - at));
	memcpy(at, ",\"erased\":true", 14);
	spill(state, text, len);
	ok(verdict(state).is_broken, "a record blanked by hand is found");
	free(text);
	(void)close(state);
}

static void test_speed(const struct config *c, int records)
{
	int state = fresh("speed"), i;
	struct config big = *c;
	int64_t start = io_now_us(), took;
	clock_t cpu;

	big.audit_bytes = 64 << 20;
	for (i = 0; i < records; i++)
		(void)add(state, &big, i % 3 ? "65f1c0ffee65f1c0ffee65f1" : "alice", "exec", i);
	took = io_now_us() - start;
	fprintf(stderr, "# append: %.1f us each\n", (double)took / records);
	start = io_now_us();
	cpu = clock();
	ok(is_whole(state, (uint64_t)records), "a long log verifies");
	cpu = clock() - cpu;
	took = io_now_us() - start;
	fprintf(stderr, "# verify of %d records: %.3f s, CPU %.3f s, %.1f MB\n", records,
		(double)took / 1e6, (double)cpu / CLOCKS_PER_SEC, (double)verdict(state).bytes / 1e6);
	/* CPU time: other work on the machine says nothing about the code */
	ok((double)cpu / CLOCKS_PER_SEC <= records * 5e-6,
	   "at most five seconds for a million records");
	(void)close(state);
}

int main(void)
{
	struct config c = { .audit = true, .audit_bytes = 64 << 20 };
	bool is_long = getenv("SBX_LONG") != NULL;

	if (!mkdtemp(base))
		return 1;
	base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_basics(&c);
	test_tampering(&c);
	test_power_loss(&c);
	test_torn(&c);
	test_writers(&c, 50, is_long ? 400 : 20);
	test_kill(&c, is_long ? 500 : 40);
	test_rotation(&c);
	test_erasure(&c);
	test_speed(&c, is_long ? 1000000 : 5000);
	printf("1..%d\n", tests);
	(void)close(base_fd);
	{
		int root = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		(void)io_remove_tree(root, base + 5);
		(void)close(root);
	}
	return failures != 0;
}
