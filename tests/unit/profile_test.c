// SPDX-License-Identifier: Apache-2.0
#include "profile.h"

#include "cleanup.h"
#include "config.h"
#include "io.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static int dir;

static void put(const char *name, const char *text)
{
	char file[80];

	(void)snprintf(file, sizeof(file), "sbx/profiles/%s.json", name);
	AUTO_FD int fd = openat(dir, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	(void)io_write_all(fd, text, strlen(text));
}

#define LIMITS \
	"\"limits\":{\"wall_ms\":1000,\"cpu_ms\":2000,\"compile_ms\":3000,\"memory_bytes\":8388608,\"processes\":4,\"open_files\":16," \
	"\"file_bytes\":10,\"stack_bytes\":65536,\"scratch_bytes\":65536,\"scratch_files\":16,\"stdout_bytes\":100,\"stderr_bytes\":100}"
#define BASE \
	"{\"root\":\"host\",\"seccomp\":\"base\",\"network\":\"none\"," LIMITS ",\"env\":{\"A\":\"1\",\"B\":\"2\"}," \
	"\"languages\":{\"one\":{\"file\":\"a\",\"run\":[\"/bin/one\"],\"aliases\":[\"uno\",\"eins\"]},\"two\":{\"file\":\"b\",\"run\":[\"/bin/two\"]}}}"

static bool loads(const struct config *c, const char *name, struct err *err)
{
	struct profile p;
	int done = profile_load(c, name, &p, err);

	if (done == 0)
		profile_done(&p);
	return done == 0;
}

static const char *origin(const struct profile *p, const char *path)
{
	const char *s = json_string_value(json_object_get(p->origins, path));

	return s ? s : "";
}

static void test_merge(const struct config *c)
{
	struct err err = { 0 };
	struct language l;
	struct profile p;

	put("ub-base", BASE);
	put("ub-mid", "{\"extends\":\"ub-base\",\"limits\":{\"wall_ms\":500},\"languages\":{\"two\":null,\"three\":{\"file\":\"c\",\"run\":[\"/bin/three\"]}},\"env\":{\"B\":\"9\",\"C\":\"3\"}}");
	put("ub-top", "{\"extends\":\"ub-mid\",\"seccomp\":\"strict\",\"limits\":{\"cpu_ms\":7},\"keep\":[\"csv\"]}");
	ok(profile_load(c, "ub-top", &p, &err) == 0, "three levels are resolved");
	if (err.code) {
		printf("# %s\n", err.msg);
		return;
	}
	ok(p.limits.wall_ms == 500 && p.limits.cpu_ms == 7 && p.limits.compile_ms == 3000 && !strcmp(p.seccomp, "strict") && !strcmp(p.root, "host"),
	   "each member comes from the nearest that sets it");
	ok(!strcmp(origin(&p, "limits/wall_ms"), "ub-mid") && !strcmp(origin(&p, "limits/cpu_ms"), "ub-top") && !strcmp(origin(&p, "seccomp"), "ub-top") &&
	   !strcmp(origin(&p, "root"), "ub-base"), "and its origin is known");
	ok(json_strings_count(p.env) == 3 && json_object_size(p.languages) == 2 && json_strings_count(p.keep) == 1, "objects are merged a level deep, null removes");
	ok(!json_object_get(p.doc, "extends"), "the resolved one extends nothing");
	ok(profile_language(&p, "three", &l, &err) == 0 && !strcmp(l.run[0], "/bin/three"), "a language by its name");
	language_done(&l);
	ok(profile_language(&p, "eins", &l, &err) == 0 && !strcmp(l.name, "one"), "by an alias, answering with the long name");
	language_done(&l);
	ok(profile_language(&p, "two", &l, &err) < 0 && err.code == ERR_POLICY && !strcmp(err.pointer, "/lang"), "one that was removed is refused by policy");
	profile_done(&p);
	profile_done(&p);
}

static void test_refused(const struct config *c)
{
	static const char *const bad[] = {
		"", "{", "[]", "1", "{}", "{\"extends\":\"ub-bad\"}", "{\"extends\":\"absent\"}", "{\"extends\":[]}", "{\"extends\":\"ub-base\",\"nope\":1}",
		"{\"extends\":\"ub-base\",\"limits\":null}", "{\"extends\":\"ub-base\",\"limits\":{\"nope\":1}}", "{\"extends\":\"ub-base\",\"limits\":{\"wall_ms\":\"1\"}}",
		"{\"extends\":\"ub-base\",\"limits\":{\"wall_ms\":0}}", "{\"extends\":\"ub-base\",\"limits\":{\"memory_bytes\":1}}", "{\"extends\":\"ub-base\",\"limits\":{\"wall_ms\":null}}",
		"{\"extends\":\"ub-base\",\"languages\":[]}", "{\"extends\":\"ub-base\",\"languages\":{\"x\":1}}", "{\"extends\":\"ub-base\",\"languages\":{\"x\":{\"file\":\"a\"}}}",
		"{\"extends\":\"ub-base\",\"languages\":{\"x\":{\"file\":\"a\",\"run\":[]}}}", "{\"extends\":\"ub-base\",\"languages\":{\"x\":{\"file\":\"a\",\"run\":[\"python3\"]}}}",
		"{\"extends\":\"ub-base\",\"network\":\"host\"}", "{\"extends\":\"ub-base\",\"env\":[]}", "{\"extends\":\"ub-base\",\"env\":{\"A\":1}}", "{\"extends\":\"ub-base\",\"root\":\"\"}",
		"{\"extends\":\"ub-base\",\"extends\":\"ub-base\"}", "{\"extends\":\"../default\"}",
	};
	struct err err = { 0 };
	size_t i, n = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&err, 0, sizeof(err));
		put("ub-bad", bad[i]);
		n += !loads(c, "ub-bad", &err) && err.code == ERR_CONFIG && err.msg[0];
		if (err.code != ERR_CONFIG)
			printf("# %s: %s %s\n", bad[i], err_name(err.code), err.msg);
	}
	ok(n == i, "what cannot be kept is refused as a wrong configuration");
	ok(!loads(c, "absent", &err) && err.code == ERR_NOT_FOUND && !loads(c, "../x", &err) && err.code == ERR_NOT_FOUND && !loads(c, "", &err) &&
	   err.code == ERR_NOT_FOUND && !loads(c, "A", &err), "an absent one, and a name that is none, are not found");
	put("ub-bad", "{\"extends\":\"ub-base\",\"limits\":{\"nope\":1}}");
	ok(!loads(c, "ub-bad", &err) && strstr(err.msg, "/limits/nope") && strstr(err.msg, "ub-bad"), "the message has profile and pointer");
}

