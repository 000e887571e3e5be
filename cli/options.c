// SPDX-License-Identifier: Apache-2.0
/* Options and operands become members of the request, so that there is one way in. */
#include "options.h"

#include "text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct option_row globals_rows[] = {
	{ 0, "json", "", OPTION_FLAG, NULL, "the answer as JSON" },
	{ 0, "request", "", OPTION_STRING, "FILE", "read a JSON request from FILE, - is stdin" },
	{ 0, "die-with-parent", "", OPTION_FLAG, NULL, "end when the caller ends" },
	{ 'h', "help", "", OPTION_FLAG, NULL, "this text" },
	{ 0 },
};

static const struct option_row *find(const struct option_row *rows, const char *word, size_t len)
{
	for (; rows->name; rows++)
		if (len == 1 ? rows->letter == word[0] :
			       strlen(rows->name) == len && !strncmp(rows->name, word, len))
			return rows;
	return NULL;
}

static json_t *value_of(const struct option_row *row, const char *text, struct err *err)
{
	int64_t n = 0;
	bool good = true;

	if (row->kind == OPTION_INT)
		good = text_count(text, 0, INT64_MAX, &n);
	else if (row->kind == OPTION_SIZE)
		good = text_size(text, 0, INT64_MAX, &n);
	else if (row->kind == OPTION_DURATION)
		good = text_duration(text, 0, INT64_MAX, &n);
	else if (text_is_utf8(text, strlen(text)))
		return json_string(text);
	else
		good = false;
	if (good)
		return json_integer(n);
	(void)err_set(err, ERR_USAGE, "option '--%s': '%.100s' is no %s", row->name, text,
		      row->value ? row->value : "value");
	return NULL;
}

/* "a/b" is member b of object a. */
static json_t *seat(json_t *request, const char *member, const char **ret_leaf)
{
	const char *slash = strchr(member, '/');
	char head[64];
	json_t *inner;

	*ret_leaf = slash ? slash + 1 : member;
	if (!slash)
		return request;
	(void)snprintf(head, sizeof(head), "%.*s", (int)(slash - member), member);
	inner = json_object_get(request, head);
	if (!inner) {
		inner = json_object();
		(void)json_object_set_new(request, head, inner);
	}
	return inner;
}

static int put(const struct option_row *row, const char *text, json_t *request, struct err *err)
{
	const char *leaf, *eq;
	json_t *at = seat(request, row->member, &leaf), *have = json_object_get(at, leaf), *v;
	char name[128];

	if (row->kind == OPTION_FLAG)
		return json_object_set_new(at, leaf, json_true());
	if (row->kind == OPTION_MAP) {
		eq = strchr(text, '=');
		if (!eq || eq == text || (size_t)(eq - text) >= sizeof(name) ||
		    !text_is_utf8(text, strlen(text)))
			return err_set(err, ERR_USAGE, "option '--%s' takes NAME=VALUE", row->name);
		(void)snprintf(name, sizeof(name), "%.*s", (int)(eq - text), text);
		if (!have) {
			have = json_object();
			(void)json_object_set_new(at, leaf, have);
		}
		return json_object_set_new(have, name, json_string(eq + 1));
	}
	v = value_of(row, text, err);
	if (!v)
		return -1;
	if (row->kind == OPTION_LIST) {
		if (!have) {
			have = json_array();
			(void)json_object_set_new(at, leaf, have);
		}
		return json_array_append_new(have, v);
	}
	if (have) {
		json_decref(v);
		return err_set(err, ERR_USAGE, "option '--%s' is given twice", row->name);
	}
	return json_object_set_new(at, leaf, v);
}

static int put_global(const struct option_row *row, const char *text, struct globals *g)
{
	if (!strcmp(row->name, "json"))
		g->is_json = true;
	else if (!strcmp(row->name, "help"))
		g->is_help = true;
	else if (!strcmp(row->name, "die-with-parent"))
		g->die_with_parent = true;
	else
		g->request = text;
	return 0;
}

