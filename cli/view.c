// SPDX-License-Identifier: Apache-2.0
#include "view.h"

#include "cleanup.h"
#include "io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Room for one more row of a list that grows by doubling. */
static void *grow(void *list, size_t count, size_t size)
{
	char *bigger;

	if (count & (count - 1))
		return list;
	bigger = realloc(list, (count ? count * 2 : 1) * size);
	if (bigger)
		memset(bigger + count * size, 0, (count ? count : 1) * size);
	return bigger;
}

int view_mount(struct spec *spec, const char *source, const char *target, unsigned int flags,
	       struct err *err)
{
	struct spec_mount *m = spec->mount_count < SPEC_LIST_MAX ?
				       grow(spec->mounts, spec->mount_count, sizeof(*m)) :
				       NULL;

	if (!m)
		return err_set(err, ERR_CONFIG, "more than %d mounts for the jail", SPEC_LIST_MAX);
	spec->mounts = m;
	m += spec->mount_count++;
	m->source = strdup(source);
	m->target = strdup(target ? target : source);
	m->from_image = flags & VIEW_IMAGE;
	m->is_file = flags & VIEW_FILE;
	m->exec = flags & VIEW_EXEC;
	m->empty = flags & VIEW_EMPTY;
	m->optional = flags & VIEW_OPTIONAL;
	return m->source && m->target ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
}

int view_file(struct spec *spec, const char *path, const char *text, const char *link,
	      bool is_program, struct err *err)
{
	struct spec_file *f = spec->file_count < SPEC_LIST_MAX ?
				      grow(spec->files, spec->file_count, sizeof(*f)) :
				      NULL;

	if (!f)
		return err_set(err, ERR_CONFIG, "more than %d files for the jail", SPEC_LIST_MAX);
	spec->files = f;
	f += spec->file_count++;
	f->path = strdup(path);
	f->text = text ? strdup(text) : NULL;
	f->link = link ? strdup(link) : NULL;
	f->exec = is_program;
	return f->path && (f->text || f->link) ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
}

int view_append(char ***list, const char *text)
{
	size_t n = json_strings_count(*list);
	char **bigger = realloc(*list, (n + 2) * sizeof(char *));

	if (!bigger)
		return -1;
	*list = bigger;
	bigger[n] = strdup(text);
	bigger[n + 1] = NULL;
	return bigger[n] ? 0 : -1;
}

bool view_has(char *const *list, const char *text)
{
	size_t i;

	for (i = 0; list && list[i]; i++)
		if (!strcmp(list[i], text))
			return true;
	return false;
}

int view_open(int root, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned int)(flags | O_CLOEXEC),
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

char *view_text(int root, const char *path, size_t max)
{
	AUTO_FD int fd = view_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	return fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ? NULL :
								      io_read_all(fd, max, NULL);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **view_names(int root, const char *path)
{
	int fd = view_open(root, path, O_RDONLY | O_DIRECTORY);
	AUTO_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char **names = NULL;
	struct dirent *de;
	size_t n = 0;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return NULL;
	}
	while ((de = readdir(dir))) {
		char **bigger;

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		bigger = n & (n + 1) ? names : realloc(names, (2 * n + 2) * sizeof(*names));
		if (!bigger)
			break;
		names = bigger;
		names[n] = strdup(de->d_name);
		names[++n] = NULL;
	}
	if (!names)
		return calloc(1, sizeof(*names));
	qsort(names, n, sizeof(*names), by_text);
	return names;
}

/* Where fd really is beneath root, as an absolute path of it; -1 when it is not beneath. */
static int real_path(int root, int fd, char *ret, size_t size)
{
	char link[40], base[PATH_MAX], path[PATH_MAX];
	ssize_t n, k;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
	n = readlink(link, base, sizeof(base) - 1);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	k = readlink(link, path, sizeof(path) - 1);
	if (n < 0 || k < 0)
		return -1;
	base[n] = path[k] = 0;
	if (!strcmp(base, "/"))
		n = 0;
	if (strncmp(path, base, (size_t)n) != 0 || (path[n] && path[n] != '/'))
		return -1;
	(void)snprintf(ret, size, "%s", path[n] ? path + n : "/");
	return 0;
}

static int find_below(int root, const char *head, const char *rest, unsigned int what,
		      char ***list);

static int find_leaf(int root, const char *path, unsigned int what, char ***list)
{
	AUTO_FD int fd = view_open(root, *path ? path : "/", O_PATH);
	char real[PATH_MAX];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || (what && (st.st_mode & S_IFMT) != what) ||
	    !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) ||
	    real_path(root, fd, real, sizeof(real)) < 0)
		return 0;
	return view_has(*list, real) ? 0 : view_append(list, real);
}

/* head is resolved, part is the next name of the pattern (len bytes), rest what follows it. */
static int find_part(int root, const char *head, const char *part, size_t len, unsigned int what,
		     char ***list)
{
	char pattern[NAME_MAX + 1], path[PATH_MAX];
	char **names;
	int failed = 0;
	size_t i;

	if (len >= sizeof(pattern))
		return 0;
	(void)snprintf(pattern, sizeof(pattern), "%.*s", (int)len, part);
	if (!strpbrk(pattern, "*?[")) {
		(void)snprintf(path, sizeof(path), "%.3000s/%s", head, pattern);
		return find_below(root, path, part + len, what, list);
	}
	names = view_names(root, *head ? head : "/");
	for (i = 0; names && names[i] && !failed; i++) {
		if (fnmatch(pattern, names[i], FNM_PERIOD) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%.3000s/%.255s", head, names[i]);
		failed = find_below(root, path, part + len, what, list);
	}
	json_strings_free(names);
	return failed;
}

static int find_below(int root, const char *head, const char *rest, unsigned int what, char ***list)
{
	size_t len;

	while (*rest == '/')
		rest++;
	len = strcspn(rest, "/");
	return len ? find_part(root, head, rest, len, what, list) :
		     find_leaf(root, head, what, list);
}

char **view_find(int root, const char *pattern, unsigned int what)
{
	char **list = calloc(1, sizeof(*list));

	if (list && find_below(root, "", pattern, what, &list) < 0) {
		json_strings_free(list);
		return NULL;
	}
	return list;
}
