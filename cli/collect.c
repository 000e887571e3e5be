// SPDX-License-Identifier: Apache-2.0
/*
 * The results of a run, as process 1 of the jail sends them: names are hostile bytes, descriptors
 * are of files nobody writes any more. What breaks a rule is skipped with a reason and stops nothing.
 */
#include "cleanup.h"
#include "harvest.h"
#include "hash.h"
#include "io.h"
#include "names.h"
#include "run.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum { SKIPPED_MAX = 200 };

void collect_skip(struct collect *c, const char *name, size_t len, const char *reason)
{
	if (json_array_size(c->skipped) > SKIPPED_MAX)
		return;
	if (json_array_size(c->skipped) == SKIPPED_MAX) {
		(void)json_array_append_new(c->skipped, json_pack("{s:s,s:s}", "name", "", "reason",
								  "more names, not listed"));
		return;
	}
	(void)json_array_append_new(c->skipped, json_pack("{s:o,s:s}", "name", json_text(name, len),
							  "reason", reason));
}

static int add(struct collect *c, char kind, const struct entry *entry, const char *from,
	       struct err *err)
{
	struct change *ch;

	if ((c->count & (c->count - 1)) == 0) {
		ch = realloc(c->changes, (c->count ? c->count * 2 : 1) * sizeof(*ch));
		if (!ch)
			return err_sys(err, ERR_INTERNAL, "allocate");
		c->changes = ch;
	}
	ch = &c->changes[c->count];
	memset(ch, 0, sizeof(*ch));
	if (entry_copy(&ch->entry, entry) < 0)
		return err_sys(err, ERR_INTERNAL, "allocate");
	ch->kind = kind;
	(void)snprintf(ch->from, sizeof(ch->from), "%s", from ? from : "");
	c->count++;
	return 0;
}

static bool is_same(const struct input *in, int fd, int64_t size)
{
	char sha256[65];

	return in && in->entry.size == size && hash_part(fd, size, sha256) == 0 &&
	       !strcmp(sha256, in->entry.sha256);
}

static bool is_kept_type(const struct collect *c, const char *name)
{
	char extension[16];
	size_t i;

	if (!c->keep)
		return true;
	name_extension(name, extension, sizeof(extension));
	for (i = 0; c->keep[i]; i++)
		if (!strcmp(c->keep[i], extension))
			return true;
	return false;
}

/* The reason why a file is not kept, or NULL. */
static const char *refusal(const struct collect *c, const struct input *in, const char *name,
			   int64_t size)
{
	if (in && in->read_only)
		return "read only";
	if (!is_kept_type(c, name))
		return "a type that the profile does not keep";
	if (size > c->limits->file_bytes)
		return "larger than file_bytes";
	if (c->bytes + size > c->limits->scratch_bytes)
		return "more than scratch_bytes in all";
	if (c->files >= c->limits->scratch_files)
		return "more than scratch_files in all";
	return c->is_keeping ? NULL : "not committed";
}

static void narrow(struct blob *blob, int64_t room, const char *why)
{
	if (room >= blob->room)
		return;
	blob->room = room;
	blob->room_why = why;
}

static int keep_file(struct collect *c, const char *name, const struct input *in, int fd,
		     struct err *err)
{
	struct entry entry = { .is_run = true, .name = (char *)(uintptr_t)name };
	struct blob blob;
	int done = -1;

	(void)snprintf(entry.exec, sizeof(entry.exec), "%s", c->exec);
	if (blob_begin(c->session, &blob, err) < 0)
		return -1;
	/* what it measured a moment ago is no promise: a file may grow under our hands */
	narrow(&blob, c->limits->file_bytes, "file_bytes");
	narrow(&blob, c->limits->scratch_bytes - c->bytes, "scratch_bytes");
	if (blob_fill(&blob, fd, err) == 0) {
		mime_type(c->mime, blob.fd, name, entry.mime, sizeof(entry.mime));
		done = blob_keep(c->session, &blob, &entry, err);
		c->bytes += blob.size;
		c->files++;
	}
	blob_done(&blob);
	if (done == 0)
		return add(c, in ? 'm' : 'c', &entry, in ? in->entry.id : NULL, err);
	if (err->code != ERR_QUOTA)
		return -1;
	collect_skip(c, name, strlen(name),
		     err->msg); /* a quota is reached: the others may still fit */
	return 0;
}

