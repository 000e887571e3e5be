// SPDX-License-Identifier: Apache-2.0
#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "store.h"
#include "verb.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static int add(struct revision *r, const char *name, int64_t size)
{
	struct entry e = { .size = size, .extension = "txt", .sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", .mime = "text/plain" };
	int done;

	e.name = strdup(name);
	id_new(e.id);
	done = revision_put(r, &e, NULL);
	entry_done(&e);
	return done;
}

static void test_table(void)
{
	struct revision r = { 0 };
	char name[32];
	int i, seen[500] = { 0 }, wrong = 0;
	size_t k;

	srandom(7);
	for (i = 0; i < 20000; i++) {
		int n = (int)(random() % 500);

		(void)snprintf(name, sizeof(name), "n%d", n);
		if (random() % 2) {
			wrong += add(&r, name, n) != 0;
			seen[n] = 1;
		} else if (revision_find_name(&r, name)) {
			wrong += !seen[n];
			revision_remove(&r, (size_t)(revision_find_name(&r, name) - r.entries));
			seen[n] = 0;
		} else {
			wrong += seen[n];
		}
	}
	for (k = 1; k < r.count; k++)
		wrong += strcmp(r.entries[k - 1].name, r.entries[k].name) >= 0;
	for (i = 0, k = 0; i < 500; i++)
		k += (size_t)seen[i];
	ok(wrong == 0 && k == r.count, "20000 changes leave a sorted table of the right names");
	revision_done(&r);
	revision_done(&r);
}

static void test_find(void)
{
	struct revision r = { 0 };
	char brief[ID_SHORT_SIZE], absent[ID_SIZE];

	(void)add(&r, "a.txt", 1);
	(void)add(&r, "d/b.txt", 2);
	id_shorten(r.entries[1].id, brief);
	ok(revision_find(&r, "a.txt") == &r.entries[0] && revision_find(&r, "./a.txt") == &r.entries[0] && revision_find(&r, "d/b.txt") == &r.entries[1], "by name");
	ok(revision_find(&r, r.entries[1].id) == &r.entries[1] && revision_find(&r, brief) == &r.entries[1], "by id in either form");
	id_new(absent);
	ok(!revision_find(&r, absent) && !revision_find(&r, "nope") && !revision_find(&r, "") && !revision_find(&r, "d"), "absent is absent");
	(void)add(&r, "a.txt", 9);
	ok(r.count == 2 && r.entries[0].size == 9, "an equal name takes the place");
	revision_done(&r);
}

static bool conflicts(const char *const *have, const char *name, const char *want)
{
	struct revision r = { 0 };
	size_t i, at = 99;
	bool found, good;

	for (i = 0; have[i]; i++)
		(void)add(&r, have[i], 1);
	found = revision_conflicts(&r, name, &at);
	good = found == (want != NULL) && (!found || !strcmp(r.entries[at].name, want));
	if (!good)
		printf("# %s: %s\n", name, found ? r.entries[at].name : "none");
	revision_done(&r);
	return good;
}

static void test_conflicts(void)
{
	static const char *const have[] = { "a", "a-b", "a.b", "b/c/d", "b/c/e", "b0", "z/y", NULL };

	ok(conflicts(have, "a/x", "a") && conflicts(have, "a/x/y/z", "a"), "a file where a directory is needed");
	ok(conflicts(have, "b", "b/c/d") && conflicts(have, "b/c", "b/c/d") && conflicts(have, "z", "z/y"), "a directory where a file is wanted");
	ok(conflicts(have, "b/c/d/e", "b/c/d"), "a file within a directory");
	ok(conflicts(have, "a", NULL) && conflicts(have, "a-", NULL) && conflicts(have, "a-b.c", NULL) && conflicts(have, "b/x", NULL) && conflicts(have, "b/c/f", NULL) &&
	   conflicts(have, "c", NULL) && conflicts(have, "b0x/y", NULL) && conflicts(have, "zz", NULL), "names that only begin alike, and equal ones, are no conflict");
}

static void test_commit(struct call *call)
{
	struct session s;
	struct revision r = { 0 }, back;
	struct err err = { 0 };
	char other[ID_SIZE];

	ok(session_make(call, "alice", &s, &err) == 0 && revision_newest(&s) == 0, "a new session has no revision");
	ok(revision_load(&s, 0, &back, &err) == 0 && back.count == 0 && back.number == 0, "its content is empty");
	(void)add(&r, "\xc3\xa9/q\"\\.txt", 5);
	r.entries[0].is_run = r.entries[0].read_only = true;
	(void)add(&r, "b", 7);
	ok(session_lock(&s, &err) == 0 && revision_commit(&s, &r, "upload", NULL, &err) == 0 && r.number == 1 && r.parent == 0, "the first is number 1");
	ok(revision_load(&s, 0, &back, &err) == 0 && back.number == 1 && back.count == 2 && !strcmp(back.op, "upload") && back.entries[1].is_run &&
	   back.entries[1].read_only && back.entries[1].size == 5 && !strcmp(back.entries[1].id, r.entries[1].id) && !strcmp(back.entries[1].name, "\xc3\xa9/q\"\\.txt"),
	   "what was committed is read back");
	revision_done(&back);
	ok(revision_commit(&s, &r, "rm", NULL, &err) == 0 && r.number == 2 && r.parent == 1 && revision_newest(&s) == 2, "the next is the next");
	ok(revision_load(&s, 3, &back, &err) < 0 && err.code == ERR_NOT_FOUND, "one that is not there is not found");
	(void)mkdirat(s.dir, ".manifest/9.json", 0700);
	(void)mkdirat(s.dir, ".manifest/x.json", 0700);
	(void)mkdirat(s.dir, ".manifest/-5.json", 0700);
	ok(revision_newest(&s) == 9 && revision_load(&s, 0, &back, &err) < 0, "a directory under such a name is no revision to read");
	(void)unlinkat(s.dir, ".manifest/9.json", AT_REMOVEDIR);
	ok(session_open(call, "bob", s.id, &s, &err) < 0 && err.code == ERR_NOT_FOUND, "another user has no such session");
	id_new(other);
	revision_done(&r);
	session_done(&s);
}

static void test_quota(struct call *call, struct config *config)
{
	struct session s;
	struct revision r = { 0 };
	struct err err = { 0 };

	config->session_files = 2;
	config->session_bytes = 10;
	(void)session_make(call, "carol", &s, &err);
	(void)session_lock(&s, &err);
	(void)add(&r, "a", 5);
	(void)add(&r, "b", 5);
	ok(revision_commit(&s, &r, "upload", NULL, &err) == 0, "up to the quota");
	(void)add(&r, "b", 6);
	ok(revision_commit(&s, &r, "upload", NULL, &err) < 0 && err.code == ERR_QUOTA && strstr(err.msg, "session_bytes"), "a byte more is refused");
	(void)add(&r, "b", 0);
	(void)add(&r, "c", 0);
	ok(revision_commit(&s, &r, "upload", NULL, &err) < 0 && err.code == ERR_QUOTA && strstr(err.msg, "session_files") && revision_newest(&s) == 1,
	   "a file more is refused, and nothing is visible");
	revision_done(&r);
	session_done(&s);
	config->session_files = 1000;
	config->session_bytes = 1 << 20;
}

/* Processes that commit at once, each under the lock: every number once. */
static void test_processes(struct call *call)
{
	struct session s;
	struct err err = { 0 };
	int i, status, bad = 0;

	(void)session_make(call, "dave", &s, &err);
	for (i = 0; i < 8; i++)
		if (fork() == 0) {
			struct session mine;
			int k, failed = session_open(call, "dave", s.id, &mine, &err) < 0;

			for (k = 0; k < 10 && !failed; k++) {
				struct revision r;
				char name[32];

				(void)snprintf(name, sizeof(name), "f%d-%d", i, k);
				failed = session_lock(&mine, &err) < 0 || revision_load(&mine, 0, &r, &err) < 0 || add(&r, name, 1) < 0 ||
					 revision_commit(&mine, &r, "upload", NULL, &err) < 0;
				(void)session_unlock(&mine);
				revision_done(&r);
			}
			_exit(failed);
		}
	for (i = 0; i < 8; i++)
		bad += wait(&status) < 0 || status != 0;
	struct revision r;
	ok(bad == 0 && revision_newest(&s) == 80 && revision_load(&s, 0, &r, &err) == 0 && r.count == 80, "eight processes lose nothing to each other");
	revision_done(&r);
	session_done(&s);
}

int main(void)
{
	const char *base = getenv("TMPDIR");
	AUTO_FREE char *path = NULL;
	struct config config = { .user_sessions = 100, .session_files = 1000, .session_bytes = 1 << 20, .user_bytes = 1 << 20, .upload_bytes = 1 << 20 };
	struct call call = { .config = &config, .storage = -1, .state = -1 };

	if (asprintf(&path, "%s/sbx-revision.XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(path))
		return 1;
	call.storage = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	config.storage = path;
	test_table();
	test_find();
	test_conflicts();
	test_commit(&call);
	test_quota(&call, &config);
	test_processes(&call);
	AUTO_FD int parent = open(base ? base : "/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)io_remove_tree(parent, strrchr(path, '/') + 1);
	printf("1..%d\n", tests);
	return failures != 0;
}
