// SPDX-License-Identifier: Apache-2.0
/*
 * The view of a run: one hard link per name below .run/<exec>/, or a kept one (kept.c). "in" is the lower layer of the
 * workspace; "dirs" holds what stands in directories, which the jail copies so that directories can
 * be renamed, as long as it fits. Hard links cost no bytes, and a link is no way to write.
 */
#include "run.h"

#include "cleanup.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { COPY_MAX = 64 << 20, KEEP_MIN = 256 }; /* from so many names on a view is kept */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct input *)a)->entry.name, ((const struct input *)b)->entry.name);
}

struct input *stage_find(const struct stage *stage, const char *name)
{
	size_t low = 0, high = stage->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(stage->inputs[mid].entry.name, name);

		if (order == 0)
			return &stage->inputs[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int make_parents(int dir, char *name)
{
	char *slash;

	for (slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		int failed;

		*slash = 0;
		failed = io_mkdir(dir, name);
		*slash = '/';
		if (failed < 0)
			return -1;
	}
	return 0;
}

static int link_input(const struct input *in, int dir, char *last_parent, size_t size)
{
	char name[64], path[1024];
	char *slash;

	(void)snprintf(path, sizeof(path), "%s", in->entry.name);
	slash = strrchr(path, '/');
	if (slash) { /* names are sorted: a directory is made once */
		*slash = 0;
		if (strcmp(path, last_parent) != 0) {
			(void)snprintf(last_parent, size, "%s", path);
			*slash = '/';
			if (make_parents(dir, path) < 0)
				return -1;
		}
		*slash = '/';
	}
	(void)snprintf(name, sizeof(name), "%s.%s", in->entry.id, in->entry.extension);
	return linkat(in->from->dir, name, dir, path, 0);
}

static int link_all(struct stage *st, int in, int dirs, bool copy_dirs, struct err *err)
{
	char last[1024] = "";
	size_t i;

	for (i = 0; i < st->count; i++) {
		bool below = copy_dirs && strchr(st->inputs[i].entry.name, '/');

		if (link_input(&st->inputs[i], below ? dirs : in, last, sizeof(last)) < 0)
			return errno == ENOENT ? err_set(err, ERR_NOT_FOUND,
							 "the stored file of '%s' is gone",
							 st->inputs[i].entry.name) :
						 err_sys(err, ERR_STORAGE, "stage '%s'",
							 st->inputs[i].entry.name);
	}
	return 0;
}

static int make_parts(struct stage *st, int view, bool copy_dirs, struct err *err)
{
	if (io_mkdir(view, "in") < 0 || io_mkdir(view, "dirs") < 0)
		return err_sys(err, ERR_STORAGE, "make the view of a run");
	AUTO_FD int in = io_open_dir(view, "in");
	AUTO_FD int dirs = io_open_dir(view, "dirs");
	if (in < 0 || dirs < 0)
		return err_sys(err, ERR_STORAGE, "open the view of a run");
	return link_all(st, in, dirs, copy_dirs, err);
}

/* The lock is there before the name is: nobody can sweep it in between. */
static int make_kept(const struct session *session, int64_t revision, struct stage *st,
		     bool copy_dirs, struct err *err)
{
	if (mkdirat(st->dir, "view", 0700) < 0 || (st->view = io_open_dir(st->dir, "view")) < 0 ||
	    flock(st->view, LOCK_SH | LOCK_NB) < 0)
		return err_sys(err, ERR_STORAGE, "make the view of a revision");
	if (make_parts(st, st->view, copy_dirs, err) < 0)
		return -1;
	kept_publish(session, revision, st->dir, "view");
	return 0;
}

int stage_make(const struct session *session, struct input *inputs, size_t count, int64_t revision,
	       struct stage *ret, struct err *err)
{
	int64_t below = 0, all = 0;
	size_t i;
	bool copy_dirs;

	ret->inputs = inputs;
	ret->count = count;
	ret->view = -1;
	if (count)
		qsort(inputs, count, sizeof(*inputs), by_name);
	for (i = 0; i < count; i++) {
		all += inputs[i].entry.size;
		if (strchr(inputs[i].entry.name, '/'))
			below += inputs[i].entry.size;
	}
	copy_dirs = below <= COPY_MAX;
	ret->input_bytes = copy_dirs ? all - below : all;
	if (io_mkdir(session->dir, ".run") < 0 ||
	    (ret->runs = io_open_dir(session->dir, ".run")) < 0)
		return err_sys(err, ERR_STORAGE, "make the directory of the run");
	/*
	 * Whoever cleans up takes the lock of .run alone, so nobody meets a directory between its making
	 * and its own lock. That one goes with sbx and its supervisor, whatever ends them.
	 */
	if (flock(ret->runs, LOCK_SH) < 0 || mkdirat(ret->runs, ret->exec, 0700) < 0 ||
	    (ret->dir = io_open_dir(ret->runs, ret->exec)) < 0 ||
	    flock(ret->dir, LOCK_EX | LOCK_NB) < 0 || flock(ret->runs, LOCK_UN) < 0)
		return err_sys(err, ERR_STORAGE, "prepare the directory of the run");
	if (revision == 0 || count < KEEP_MIN) {
		ret->view = fcntl(ret->dir, F_DUPFD_CLOEXEC, 3);
		return make_parts(ret, ret->dir, copy_dirs, err);
	}
	ret->view = kept_open(session, revision);
	return ret->view >= 0 ? 0 : make_kept(session, revision, ret, copy_dirs, err);
}

struct input *stage_inputs(struct session *session, const struct revision *revision)
{
	struct input *list = calloc(revision->count + 1, sizeof(*list));
	size_t i;

	for (i = 0; list && i < revision->count; i++) {
		if (entry_copy(&list[i].entry, &revision->entries[i]) < 0) {
			while (i-- > 0)
				entry_done(&list[i].entry);
			free(list);
			return NULL;
		}
		list[i].from = session;
		list[i].read_only = revision->entries[i].read_only;
	}
	return list;
}

void stage_prepare(struct session *session, const struct revision *revision)
{
	struct stage stage = { .view = -1 };
	struct input *inputs = revision->count < KEEP_MIN ? NULL : stage_inputs(session, revision);

	if (!inputs)
		return;
	id_new(stage.exec);
	(void)stage_make(session, inputs, revision->count, revision->number, &stage, NULL);
	stage_done(&stage);
}

void stage_done(struct stage *stage)
{
	size_t i;

	if (stage->runs > 0 && stage->exec[0])
		(void)io_remove_tree(stage->runs,
				     stage->exec); /* else the next command's sweep does */
	if (stage->view > 0)
		(void)close(stage->view);
	if (stage->dir > 0)
		(void)close(stage->dir);
	if (stage->runs > 0)
		(void)close(stage->runs);
	for (i = 0; i < stage->count; i++)
		entry_done(&stage->inputs[i].entry);
	free(stage->inputs);
	memset(stage, 0, sizeof(*stage));
}
