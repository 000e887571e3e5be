// SPDX-License-Identifier: Apache-2.0
#include "commands.h"

#include "cleanup.h"
#include "commands_class.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { WORDS_MAX = 256 };

static const char *const program_dirs[] = {
	"/usr/bin",         "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/games",
	"/usr/local/games", "/bin",      "/sbin",          "/opt/sbx/bin"
};
enum { PROGRAM_DIRS = sizeof(program_dirs) / sizeof(program_dirs[0]) };

/* What starts any program at all: no class means these. */
static const char *const loaders[] = { "/lib64/ld-linux*.so.*", "/lib/ld-linux*.so.*",
				       "/lib/*-linux-*/ld-linux*.so.*", "/lib/ld-musl-*.so.1",
				       "/lib64/ld64.so.*" };

/* --- the profile's words --------------------------------------------------------------------- */
static int check_list(json_t *list, const char *name, struct err *err)
{
	json_t *v;
	size_t i;

	if (list && (!json_is_array(list) || json_array_size(list) > WORDS_MAX))
		return err_set(err, ERR_CONFIG, "/commands/%s: must be a list", name);
	json_array_foreach(list, i, v) {
		const char *word = json_string_value(v);

		if (word && *word == '/' && !strstr(word, "..") && !strpbrk(word, "*?[") &&
		    strlen(word) < 1000)
			continue;
		if (!word || !command_class(word)) {
			(void)err_set(err, ERR_CONFIG,
				      "/commands/%s/%zu: no class of commands and no absolute path",
				      name, i);
			return err_hint(err, "the classes are in sbx-profile(5)");
		}
	}
	return 0;
}

int commands_check(json_t *commands, struct err *err)
{
	const char *name;
	json_t *v;

	if (commands && !json_is_object(commands))
		return err_set(err, ERR_CONFIG, "/commands: must be an object");
	json_object_foreach(commands, name, v)
		if (strcmp(name, "deny") != 0 && strcmp(name, "allow") != 0)
			return err_set(err, ERR_CONFIG, "/commands/%.40s: must be deny or allow",
				       name);
	return check_list(json_object_get(commands, "deny"), "deny", err) < 0 ?
		       -1 :
		       check_list(json_object_get(commands, "allow"), "allow", err);
}

static bool has_word(json_t *list, const char *word)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (!strcmp(json_string_value(v), word))
			return true;
	return false;
}

bool commands_deny_class(const struct profile *profile, const char *name)
{
	json_t *allow = json_object_get(profile->commands, "allow");

	return has_word(json_object_get(profile->commands, "deny"), name) ||
	       (allow && !has_word(allow, name));
}

/* --- which programs those are ---------------------------------------------------------------- */
/* Every name of the directories of programs; of paths only those that are there. */
struct finder {
	int root;
	char **dirs; /* real paths, each once */
	char **names[PROGRAM_DIRS]; /* of each */
	char **loaders; /* real paths */
};

static int find_loaders(struct finder *f)
{
	size_t i, k;

	for (i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++) {
		char **found = view_find(f->root, loaders[i], S_IFREG);
		int failed = found ? 0 : -1;

		for (k = 0; !failed && found[k]; k++)
			failed = view_append(&f->loaders, found[k]);
		json_strings_free(found);
		if (failed)
			return -1;
	}
	return 0;
}

static int finder_init(struct finder *f, int root, struct err *err)
{
	size_t i;

	memset(f, 0, sizeof(*f));
	f->root = root;
	for (i = 0; i < PROGRAM_DIRS; i++) {
		char **found = view_find(root, program_dirs[i], S_IFDIR);

		if (found && found[0] && !view_has(f->dirs, found[0]))
			(void)view_append(&f->dirs, found[0]);
		json_strings_free(found);
	}
	for (i = 0; f->dirs && f->dirs[i]; i++) {
		f->names[i] = view_names(root, f->dirs[i]);
		if (!f->names[i])
			return err_sys(err, ERR_RUNTIME, "read '%s' of the root", f->dirs[i]);
	}
	return find_loaders(f) < 0 ? err_sys(err, ERR_INTERNAL, "allocate") : 0;
}

static void finder_done(struct finder *f)
{
	size_t i;

	for (i = 0; i < PROGRAM_DIRS; i++)
		json_strings_free(f->names[i]);
	json_strings_free(f->dirs);
	json_strings_free(f->loaders);
}

static int find_names(const struct finder *f, const struct command_class *c, char ***ret)
{
	char path[PATH_MAX];
	size_t i, k;

	for (i = 0; f->dirs && f->dirs[i]; i++)
		for (k = 0; f->names[i][k]; k++) {
			if (!command_class_has(c, f->names[i][k]))
				continue;
			(void)snprintf(path, sizeof(path), "%.3000s/%.255s", f->dirs[i],
				       f->names[i][k]);
			if (view_append(ret, path) < 0)
				return -1;
		}
	return 0;
}

