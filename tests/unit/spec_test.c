// SPDX-License-Identifier: Apache-2.0
#include "spec.h"

#include "cleanup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

#define BODY \
	"\"argv\":[\"/bin/true\"],\"hostname\":\"sbx\",\"workspace\":\"auto\",\"proc\":\"fresh\",\"seccomp\":\"base\",\"landlock_min\":2," \
	"\"wall_ms\":1000,\"cpu_ms\":1000,\"compile_wall_ms\":1000,\"memory_bytes\":8388608,\"processes\":4,\"open_files\":16," \
	"\"file_bytes\":1000,\"stack_bytes\":65536,\"data_bytes\":0,\"scratch_bytes\":65536,\"scratch_files\":16,\"input_bytes\":0"

static bool decodes(const char *text)
{
	struct spec spec;
	struct err err = { 0 };
	bool good = spec_decode(text, strlen(text), &spec, &err) == 0;

	if (!good && err.code != ERR_REQUEST)
		printf("# code %d: %s\n", (int)err.code, err.msg);
	if (good)
		spec_done(&spec);
	return good;
}

static void test_whole(void)
{
	static const char text[] = "{\"v\":1," BODY ",\"env\":[\"A=b\"],\"exec_paths\":[\"/usr\"],\"notify\":true,"
		"\"mounts\":[{\"source\":\"/usr\",\"target\":\"/usr\",\"exec\":true}],"
		"\"files\":[{\"path\":\"/etc/x\",\"text\":\"\\u00e9\"},{\"path\":\"/bin\",\"link\":\"usr/bin\"}]}";
	struct spec spec, back;
	struct err err = { 0 };
	int done = spec_decode(text, strlen(text), &spec, &err);

	ok(done == 0 && spec.mount_count == 1 && spec.file_count == 2 && spec.mounts[0].exec && !spec.mounts[0].optional && spec.notify && !spec.cgroup &&
	   spec.memory_bytes == 8388608 && !strcmp(spec.env[0], "A=b"), "a whole specification is read");
	if (done < 0)
		return;
	AUTO_FREE char *out = spec_encode(&spec, &err);
	ok(out && spec_decode(out, strlen(out), &back, &err) == 0, "what is written is read again");
	AUTO_FREE char *again = spec_encode(&back, &err);
	ok(again && !strcmp(out, again), "and written the same");
	spec_done(&back);
	spec_done(&spec);
	spec_done(&spec);
	ok(spec.mounts == NULL && spec.mount_count == 0, "what is freed is empty, and may be freed again");
}

static void test_versions(void)
{
	ok(decodes("{\"v\":1," BODY "}") && !decodes("{\"v\":2," BODY "}") && !decodes("{\"v\":0," BODY "}") && !decodes("{" BODY "}") && !decodes("{\"v\":\"1\"," BODY "}"),
	   "any other version is refused");
}

static void test_refused(void)
{
	static const char *const bad[] = {
		"", "{", "[]", "{}", "{\"v\":1," BODY ",\"nope\":1}", "{\"v\":1," BODY ",\"v\":1}", "{\"v\":1," BODY "} x",
		"{\"v\":1," BODY ",\"mounts\":{}}", "{\"v\":1," BODY ",\"mounts\":[1]}", "{\"v\":1," BODY ",\"mounts\":[{}]}",
		"{\"v\":1," BODY ",\"mounts\":[{\"source\":\"usr\",\"target\":\"/usr\"}]}",
		"{\"v\":1," BODY ",\"mounts\":[{\"source\":\"/usr\",\"target\":\"/a/../b\"}]}",
		"{\"v\":1," BODY ",\"mounts\":[{\"source\":\"/usr/..\",\"target\":\"/b\"}]}",
		"{\"v\":1," BODY ",\"mounts\":[{\"source\":\"/usr//x\",\"target\":\"/b\"}]}",
		"{\"v\":1," BODY ",\"mounts\":[{\"source\":\"/usr\",\"target\":\"/./b\"}]}",
		"{\"v\":1," BODY ",\"mounts\":[{\"source\":\"/usr\",\"target\":\"/usr\",\"rw\":true}]}",
		"{\"v\":1," BODY ",\"files\":[{\"path\":\"/x\"}]}", "{\"v\":1," BODY ",\"files\":[{\"path\":\"/x\",\"text\":\"\",\"link\":\"y\"}]}",
		"{\"v\":1," BODY ",\"files\":[{\"path\":\"x\",\"text\":\"\"}]}", "{\"v\":1," BODY ",\"files\":[{\"path\":\"/../x\",\"text\":\"\"}]}",
		"{\"v\":1," BODY ",\"env\":{\"A\":\"b\"}}", "{\"v\":1," BODY ",\"notify\":1}", "{\"v\":1," BODY ",\"compile\":\"cc\"}",
	};
	static const char *const numbers[] = { "wall_ms", "cpu_ms", "compile_wall_ms", "memory_bytes", "processes", "open_files", "stack_bytes", "scratch_bytes", "scratch_files" };
	char text[2000], *p, *end;
	size_t i, n = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		n += !decodes(bad[i]);
		if (decodes(bad[i]))
			printf("# accepted: %s\n", bad[i]);
	}
	ok(n == i, "what is not whole, plain and known is refused");
	for (n = i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		(void)snprintf(text, sizeof(text), "{\"v\":1," BODY "}");
		p = strstr(text, numbers[i]) + strlen(numbers[i]) + 2;
		end = p + strspn(p, "0123456789");
		memmove(p + 1, end, strlen(end) + 1);
		*p = '0';
		n += !decodes(text);
	}
	ok(n == i, "no limit may be 0");
	for (n = i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		(void)snprintf(text, sizeof(text), "{\"v\":1," BODY "}");
		p = strstr(text, numbers[i]);
		p[0] = 'X';
		n += !decodes(text);
	}
	ok(n == i, "none may be left out");
}

static bool decodes_mounts(size_t count)
{
	size_t room = 1 << 20, len, i;
	AUTO_FREE char *text = malloc(room);

	if (!text)
		return false;
	len = (size_t)snprintf(text, room, "{\"v\":1," BODY ",\"mounts\":[");
	for (i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, room - len, "%s{\"source\":\"/u%zu\",\"target\":\"/u\"}", i ? "," : "", i);
	(void)snprintf(text + len, room - len, "]}");
	return decodes(text);
}

static void test_many(void)
{
	ok(decodes_mounts(SPEC_LIST_MAX) && !decodes_mounts(SPEC_LIST_MAX + 1), "one mount too many is refused");
}

int main(void)
{
	test_whole();
	test_versions();
	test_refused();
	test_many();
	printf("1..%d\n", tests);
	return failures != 0;
}