static void test_limits(void)
{
	struct limits ceiling = { .wall_ms = 100, .memory_bytes = 1000 }, ask = { .wall_ms = 50 }, got;
	struct err err = { 0 };

	ok(limits_lower(&ask, &ceiling, &got, &err) == 0 && got.wall_ms == 50 && got.memory_bytes == 1000, "a request lowers, the rest stays");
	ask.wall_ms = 100;
	ok(limits_lower(&ask, &ceiling, &got, &err) == 0 && got.wall_ms == 100, "the ceiling itself may be asked for");
	ask.wall_ms = 101;
	ok(limits_lower(&ask, &ceiling, &got, &err) < 0 && err.code == ERR_LIMIT && !strcmp(err.pointer, "/limits/wall_ms") && strstr(err.msg, "100"),
	   "more is refused with pointer and ceiling");
	ask = (struct limits){ .cpu_percent = 50 };
	ok(limits_lower(&ask, &ceiling, &got, &err) == 0 && got.cpu_percent == 50, "where there is no ceiling a request sets one");
	AUTO_JSON json_t *doc = limits_json(&ceiling);
	ok(json_integer_value(json_object_get(doc, "wall_ms")) == 100 && json_object_get(doc, "swap_bytes") && !json_object_get(doc, "cpu_ms"),
	   "limits that are not set are not shown, but for swap");
}

int main(void)
{
	const char *base = getenv("TMPDIR");
	AUTO_FREE char *path = NULL;
	char nowhere[] = "/nonexistent";
	struct config c = { .profiles = nowhere };

	if (asprintf(&path, "%s/sbx-profile.XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(path))
		return 1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)setenv("XDG_CONFIG_HOME", path, 1);
	(void)mkdirat(dir, "sbx", 0700);
	(void)mkdirat(dir, "sbx/profiles", 0700);
	test_merge(&c);
	test_refused(&c);
	test_limits();
	AUTO_JSON json_t *names = profile_names(&c);
	ok(json_array_size(names) >= 4, "their names are listed");
	AUTO_FD int parent = open(base ? base : "/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)io_remove_tree(parent, strrchr(path, '/') + 1);
	(void)close(dir);
	printf("1..%d\n", tests);
	return failures != 0;
}