static int find_paths(const struct finder *f, const char *pattern, char ***ret)
{
	char **found = view_find(f->root, pattern, 0);
	int failed = found ? 0 : -1;
	size_t i;

	for (i = 0; !failed && found[i]; i++)
		failed = view_append(ret, found[i]);
	json_strings_free(found);
	return failed;
}

static int find_class_paths(const struct finder *f, const struct command_class *c, char ***ret)
{
	size_t i;

	for (i = 0; c->patterns[i]; i++)
		if (c->patterns[i][0] == '/' && find_paths(f, c->patterns[i], ret) < 0)
			return -1;
	return 0;
}

/* Names are not resolved: "gcc" is a link, and its end comes with real_ends(). */
static int find_list(const struct finder *f, json_t *list, char ***ret)
{
	int failed = 0;
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		const struct command_class *c = command_class(json_string_value(v));

		if (!c)
			failed = failed || find_paths(f, json_string_value(v), ret) < 0;
		else
			failed = failed || find_names(f, c, ret) < 0 ||
				 find_class_paths(f, c, ret) < 0;
	}
	return failed ? -1 : 0;
}

/* What classes that are not allowed have beside the directories of programs. */
static int find_others(const struct finder *f, json_t *allowed, char ***ret)
{
	size_t i;

	for (i = 0; command_classes[i].name; i++)
		if (!has_word(allowed, command_classes[i].name) &&
		    find_class_paths(f, &command_classes[i], ret) < 0)
			return -1;
	return 0;
}

/* What the names lead to, files and directories, each once. */
static int real_ends(int root, char *const *paths, char ***ret)
{
	size_t i, k;

	for (i = 0; paths && paths[i]; i++) {
		char **found = view_find(root, paths[i], 0);

		for (k = 0; found && found[k]; k++)
			if (!view_has(*ret, found[k]) && view_append(ret, found[k]) < 0) {
				json_strings_free(found);
				return -1;
			}
		json_strings_free(found);
	}
	return 0;
}

/* --- deny ------------------------------------------------------------------------------------ */
/* A program with several names in the file system: all of them, or one would be left. */
static int cover_other_names(const struct finder *f, const char *path, const struct stat *st,
			     struct spec *spec, struct err *err)
{
	char other[PATH_MAX];
	struct stat have;
	size_t i, k;

	for (i = 0; f->dirs[i]; i++)
		for (k = 0; f->names[i][k]; k++) {
			(void)snprintf(other, sizeof(other), "%.3000s/%.255s", f->dirs[i],
				       f->names[i][k]);
			if (fstatat(f->root, other + 1, &have, AT_SYMLINK_NOFOLLOW) == 0 &&
			    have.st_ino == st->st_ino && have.st_dev == st->st_dev &&
			    strcmp(other, path) != 0 &&
			    view_mount(spec, other, NULL, VIEW_EMPTY | VIEW_FILE | VIEW_OPTIONAL,
				       err) < 0)
				return -1;
		}
	return 0;
}

/* Programs that must stay: to deny another name of theirs would take what nobody denied. */
struct kept {
	const char *path, *class; /* class NULL: of this run */
	dev_t dev;
	ino_t ino;
};
enum { KEPT = 5 };

static void find_kept(const struct finder *f, const struct spec *spec, struct kept *ret)
{
	const struct kept all[KEPT] = { { .path = spec->argv[0] },
					{ .path = spec->compile ? spec->compile[0] : NULL },
					{ .path = "/bin/sh", .class = "shell" },
					{ .path = "/usr/bin/env", .class = "basic" },
					{ .path = "/bin/ls", .class = "basic" } };
	size_t i;

	memcpy(ret, all, sizeof(all));
	for (i = 0; i < KEPT; i++) {
		AUTO_FD int fd = ret[i].path ? view_open(f->root, ret[i].path, O_PATH) : -1;
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0) {
			ret[i].dev = st.st_dev;
			ret[i].ino = st.st_ino;
		}
	}
}

static int check_kept(const struct profile *profile, const struct kept *kept, const char *path,
		      const struct stat *st, struct err *err)
{
	size_t i;

	for (i = 0; i < KEPT; i++) {
		if (kept[i].ino != st->st_ino || kept[i].dev != st->st_dev)
			continue;
		if (!kept[i].class)
			return err_set(err, ERR_POLICY, "the profile '%s' does not allow '%s'",
				       profile->name, kept[i].path);
		if (!commands_deny_class(profile, kept[i].class))
			return err_set(
				err, ERR_CONFIG,
				"profile '%s': /commands: '%s' cannot be denied, it is the same program as "
				"'%s'",
				profile->name, path, kept[i].path);
	}
	return 0;
}

