// SPDX-License-Identifier: Apache-2.0
/* From profile, language and request to the plain specification that sbx-jail gets. */
#include "cleanup.h"
#include "commands.h"
#include "config.h"
#include "exec.h"
#include "io.h"
#include "layers.h"
#include "libraries.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SUPPORT_MAX = 1 << 20 };

/* What run-times need beside /usr; each only where the root has it. */
static const char *const parts[] = {
	"/usr",
	"/etc/alternatives",
	"/etc/ld.so.cache",
	"/etc/fonts",
	"/etc/ssl/certs",
	"/etc/mime.types",
	"/etc/java-17-openjdk",
	"/etc/java-21-openjdk",
	"/etc/R",
	"/etc/ImageMagick-6",
	"/etc/matplotlibrc",
	"/etc/python3",
	"/etc/python3.11",
	"/etc/python3.12",
	"/etc/python3.13",
	"/etc/perl",
	"/etc/php",
	"/etc/ghostscript",
	"/etc/libreoffice",
	"/etc/chromium",
	"/etc/ghc",
	"/etc/ldc2.conf",
	"/etc/magic",
	"/var/cache/fontconfig",
	"/var/lib/ghostscript",
	"/etc/papersize",
	"/opt/sbx",
};
static const char *const links[] = { "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32" };