/* One word that begins with a dash; *i moves on when its value is the next word. */
static int take_option(const struct verb *verb, int argc, char **argv, int *i, json_t *request,
		       struct globals *g, struct err *err)
{
	const char *word = argv[*i], *text = NULL, *eq;
	bool is_long = word[1] == '-';
	const char *name = word + (is_long ? 2 : 1);
	size_t len = is_long ? strcspn(name, "=") : 1;
	const struct option_row *row = len > (is_long ? 1U : 0U) ? find(verb->options, name, len) :
								   NULL;
	bool is_global = !row;

	if (!row && len > (is_long ? 1U : 0U))
		row = find(globals_rows, name, len);
	if (!row)
		return err_set(err, ERR_USAGE, "unknown option '%.100s'", word);
	eq = name + len;
	if (*eq)
		text = is_long ? eq + 1 : eq;
	if (row->kind == OPTION_FLAG && text)
		return err_set(err, ERR_USAGE, "option '--%s' takes no value", row->name);
	if (row->kind != OPTION_FLAG && !text) {
		if (*i + 1 >= argc)
			return err_set(err, ERR_USAGE, "option '--%s' needs a value", row->name);
		text = argv[++*i];
	}
	if (is_global)
		return put_global(row, text, g);
	g->options++;
	return put(row, text, request, err);
}

int options_parse(const struct verb *verb, int argc, char **argv, json_t *request,
		  struct globals *ret, struct err *err)
{
	bool only_operands = false, is_argv = false;
	json_t *operands = NULL;
	int i;

	memset(ret, 0, sizeof(*ret));
	for (i = 1; i < argc; i++) {
		if (!only_operands && !strcmp(argv[i], "--")) {
			only_operands = true;
			/* exec: what stands behind -- is a command, not a file to run */
			is_argv = !operands && !strcmp(verb->name, "exec");
			continue;
		}
		if (!only_operands && argv[i][0] == '-' && argv[i][1]) {
			if (take_option(verb, argc, argv, &i, request, ret, err) < 0)
				return -1;
			continue;
		}
		if (!verb->operand_member)
			return err_set(err, ERR_USAGE, "'%.100s' is not expected", argv[i]);
		if (!text_is_utf8(argv[i], strlen(argv[i])))
			return err_set(err, ERR_USAGE, "an operand is no UTF-8");
		if (!operands) {
			operands = json_array();
			(void)json_object_set_new(request, is_argv ? "argv" : verb->operand_member,
						  operands);
			/* the words behind a program's file are its own */
			only_operands = only_operands || !strcmp(verb->name, "exec");
		}
		(void)json_array_append_new(operands, json_string(argv[i]));
		ret->operands++;
	}
	return 0;
}

static void help_rows(const struct option_row *rows, FILE *out)
{
	char left[64];

	for (; rows->name; rows++) {
		(void)snprintf(left, sizeof(left), "%c%c%c --%s%s%s", rows->letter ? '-' : ' ',
			       rows->letter ? rows->letter : ' ', rows->letter ? ',' : ' ',
			       rows->name, rows->value ? " " : "", rows->value ? rows->value : "");
		(void)fprintf(out, "  %-28s %s\n", left, rows->help);
	}
}

void options_help(const struct verb *verb, const char *program, FILE *out)
{
	(void)fprintf(out, "Usage: %s %s [options]%s%s\n%c%s.\n\n", program, verb->name,
		      verb->operands ? " " : "", verb->operands ? verb->operands : "",
		      verb->summary[0] >= 'a' && verb->summary[0] <= 'z' ? verb->summary[0] - 32 :
									   verb->summary[0],
		      verb->summary + 1);
	help_rows(verb->options, out);
	help_rows(globals_rows, out);
	(void)fprintf(out, "\nThe manual is %s-%s(1).\n", program, verb->name);
}
