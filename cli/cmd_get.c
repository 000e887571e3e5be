// SPDX-License-Identifier: Apache-2.0
/* get: the bytes of one file, or a tar of a revision. */
#include "cleanup.h"
#include "exec.h"
#include "io.h"
#include "tar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct request {
	VERB_MEMBERS;
	char *session, *id, *name, *out;
	char **operands;
	int64_t revision;
	bool all;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, session, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, id, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, name, .kind = JSON_KIND_STRING, .min = 1, .max = 512),
	JSON_FIELD(request, out, .kind = JSON_KIND_STRING, .min = 1, .max = 4000),
	JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS, .max = 1),
	JSON_FIELD(request, revision, .kind = JSON_KIND_INT, .min = 1, .max = INT64_MAX),
	JSON_FIELD(request, all, .kind = JSON_KIND_BOOL),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

struct found {
	struct session session;
	struct revision revision; /* with all */
	struct entry entry;
	int fd;
};

static int find_id(struct call *call, const char *id, struct found *f, struct err *err)
{
	char user[65], where[ID_SIZE];

	if (index_find(call, id, user, where, err) < 0)
		return -1;
	if (strcmp(user, call->user) != 0) /* somebody else's is as if it were not there */
		return err_set(err, ERR_NOT_FOUND, "no such file");
	if (session_open(call, user, where, &f->session, err) < 0)
		return err->code == ERR_NOT_FOUND ? err_set(err, ERR_NOT_FOUND, "no such file") :
						    -1;
	return entry_by_id(&f->session, id, &f->entry, err);
}

static int find(struct call *call, const struct request *r, struct found *f, struct err *err)
{
	const char *what = r->id ? r->id : r->name ? r->name : r->operands ? r->operands[0] : NULL;
	struct entry *e;

	if (!r->all && !what)
		return call->is_request ? err_set(err, ERR_REQUEST, "an id or a name is needed") :
					  err_set(err, ERR_USAGE, "an id or a name is needed");
	if (!r->all && !r->name && id_is(what)) {
		if (find_id(call, what, f, err) < 0)
			return -1;
		f->fd = entry_open(&f->session, &f->entry, err);
		return f->fd < 0 ? -1 : 0;
	}
	if (session_of_request(call, r->session, false, &f->session, err) < 0 ||
	    revision_load(&f->session, r->revision, &f->revision, err) < 0)
		return -1;
	if (r->all)
		return 0;
	e = revision_find_name(&f->revision, !r->name && !strncmp(what, "./", 2) ? what + 2 : what);
	if (!e)
		return err_set(err, ERR_NOT_FOUND, "no such file");
	if (entry_copy(&f->entry, e) < 0)
		return err_sys(err, ERR_INTERNAL, "allocate");
	f->fd = entry_open(&f->session, &f->entry, err);
	return f->fd < 0 ? -1 : 0;
}

static int send_all(int out, int fd, struct err *err)
{
	char buf[1 << 16];
	ssize_t n;

	/* between two files the kernel copies by itself; EXDEV, EINVAL: the output is none, or far away */
	do
		n = copy_file_range(fd, NULL, out, NULL, 1 << 30, 0);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n == 0)
		return 0;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (io_write_all(out, buf, (size_t)n) < 0)
			return err_sys(err, ERR_STORAGE, "write the file");
	return n < 0 ? err_sys(err, ERR_STORAGE, "read the stored file") : 0;
}

static int write_out(struct found *f, const struct request *r, int out, struct err *err)
{
	return r->all ? tar_write(&f->session, &f->revision, out, err) : send_all(out, f->fd, err);
}

/* A named output appears whole or not at all; what was there before stays until then. */
static int to_file(struct found *f, const struct request *r, struct err *err)
{
	char tmp[4200];
	int saved;

	(void)snprintf(tmp, sizeof(tmp), "%s.part-%d", r->out, (int)getpid());
	AUTO_FD int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0)
		return err_sys(err, ERR_STORAGE, "make '%.200s'", tmp);
	(void)fchmod(fd, 0644);
	if (write_out(f, r, fd, err) == 0) {
		if (rename(tmp, r->out) == 0)
			return 0;
		(void)err_sys(err, ERR_STORAGE, "make '%.200s'", r->out);
	}
	saved = errno;
	(void)unlink(tmp);
	errno = saved;
	return -1;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct found f = { .session = { .dir = -1, .user_dir = -1 }, .fd = -1 };
	struct request r = { 0 };
	int done = -1;

	if (json_decode(request, fields, FIELD_COUNT, &r, "", err) == 0 &&
	    find(call, &r, &f, err) == 0) {
		bool is_file = r.out && strcmp(r.out, "-") != 0;

		if (call->is_json && !r.out)
			done = err_set(err, ERR_REQUEST,
				       "out is needed: bytes and JSON cannot share the output");
		else
			done = is_file ? to_file(&f, &r, err) :
					 write_out(&f, &r, STDOUT_FILENO, err);
		call->is_done = !is_file;
		*ret = json_pack("{s:o,s:o,s:s,s:I}", "session", id_json(call, f.session.id), "id",
				 r.all ? json_null() : id_json(call, f.entry.id), "name",
				 r.all ? "" : f.entry.name, "size", (json_int_t)f.entry.size);
	}
	cleanup_fd(&f.fd);
	entry_done(&f.entry);
	revision_done(&f.revision);
	session_done(&f.session);
	json_release(fields, FIELD_COUNT, &r);
	return done;
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	VERB_SESSION_OPTION,
	{ 'o', "out", "out", OPTION_STRING, "OUT", "write to this file instead of stdout" },
	{ 'n', "name", "name", OPTION_STRING, "NAME", "a name that looks like an id" },
	{ 'r', "revision", "revision", OPTION_INT, "N", "as it was in an older revision" },
	{ 'a', "all", "all", OPTION_FLAG, NULL, "a tar of the whole revision" },
	{ 0 },
};

const struct verb verb_get = {
	.name = "get",
	.operands = "ID|NAME",
	.operand_member = "operands",
	.summary = "bring back a file, or all as a tar",
	.options = options,
	.run = run,
};