static int add_root(struct spec *s, int root, bool is_image, struct err *err)
{
	const unsigned int from = is_image ? VIEW_IMAGE : 0;
	char target[PATH_MAX];
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (fstatat(root, parts[i] + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) &&
		    view_mount(s, parts[i], NULL,
			       from | (S_ISREG(st.st_mode) ? VIEW_FILE : 0) |
				       (i == 0 || !strcmp(parts[i], "/opt/sbx") ? VIEW_EXEC : 0),
			       err) < 0)
			return -1;
	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		ssize_t n = readlinkat(root, links[i] + 1, target, sizeof(target) - 1);

		if (n > 0) {
			target[n] = 0;
			if (view_file(s, links[i], NULL, target, false, err) < 0)
				return -1;
		} else if (fstatat(root, links[i] + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			   S_ISDIR(st.st_mode) &&
			   view_mount(s, links[i], NULL, from | VIEW_EXEC, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* What the profile mounts beside: absolute paths of the host, read-only, at the same place. */
static int add_own_mounts(struct exec *x, struct err *err)
{
	size_t i;

	for (i = 0; x->profile.mounts && x->profile.mounts[i]; i++) {
		struct stat st;

		if (x->profile.mounts[i][0] != '/' || stat(x->profile.mounts[i], &st) < 0)
			return err_set(err, ERR_CONFIG, "profile '%s': /mounts/%zu: no such path",
				       x->profile.name, i);
		if (view_mount(&x->spec, x->profile.mounts[i], NULL,
			       VIEW_EXEC | (S_ISDIR(st.st_mode) ? 0 : VIEW_FILE), err) < 0)
			return -1;
	}
	return 0;
}

static int add_etc(struct spec *s, struct err *err)
{
	static const char *const files[][2] = {
		{ "/etc/passwd", "root:x:0:0:root:/:/usr/sbin/nologin\n"
				 "user:x:1000:1000:user:/home/user:/bin/bash\n"
				 "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n" },
		{ "/etc/group", "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n" },
		{ "/etc/hosts", "127.0.0.1 localhost sbx\n::1 localhost\n" },
		{ "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n" },
	};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (view_file(s, files[i][0], files[i][1], NULL, false, err) < 0)
			return -1;
	return view_file(s, "/etc/os-release", NULL, "../usr/lib/os-release", false, err);
}

/* A file of profiles/inside, seen as seat below /run/sbx. */
static int add_inside(struct exec *x, const char *name, const char *seat, bool is_program,
		      struct err *err)
{
	char path[PATH_MAX], target[80];

	(void)snprintf(path, sizeof(path), "%.3000s/inside/%.40s", x->call->config->profiles, name);
	(void)snprintf(target, sizeof(target), "/run/sbx/%.60s", seat);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_FREE char *text = fd < 0 ? NULL : io_read_all(fd, SUPPORT_MAX, NULL);
	return text ? view_file(&x->spec, target, text, NULL, is_program, err) :
		      err_sys(err, ERR_CONFIG, "read '%s'", path);
}

static int add_support(struct exec *x, struct err *err)
{
	char **names = x->language.support;
	size_t i;

	for (i = 0; names && names[i]; i++)
		if (add_inside(x, names[i], names[i], false, err) < 0)
			return -1;
	return 0;
}

/* In the place of pip and npm where the profile denies them: the reason. */
static int add_refusal(struct exec *x, const char *seat, struct err *err)
{
	bool is_module = !strchr(seat, '/');
	char target[80], text[400];

	(void)snprintf(target, sizeof(target), "/run/sbx/%.60s", seat);
	(void)snprintf(
		text, sizeof(text),
		is_module ?
			"import sys\nsys.exit(\"pip: the profile '%s' does not allow to install "
			"anything\")\n" :
			"#!/bin/sh\necho \"${0##*/}: the profile '%s' does not allow to install anything\" >&2\n"
			"exit 1\n",
		x->profile.name);
	return view_file(&x->spec, target, text, NULL, !is_module, err);
}

/* pip and npm that know there is no network: before those of the root in PATH, and as a module. */
static const struct {
	const char *name, *needs, *file;
} installers[] = {
	{ "bin/pip", "/usr/bin/python3", "pip.py" },
	{ "bin/pip3", "/usr/bin/python3", "pip.py" },
	{ "pip.py", "/usr/bin/python3", "pip.py" },
	{ "bin/npm", "/usr/bin/node", "npm.js" },
};

/* argv of a language with the code's path in the place of {file}; args follow. */
static char **fill_argv(char *const *words, const char *file, char *const *args)
{
	size_t n = json_strings_count(words), extra = json_strings_count(args), i;
	char **argv = calloc(n + extra + 1, sizeof(*argv));

	for (i = 0; argv && i < n; i++) {
		const char *hole = strstr(words[i], "{file}");

		if (!hole)
			argv[i] = strdup(words[i]);
		else if (asprintf(&argv[i], "%.*s%s%s", (int)(hole - words[i]), words[i], file,
				  hole + 6) < 0)
			argv[i] = NULL;
	}
	for (i = 0; argv && args && i < extra; i++)
		argv[n + i] = strdup(args[i]);
	return argv;
}

static bool is_there(struct exec *x, const char *path)
{
	int root = x->run.root;

	if (root < 0)
		return access(path, X_OK) == 0;
	/* links of an image are resolved inside only; here the name has to be there */
	return faccessat(root, path + 1, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int add_installers(struct exec *x, struct err *err)
{
	bool is_denied = x->profile.commands && commands_deny_class(&x->profile, "package");
	size_t i;

	for (i = 0; i < sizeof(installers) / sizeof(installers[0]) && !x->request->is_bare; i++)
		if (is_denied) {
			if (add_refusal(x, installers[i].name, err) < 0)
				return -1;
		} else if (is_there(x, installers[i].needs) &&
			   add_inside(x, installers[i].file, installers[i].name,
				      installers[i].name[0] == 'b', err) < 0) {
			return -1;
		}
	return x->request->is_bare ? 0 : view_append(&x->spec.exec_paths, "/run/sbx");
}

static int find_program(struct exec *x, char **argv, struct err *err)
{
	static const char *const dirs[] = { "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin" };
	size_t i;

	if (strchr(argv[0], '/'))
		return 0; /* a path of the jail: known there only */
	for (i = 0; i < x->spec.file_count; i++)
		if (!strncmp(x->spec.files[i].path, "/run/sbx/bin/", 13) &&
		    !strcmp(x->spec.files[i].path + 13, argv[0])) {
			free(argv[0]);
			argv[0] = strdup(x->spec.files[i].path);
			return argv[0] ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
		}
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s/%.200s", dirs[i], argv[0]);
		if (is_there(x, path)) {
			free(argv[0]);
			argv[0] = strdup(path);
			return argv[0] ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
		}
	}
	return err_set(err, ERR_RUNTIME, "no command is called '%.200s'", argv[0]);
}

static int runtime_missing(struct exec *x, const char *path, struct err *err)
{
	(void)err_set(err, ERR_RUNTIME, "%s needs '%s', which is not installed", x->language.name,
		      path);
	return err_hint(
		err,
		x->run.root < 0 ?
			"install it on this host (see README), or use a profile with an image" :
			"rebuild the image with 'sbx image build'");
}

/* sbx attack brings its probe along, from wherever sbx is installed. */
static int add_probe(struct exec *x, struct err *err)
{
	return view_mount(&x->spec, x->request->probe, "/run/sbx/probe", VIEW_FILE | VIEW_EXEC,
			  err);
}

static int set_command(struct exec *x, struct err *err)
{
	const struct exec_request *r = x->request;
	char path[96];

	if (r->probe && add_probe(x, err) < 0)
		return -1;
	if (r->argv) {
		x->spec.argv = fill_argv(r->argv, "", r->args);
		return x->spec.argv ? find_program(x, x->spec.argv, err) :
				      err_sys(err, ERR_INTERNAL, "allocate");
	}
	(void)snprintf(path, sizeof(path), "/run/sbx/%.60s", x->language.file);
	if (!is_there(x, x->language.run[0]) && strncmp(x->language.run[0], "/tmp/", 5) != 0)
		return runtime_missing(x, x->language.run[0], err);
	if (x->language.compile && !is_there(x, x->language.compile[0]))
		return runtime_missing(x, x->language.compile[0], err);
	if (view_file(&x->spec, path, r->code, NULL, false, err) < 0 || add_support(x, err) < 0)
		return -1;
	x->spec.argv = fill_argv(x->language.run, path, r->args);
	if (x->language.compile)
		x->spec.compile = fill_argv(x->language.compile, path, NULL);
	return x->spec.argv ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
}

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && !strncmp(a, b, n);
}

static int set_env(struct exec *x, struct err *err)
{
	char *const *sources[] = { x->profile.env, x->language.env, x->request->env };
	size_t n = 0, i, k, j;

	for (i = 0; i < 3; i++)
		n += json_strings_count(sources[i]);
	x->spec.env = calloc(n + 2, sizeof(char *));
	if (!x->spec.env)
		return err_sys(err, ERR_INTERNAL, "allocate");
	n = 0;
	for (i = 0; i < 3; i++)
		for (k = 0; sources[i] && sources[i][k]; k++) {
			for (j = 0; j < n && !same_name(x->spec.env[j], sources[i][k]); j++)
				;
			if (j < n && i == 2) {
				(void)err_set(err, ERR_POLICY, "the profile fixes '%.*s'",
					      (int)strcspn(sources[i][k], "="), sources[i][k]);
				return err_at(err, "/env/%.*s", (int)strcspn(sources[i][k], "="),
					      sources[i][k]);
			}
			free(x->spec.env[j]);
			x->spec.env[j] = strdup(sources[i][k]);
			if (j == n)
				n++;
		}
	for (j = 0; j < n && !same_name(x->spec.env[j], "PYTHONPATH="); j++)
		;
	if (j == n && !x->request->is_bare)
		x->spec.env[n] = strdup(
			"PYTHONPATH=/run/sbx"); /* our pip, for a Python that a shell starts */
	return 0;
}

static int set_require(struct exec *x, struct err *err)
{
	char *const *sources[] = { x->call->config->require, x->profile.require,
				   x->request->require };
	size_t i, k;

	x->spec.landlock_min = x->profile.landlock_min;
	for (i = 0; i < 3; i++)
		for (k = 0; sources[i] && sources[i][k]; k++) {
			const char *what = sources[i][k];

			if (!strcmp(what, "landlock") && x->spec.landlock_min < 2)
				x->spec.landlock_min = 2;
			else if (!strcmp(what, "overlay"))
				x->spec.workspace = (free(x->spec.workspace), strdup("overlay"));
			else if (!strcmp(what, "proc"))
				x->spec.proc = (free(x->spec.proc), strdup("fresh"));
			else if (strcmp(what, "landlock") != 0 && strcmp(what, "cgroup") != 0 &&
				 strcmp(what, "seccomp") != 0 && strcmp(what, "groups") != 0) {
				(void)err_set(err, ERR_REQUEST, "no layer is called '%.40s'", what);
				return err_at(err, "/require/%zu", k);
			}
		}
	return 0;
}

int exec_spec(struct exec *x, struct err *err)
{
	const struct limits *l = &x->limits;
	struct spec *s = &x->spec;
	AUTO_FD int host = -1;
	int root = x->run.root;

	s->v = 1;
	s->hostname = strdup("sbx");
	s->workspace = strdup(x->call->config->workspace);
	s->proc = strdup(x->call->config->proc);
	s->seccomp = strdup(x->profile.seccomp);
	if (root < 0) {
		host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		root = host;
	}
	if (root < 0)
		return err_sys(err, ERR_INTERNAL, "open the root");
	if (add_root(s, root, x->run.root >= 0, err) < 0 || add_etc(s, err) < 0 ||
	    libraries_view(&x->profile, root, x->run.root >= 0, s, err) < 0 ||
	    add_own_mounts(x, err) < 0 || add_installers(x, err) < 0 || set_command(x, err) < 0 ||
	    commands_view(&x->profile, root, x->run.root >= 0, !x->request->argv, s, err) < 0 ||
	    set_env(x, err) < 0 || layers_view(x, err) < 0 || set_require(x, err) < 0)
		return -1;
	s->image = x->run.root >= 0;
	s->cgroup = x->cgroup.job >= 0;
	s->exec_writable = x->profile.exec_writable;
	s->notify = true;
	s->wall_ms = l->wall_ms;
	s->cpu_ms = l->cpu_ms;
	s->compile_wall_ms = l->compile_ms;
	s->memory_bytes = l->memory_bytes;
	s->processes = l->processes;
	s->open_files = l->open_files;
	s->file_bytes = l->file_bytes;
	s->stack_bytes = l->stack_bytes;
	s->scratch_bytes = l->scratch_bytes;
	s->scratch_files = l->scratch_files;
	s->input_bytes = x->stage.input_bytes;
	/* a wall far behind the watchdog: what one process can take between two of its looks */
	s->data_bytes = x->cgroup.has_memory ? 0 : 4 * l->memory_bytes;
	return 0;
}
