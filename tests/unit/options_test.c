// SPDX-License-Identifier: Apache-2.0
#include "options.h"

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

static const struct option_row rows[] = {
	VERB_USER_OPTION,
	{ 'n', "count", "count", OPTION_INT, "N", "" },
	{ 0, "size", "limits/size", OPTION_SIZE, "SIZE", "" },
	{ 't', "time", "limits/time", OPTION_DURATION, "TIME", "" },
	{ 'q', "quiet", "quiet", OPTION_FLAG, NULL, "" },
	{ 'a', "arg", "args", OPTION_LIST, "ARG", "" },
	{ 'e', "env", "env", OPTION_MAP, "NAME=VALUE", "" },
	{ 0 },
};
static const struct verb plain = { .name = "plain", .options = rows, .operand_member = "operands" };
static const struct verb none = { .name = "none", .options = rows };
static const struct verb exec = { .name = "exec", .options = rows, .operand_member = "operands" };

/* The request that a command line becomes, as text; or the error. */
static const char *made(const struct verb *verb, const char *line)
{
	static char text[1000];
	char copy[300], *argv[40], *p;
	struct err err = { 0 };
	struct globals g;
	int argc = 0;
	AUTO_JSON json_t *request = json_object();

	(void)snprintf(copy, sizeof(copy), "%s", line);
	argv[argc++] = (char *)(uintptr_t)verb->name;
	for (p = strtok(copy, "|"); p; p = strtok(NULL, "|"))
		argv[argc++] = strcmp(p, "<>") != 0 ? p : p + 2;
	argv[argc] = NULL;
	if (options_parse(verb, argc, argv, request, &g, &err) < 0) {
		(void)snprintf(text, sizeof(text), "%s: %s", err_name(err.code), err.msg);
		return text;
	}
	p = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
	(void)snprintf(text, sizeof(text), "%s%s%s%s%s", p, g.is_json ? " json" : "", g.is_help ? " help" : "", g.request ? " request=" : "", g.request ? g.request : "");
	free(p);
	return text;
}

static bool is(const struct verb *verb, const char *line, const char *want)
{
	const char *got = made(verb, line);

	if (!strcmp(got, want))
		return true;
	printf("# %s: %s\n", line, got);
	return false;
}

static bool refused(const struct verb *verb, const char *line)
{
	const char *got = made(verb, line);

	if (!strncmp(got, "E_USAGE: ", 9))
		return true;
	printf("# %s: %s\n", line, got);
	return false;
}

static void test_forms(void)
{
	ok(is(&plain, "", "{}") && is(&plain, "--user|bob", "{\"user\":\"bob\"}") && is(&plain, "--user=bob", "{\"user\":\"bob\"}") &&
	   is(&plain, "-u|bob", "{\"user\":\"bob\"}") && is(&plain, "-ubob", "{\"user\":\"bob\"}"), "an option in each form");
	ok(is(&plain, "--user=", "{\"user\":\"\"}") && is(&plain, "--user|<>", "{\"user\":\"\"}") && is(&plain, "--user=a=b", "{\"user\":\"a=b\"}") &&
	   is(&plain, "-u|-x", "{\"user\":\"-x\"}"), "a value may be empty, hold '=' or begin with a dash");
	ok(is(&plain, "-n|7|--size|2K|-t|3s|-q", "{\"count\":7,\"limits\":{\"size\":2048,\"time\":3000},\"quiet\":true}"), "numbers, sizes, times and flags, nested");
	ok(is(&plain, "-a|x|--arg=y|-e|A=1|--env|B=|-e|C=x=y", "{\"args\":[\"x\",\"y\"],\"env\":{\"A\":\"1\",\"B\":\"\",\"C\":\"x=y\"}}"), "lists and maps grow");
	ok(is(&plain, "--json|--request|-", "{} json request=-") && is(&plain, "--request=f|-h", "{} help request=f"), "what main itself takes is no member");
}

static void test_operands(void)
{
	ok(is(&plain, "a|-q|b", "{\"operands\":[\"a\",\"b\"],\"quiet\":true}") && is(&plain, "-|a", "{\"operands\":[\"-\",\"a\"]}"), "operands and options may mix, - is one");
	ok(is(&plain, "--|-q|--json", "{\"operands\":[\"-q\",\"--json\"]}"), "behind -- all are operands");
	ok(is(&exec, "f.py|-q|--json|--|x", "{\"operands\":[\"f.py\",\"-q\",\"--json\",\"--\",\"x\"]}"), "the words behind a program's file are its own");
	ok(is(&exec, "-q|--|ls|-l", "{\"argv\":[\"ls\",\"-l\"],\"quiet\":true}"), "what stands behind -- is a command");
	ok(refused(&none, "x") && refused(&plain, "a\xff"), "an operand that is not taken, or is no UTF-8");
}

static void test_refused(void)
{
	static const char *const bad[] = { "--nope", "-z", "--use|x", "--users|x", "-u", "--user", "--quiet=1", "-qx", "-n|x", "-n|1.5", "-n|-1", "-n| 1", "--size|1X",
					   "--time|1y", "-u|a|-u|b", "-n|1|-n|1", "-e|A", "-e|=x", "--json=1", "-u|\xff", "-e|A=\xff", "--=x", "--request" };
	size_t i, n = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		n += refused(&plain, bad[i]);
	ok(n == i, "unknown, incomplete, doubled and mistyped options are refused");
	ok(strstr(made(&plain, "--nope"), "--nope") != NULL && strstr(made(&plain, "-n|x"), "count") != NULL, "the message names the option");
}

int main(void)
{
	test_forms();
	test_operands();
	test_refused();
	printf("1..%d\n", tests);
	return failures != 0;
}