static int cover(const struct profile *profile, const struct finder *f, const struct kept *kept,
		 const char *path, struct spec *spec, struct err *err)
{
	AUTO_FD int fd = view_open(f->root, path, O_PATH);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0; /* gone meanwhile */
	if (S_ISDIR(st.st_mode))
		return view_mount(spec, path, NULL, VIEW_EMPTY | VIEW_OPTIONAL, err);
	if (view_has(f->loaders, path))
		return 0; /* /usr/bin/ld.so leads to it */
	if (check_kept(profile, kept, path, &st, err) < 0 ||
	    view_mount(spec, path, NULL, VIEW_EMPTY | VIEW_FILE | VIEW_OPTIONAL, err) < 0)
		return -1;
	return st.st_nlink > 1 ? cover_other_names(f, path, &st, spec, err) : 0;
}

static int deny(const struct profile *profile, const struct finder *f, char *const *ends,
		struct spec *spec, struct err *err)
{
	struct kept kept[KEPT];
	size_t i;

	find_kept(f, spec, kept);
	for (i = 0; ends && ends[i]; i++)
		if (cover(profile, f, kept, ends[i], spec, err) < 0)
			return -1;
	return 0;
}

/* --- allow ----------------------------------------------------------------------------------- */
static bool is_program_dir(const struct finder *f, const char *path)
{
	size_t len = (size_t)(strrchr(path, '/') - path), i;

	for (i = 0; f->dirs[i]; i++)
		if (strlen(f->dirs[i]) == len && !strncmp(f->dirs[i], path, len))
			return true;
	return false;
}

