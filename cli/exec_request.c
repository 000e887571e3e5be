// SPDX-License-Identifier: Apache-2.0
/* The request of exec: members, ranges, what excludes what. */
#include "exec.h"

#include "cleanup.h"
#include "config.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CODE_MAX = 1 << 20, STDIN_MAX = 16 << 20, ENV_BYTES = 32 << 10 };

#define S(m, hi, ...) \
	JSON_FIELD(exec_request, m, .kind = JSON_KIND_STRING, .max = (hi), __VA_ARGS__)
#define L(m, hi) JSON_FIELD(exec_request, m, .kind = JSON_KIND_STRINGS, .max = (hi))

static const struct json_field fields[] = {
	VERB_FIELDS(exec_request),
	S(session, 64, .min = 1),
	S(lang, 32, .min = 1),
	S(code, CODE_MAX),
	S(profile, 64, .min = 1),
	S(commit, 8, .min = 1),
	S(missing, 8, .min = 1),
	S(encoding, 8, .min = 1),
	S(file, 4000, .min = 1),
	S(stdin_file, 4000, .min = 1),
	{ .name = "stdin",
	  .kind = JSON_KIND_STRING,
	  .max = STDIN_MAX,
	  .offset = offsetof(struct exec_request, stdin_text) },
	L(argv, 1024),
	L(args, 1024),
	L(require, 16),
	L(operands, 1024),
	JSON_FIELD(exec_request, env, .kind = JSON_KIND_MAP, .max = 64),
	JSON_FIELD(exec_request, files, .kind = JSON_KIND_ANY),
	{ .name = "limits",
	  .kind = JSON_KIND_ANY,
	  .offset = offsetof(struct exec_request, limits_json) },
	JSON_FIELD(exec_request, stdin_fd, .kind = JSON_KIND_INT, .min = 3, .max = 1023),
	JSON_FIELD(exec_request, stream, .kind = JSON_KIND_BOOL),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

static int wrong(struct err *err, const char *pointer, const char *what)
{
	(void)err_set(err, ERR_REQUEST, "%s", what);
	return err_at(err, "%s", pointer);
}

static int one_of(const char *value, const char *a, const char *b, const char *c,
		  const char *pointer, struct err *err)
{
	if (!value || !strcmp(value, a) || !strcmp(value, b) || (c && !strcmp(value, c)))
		return 0;
	(void)err_set(err, ERR_REQUEST, "must be \"%s\", \"%s\"%s%s%s", a, b, c ? " or \"" : "",
		      c ? c : "", c ? "\"" : "");
	return err_at(err, "%s", pointer);
}

static int check_env(char *const *env, struct err *err)
{
	size_t sum = 0, i;

	for (i = 0; env && env[i]; i++) {
		const char *eq = strchr(env[i], '=');
		size_t len = eq ? (size_t)(eq - env[i]) : 0, k;
		bool good = len > 0 && !(env[i][0] >= '0' && env[i][0] <= '9');

		for (k = 0; k < len; k++)
			good = good &&
			       (strchr("_", env[i][k]) || (env[i][k] >= '0' && env[i][k] <= '9') ||
				(env[i][k] >= 'A' && env[i][k] <= 'Z') ||
				(env[i][k] >= 'a' && env[i][k] <= 'z'));
		sum += strlen(env[i]);
		if (!good)
			return wrong(err, "/env", "a name must be [A-Za-z_][A-Za-z0-9_]*");
	}
	return sum > ENV_BYTES ? wrong(err, "/env", "more than 32768 bytes in all") : 0;
}

/* The words behind a file follow what -a has given. */
static int add_args(struct exec_request *r, char *const *more, struct err *err)
{
	size_t have = json_strings_count(r->args), n = json_strings_count(more), i;
	char **all;

	if (!n)
		return 0;
	all = realloc(r->args, (have + n + 1) * sizeof(*all));
	if (!all)
		return err_sys(err, ERR_INTERNAL, "allocate");
	r->args = all;
	for (i = 0; i < n; i++)
		all[have + i] = strdup(more[i]);
	all[have + n] = NULL;
	return 0;
}

/* What a person types: a file to run, or a command after --. */
static int take_operands(struct exec_request *r, struct err *err)
{
	static const char *const kinds[][2] = {
		{ ".py", "python" },
		{ ".js", "javascript" },
		{ ".mjs", "javascript" },
		{ ".cjs", "javascript" },
		{ ".ts", "typescript" },
		{ ".sh", "bash" },
		{ ".c", "c" },
		{ ".cpp", "cpp" },
		{ ".cc", "cpp" },
		{ ".java", "java" },
		{ ".php", "php" },
		{ ".rs", "rust" },
		{ ".go", "go" },
		{ ".d", "d" },
		{ ".f90", "fortran" },
		{ ".r", "r" },
		{ ".R", "r" },
		{ ".pl", "perl" },
		{ ".rb", "ruby" },
		{ ".lua", "lua" },
		{ ".html", "html" },
	};
	const char *dot;
	size_t i;

	if (!r->operands || !r->operands[0])
		return 0;
	if (r->code || r->argv)
		return err_set(err, ERR_USAGE, "a file and other code at once");
	r->file = strdup(r->operands[0]);
	dot = strrchr(r->file, '.');
	for (i = 0; !r->lang && dot && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(dot, kinds[i][0]))
			r->lang = strdup(kinds[i][1]);
	if (!r->lang) {
		(void)err_set(err, ERR_USAGE, "'%.200s': the language cannot be told by the name",
			      r->file);
		return err_hint(err, "say it with --lang");
	}
	return add_args(r, r->operands + 1, err);
}

static int read_code(struct exec_request *r, struct err *err)
{
	size_t len;

	if (!r->file)
		return 0;
	AUTO_FD int fd = open(r->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_REQUEST, "open '%.200s'",
			       r->file);
	r->code = io_read_all(fd, CODE_MAX, &len);
	if (!r->code)
		return err_sys(err, ERR_REQUEST, "read '%.200s'", r->file);
	return strlen(r->code) == len ?
		       0 :
		       err_set(err, ERR_REQUEST, "'%.200s' has NUL bytes", r->file);
}

static int check(struct exec_request *r, struct err *err)
{
	if (one_of(r->commit, "success", "always", "never", "/commit", err) < 0 ||
	    one_of(r->missing, "fail", "skip", NULL, "/missing", err) < 0 ||
	    one_of(r->encoding, "utf8", "base64", NULL, "/encoding", err) < 0 ||
	    check_env(r->env, err) < 0)
		return -1;
	if (r->argv && (r->lang || r->code))
		return wrong(err, "/argv", "excludes lang and code");
	if (r->argv ? !r->argv[0] || !r->argv[0][0] : !r->code)
		return wrong(err, r->argv ? "/argv" : "/code",
			     "is missing: lang and code, or argv, say what to run");
	if (!r->argv && !r->lang)
		return wrong(err, "/lang", "is missing");
	if (r->stdin_fd && r->stdin_text)
		return wrong(err, "/stdin_fd", "excludes stdin");
	return 0;
}

int exec_decode(struct call *call, json_t *request, struct exec_request *ret, struct err *err)
{
	static const char *const shell_only[] = { "/operands", "/file", "/stdin_file" };
	size_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; call->is_request && i < sizeof(shell_only) / sizeof(shell_only[0]); i++)
		if (json_object_get(request, shell_only[i] + 1))
			return wrong(err, shell_only[i], "unknown member");
	if (json_decode(request, fields, FIELD_COUNT, ret, "", err) < 0 ||
	    take_operands(ret, err) < 0 || read_code(ret, err) < 0 || check(ret, err) < 0 ||
	    (ret->limits_json &&
	     limits_decode(ret->limits_json, &ret->limits, "/limits", err) < 0)) {
		exec_release(ret);
		return -1;
	}
	return 0;
}

void exec_release(struct exec_request *request)
{
	json_release(fields, FIELD_COUNT, request);
}