/*
 * Files of the upper layer are regular ones of a tmpfs, open for reading: reading them never waits. Others
 * that stat as regular are not files at all, as those of /proc, whose bytes may depend on who reads.
 */
static bool is_of_scratch(int fd, struct stat *ret)
{
	int flags = fcntl(fd, F_GETFL);
	struct statfs fs;

	return flags >= 0 && (flags & (O_ACCMODE | O_PATH)) == O_RDONLY && fstat(fd, ret) == 0 &&
	       S_ISREG(ret->st_mode) && fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static int take_file(struct collect *c, const char *name, int fd, struct err *err)
{
	struct input *in = stage_find(c->stage, name);
	const char *reason;
	struct stat st;

	if (in)
		in->is_seen = true;
	if (!is_of_scratch(fd, &st)) {
		collect_skip(c, name, strlen(name), "not a regular file");
		return 0;
	}
	if (is_same(in, fd, st.st_size))
		return 0;
	reason = refusal(c, in, name, st.st_size);
	if (reason) {
		collect_skip(c, name, strlen(name), reason);
		return 0;
	}
	return keep_file(c, name, in, fd, err);
}

static int take_deleted(struct collect *c, struct input *in, struct err *err)
{
	if (in->is_seen)
		return 0;
	in->is_seen = true;
	if (in->read_only || !c->is_keeping) {
		collect_skip(c, in->entry.name, strlen(in->entry.name),
			     in->read_only ? "read only" : "not committed");
		return 0;
	}
	return add(c, 'd', &in->entry, NULL, err);
}

/* All inputs below a directory (or the file itself) that went. */
static int take_gone(struct collect *c, const char *name, bool itself, struct err *err)
{
	size_t len = strlen(name), i;

	for (i = 0; i < c->stage->count; i++) {
		struct input *in = &c->stage->inputs[i];

		if ((itself && !strcmp(in->entry.name, name)) ||
		    (!strncmp(in->entry.name, name, len) &&
		     (len == 0 || in->entry.name[len] == '/')))
			if (take_deleted(c, in, err) < 0)
				return -1;
	}
	return 0;
}

static const char *reason_of(char why)
{
	switch (why) {
	case HARVEST_WHY_TYPE:
		return "not a regular file";
	case HARVEST_WHY_DEPTH:
		return "too deep";
	case HARVEST_WHY_NAME:
		return "a name too long";
	case HARVEST_WHY_COUNT:
		return "too many names";
	default:
		return "cannot be read";
	}
}

static int take_status(struct collect *c, const char *data, size_t len, struct err *err)
{
	struct harvest_status status;

	if (len != sizeof(status) || c->has_status)
		return err_set(err, ERR_INTERNAL, "a packet of the wrong size");
	c->has_status = true;
	memcpy(&status, data, sizeof(status));
	c->is_keeping = c->commit == 'a' ||
			(c->commit == 's' && !status.is_killed && status.wait_status == 0);
	return 0;
}

int collect_take(void *taker, char type, char why, const char *name, size_t len, int fd,
		 struct err *err)
{
	AUTO_FD int mine = fd;
	struct collect *c = taker;
	char text[HARVEST_NAME_MAX + 1];
	const char *fault;

	if (type == HARVEST_STATUS)
		return take_status(c, name, len, err);
	if (!c->has_status)
		return err_set(err, ERR_INTERNAL, "a packet out of order");
	if (type == HARVEST_SKIP) {
		struct input *in;

		collect_skip(c, name, len, reason_of(why));
		(void)snprintf(text, sizeof(text), "%.*s", (int)len, name);
		in = stage_find(c->stage, text);
		/* a link or a FIFO took its place: the file that it was is gone */
		return in && why == HARVEST_WHY_TYPE ? take_deleted(c, in, err) : 0;
	}
	if (len > HARVEST_NAME_MAX || memchr(name, 0, len))
		return err_set(err, ERR_INTERNAL, "a packet of the wrong form");
	memcpy(text, name, len);
	text[len] = 0;
	if (type == HARVEST_OPAQUE)
		return take_gone(c, text, false, err);
	if (type == HARVEST_GONE)
		return take_gone(c, text, true, err);
	if (type != HARVEST_FILE || mine < 0)
		return err_set(err, ERR_INTERNAL, "a packet of the wrong kind");
	fault = name_fault(name, len);
	if (fault) {
		collect_skip(c, name, len, fault);
		return 0;
	}
	return take_file(c, text, mine, err);
}

static int by_name(const void *a, const void *b)
{
	const struct change *x = *(const struct change *const *)a,
			    *y = *(const struct change *const *)b;

	return strcmp(x->entry.name, y->entry.name);
}

/* A walk meets a name once: of two files with one name, one would lie in the store without a revision. */
static int check_names(const struct collect *c, struct err *err)
{
	AUTO_FREE const struct change **all = calloc(c->count + 1, sizeof(struct change *));
	size_t i, n = 0;

	if (!all)
		return err_sys(err, ERR_INTERNAL, "allocate");
	for (i = 0; i < c->count; i++)
		if (c->changes[i].kind != 'd')
			all[n++] = &c->changes[i];
	qsort(all, n, sizeof(all[0]), by_name);
	for (i = 1; i < n; i++)
		if (!strcmp(all[i - 1]->entry.name, all[i]->entry.name))
			return err_set(err, ERR_INTERNAL, "a name came twice");
	return 0;
}

int collect_finish(struct collect *c, bool overlay, struct err *err)
{
	size_t i;

	if (check_names(c, err) < 0)
		return -1;
	for (i = 0; i < c->stage->count; i++) {
		struct input *in = &c->stage->inputs[i];

		if (overlay && !strchr(in->entry.name, '/'))
			continue; /* it stands in the lower layer, and no whiteout came */
		if (take_deleted(c, in, err) < 0)
			return -1;
	}
	return 0;
}

/* Applies one change to the newest revision, which others may have changed meanwhile. */
static int apply(struct revision *r, const struct change *ch, struct err *err)
{
	struct entry *have = revision_find_name(r, ch->entry.name);
	size_t i;

	if (ch->kind == 'd') {
		/* somebody else's newer file of that name is not the one that was deleted */
		if (have && !strcmp(have->id, ch->entry.id))
			revision_remove(r, (size_t)(have - r->entries));
		return 0;
	}
	while (revision_conflicts(r, ch->entry.name, &i))
		revision_remove(r, i);
	return revision_put(r, &ch->entry, err);
}

int collect_commit(struct collect *c, int64_t *ret_revision, struct err *err)
{
	struct revision r;
	int done = 0;
	size_t i;

	if (c->count == 0)
		return 0;
	if (session_lock(c->session, err) < 0)
		return -1;
	done = revision_load(c->session, 0, &r, err);
	/* deletions first: a directory may have taken the place of a file */
	for (i = 0; done == 0 && i < c->count; i++)
		if (c->changes[i].kind == 'd')
			done = apply(&r, &c->changes[i], err);
	for (i = 0; done == 0 && i < c->count; i++)
		if (c->changes[i].kind != 'd')
			done = apply(&r, &c->changes[i], err);
	if (done == 0)
		done = revision_commit(c->session, &r, "exec", c->exec, err);
	if (done == 0)
		*ret_revision = r.number;
	revision_done(&r);
	(void)session_unlock(c->session);
	c->is_committed = done == 0;
	return done;
}

void collect_done(struct collect *c)
{
	size_t i;

	for (i = 0; i < c->count; i++) {
		/* whatever stopped it: what was stored already goes again */
		if (!c->is_committed && c->changes[i].kind != 'd')
			blob_forget(c->session, &c->changes[i].entry);
		entry_done(&c->changes[i].entry);
	}
	free(c->changes);
	json_decref(c->skipped);
}