static int put_program(const struct finder *f, const char *path, unsigned int from,
		       struct spec *spec, struct err *err)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (!is_program_dir(f, path) || fstatat(f->root, path + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* elsewhere nothing is covered */
	if (S_ISREG(st.st_mode))
		return view_mount(spec, path, NULL, from | VIEW_FILE | VIEW_EXEC, err);
	n = S_ISLNK(st.st_mode) ? readlinkat(f->root, path + 1, target, sizeof(target) - 1) : -1;
	target[n > 0 ? n : 0] = 0;
	return n > 0 ? view_file(spec, path, NULL, target, false, err) : 0;
}

/* names: links, too; ends: what they lead to. */
static int allow(const struct finder *f, char *const *names, char *const *ends, unsigned int from,
		 struct spec *spec, struct err *err)
{
	size_t i;

	for (i = 0; f->dirs[i]; i++)
		if (view_mount(spec, f->dirs[i], NULL, VIEW_EMPTY, err) < 0)
			return -1;
	for (i = 0; ends && ends[i]; i++)
		if (put_program(f, ends[i], from, spec, err) < 0)
			return -1;
	for (i = 0; names && names[i]; i++)
		if (!view_has(ends, names[i]) && put_program(f, names[i], from, spec, err) < 0)
			return -1;
	spec->exec_listed = true;
	for (i = 0; ends && ends[i]; i++)
		if (view_append(&spec->exec_paths, ends[i]) < 0)
			return err_sys(err, ERR_INTERNAL, "allocate");
	for (i = 0; f->loaders && f->loaders[i]; i++)
		if (view_append(&spec->exec_paths, f->loaders[i]) < 0)
			return err_sys(err, ERR_INTERNAL, "allocate");
	return 0;
}

/* The program of a language is the profile's own; a command of the request must be listed. */
static int add_own(const struct profile *profile, const struct finder *f, bool is_language,
		   const struct spec *spec, char ***names, struct err *err)
{
	const char *programs[] = { spec->argv[0], spec->compile ? spec->compile[0] : NULL };
	char **ends = NULL, **own = NULL;
	int failed = 0;
	size_t i;

	if (!programs[0])
		return 0;
	for (i = 0; i < 2 && !failed; i++)
		if (programs[i] && is_language)
			failed = view_append(names, programs[i]) < 0 ?
					 err_sys(err, ERR_INTERNAL, "allocate") :
					 0;
	if (!failed && !is_language && strncmp(programs[0], "/run/sbx/", 9) != 0) {
		(void)real_ends(f->root, *names, &ends);
		(void)view_append(&own, programs[0]);
		char **real = NULL;
		(void)real_ends(f->root, own, &real);
		if (real && real[0] && !view_has(ends, real[0]))
			failed = err_set(err, ERR_POLICY, "the profile '%s' does not allow '%s'",
					 profile->name, programs[0]);
		json_strings_free(real);
		json_strings_free(own);
		json_strings_free(ends);
	}
	return failed;
}

/* What is allowed by its path, or is a language's program, stands whatever its class is. */
static void keep_allowed(char ***bad, char *const *ends)
{
	size_t i, n = 0;

	for (i = 0; *bad && (*bad)[i]; i++)
		if (view_has(ends, (*bad)[i]))
			free((*bad)[i]);
		else
			(*bad)[n++] = (*bad)[i];
	if (*bad)
		(*bad)[n] = NULL;
}

int commands_view(const struct profile *profile, int root, bool is_image, bool is_language,
		  struct spec *spec, struct err *err)
{
	json_t *allowed = json_object_get(profile->commands, "allow"),
	       *denied = json_object_get(profile->commands, "deny");
	char **names = NULL, **ends = NULL, **bad = NULL, **bad_ends = NULL;
	struct finder f;
	int failed;

	if (!json_array_size(denied) && !allowed)
		return 0;
	failed = finder_init(&f, root, err);
	if (!failed && allowed) {
		failed = find_list(&f, allowed, &names) < 0 ?
				 err_sys(err, ERR_INTERNAL, "allocate") :
				 add_own(profile, &f, is_language, spec, &names, err);
		if (!failed && real_ends(root, names, &ends) < 0)
			failed = err_sys(err, ERR_INTERNAL, "allocate");
		if (!failed)
			failed = allow(&f, names, ends, is_image ? VIEW_IMAGE : 0, spec, err);
	}
	if (!failed && allowed && find_others(&f, allowed, &bad) < 0)
		failed = err_sys(err, ERR_INTERNAL, "allocate");
	if (!failed)
		keep_allowed(&bad, ends);
	if (!failed && (find_list(&f, denied, &bad) < 0 || real_ends(root, bad, &bad_ends) < 0))
		failed = err_sys(err, ERR_INTERNAL, "allocate");
	if (!failed)
		failed = deny(profile, &f, bad_ends, spec, err);
	finder_done(&f);
	json_strings_free(names);
	json_strings_free(ends);
	json_strings_free(bad);
	json_strings_free(bad_ends);
	return failed;
}

/* --- why a program could not be started ------------------------------------------------------ */
static bool is_program(int root, const char *leaf)
{
	char path[PATH_MAX];
	struct stat st;
	size_t i;

	for (i = 0; i < PROGRAM_DIRS; i++) {
		(void)snprintf(path, sizeof(path), "%s/%.200s", program_dirs[i], leaf);
		if (fstatat(root, path + 1, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	}
	return false;
}

static bool is_in_list(json_t *list, const char *leaf, const char **ret_class)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		const char *word = json_string_value(v), *last = strrchr(word, '/');
		const struct command_class *c = command_class(word);

		if (c ? command_class_has(c, leaf) : !strcmp(last + 1, leaf)) {
			*ret_class = c ? c->name : NULL;
			return true;
		}
	}
	return false;
}

static bool tell(const struct profile *profile, int root, const char *leaf, char *ret, size_t size)
{
	json_t *denied = json_object_get(profile->commands, "deny"),
	       *allowed = json_object_get(profile->commands, "allow");
	const char *name = NULL;

	if (is_in_list(denied, leaf, &name))
		(void)snprintf(ret, size, "the profile '%s' does not allow '%s'%s%s", profile->name,
			       leaf, name ? ", which is of the class " : "", name ? name : "");
	else if (allowed && !is_in_list(allowed, leaf, &name) && is_program(root, leaf))
		(void)snprintf(ret, size,
			       "'%s' is not one of the commands that the profile '%s' allows", leaf,
			       profile->name);
	else
		return false;
	return true;
}

static bool is_complaint(const char *line, size_t len)
{
	static const char *const words[] = { "ermission denied", "not found", "No such file",
					     "EACCES", "ENOENT" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (memmem(line, len, words[i], strlen(words[i])))
			return true;
	return false;
}

bool commands_hint(const struct profile *profile, int root, const char *errors, char *ret,
		   size_t size)
{
	static const char ends[] = " \t:'\"`/,()[]\n";
	size_t len, n, at;
	char leaf[80];

	if (!profile->commands)
		return false;
	for (; *errors; errors += len + (errors[len] == '\n')) {
		len = strcspn(errors, "\n");
		if (len > 1000 || !is_complaint(errors, len))
			continue;
		for (at = 0; at < len; at += n + 1) {
			n = strcspn(errors + at, ends);
			(void)snprintf(leaf, sizeof(leaf), "%.*s", (int)n, errors + at);
			if (n && n < sizeof(leaf) &&
			    strspn(leaf,
				   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-") ==
				    n &&
			    tell(profile, root, leaf, ret, size))
				return true;
		}
	}
	return false;
}
