// SPDX-License-Identifier: Apache-2.0
/* Sessions are directories <storage>/<user>/<session>; what they are called was checked before. */
#include "store.h"

#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "names.h"
#include "text.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { FORMAT_VERSION = 1 };

static int not_found(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "no such session");
}

static void init(struct session *s, struct call *call, const char *user)
{
	memset(s, 0, sizeof(*s));
	s->user_dir = s->dir = -1;
	s->config = call->config;
	(void)snprintf(s->user, sizeof(s->user), "%s", user);
}

static int open_user(struct call *call, struct session *s, bool make, struct err *err)
{
	int storage = call_storage(call, err);

	if (storage < 0)
		return -1;
	if (!name_is_user(call->config, s->user))
		return err_set(err, ERR_REQUEST, "'%.64s' is no valid name of a user", s->user);
	if (make && io_mkdir(storage, s->user) < 0)
		return err_sys(err, ERR_STORAGE, "make the user's directory");
	s->user_dir = io_open_dir(storage, s->user);
	if (s->user_dir < 0)
		return errno == ENOENT ? not_found(err) :
					 err_sys(err, ERR_STORAGE, "open the user's directory");
	return 0;
}

int session_open(struct call *call, const char *user, const char *id, struct session *ret,
		 struct err *err)
{
	init(ret, call, user);
	if (!id_parse(id, ret->id))
		return not_found(err);
	if (open_user(call, ret, false, err) < 0)
		goto undo_session;
	ret->dir = io_open_dir(ret->user_dir, ret->id);
	if (ret->dir < 0) {
		(void)(errno == ENOENT ? not_found(err) :
					 err_sys(err, ERR_STORAGE, "open the session"));
		goto undo_session;
	}
	/* its time of use is what gc goes by; looking at it is no use */
	if (!call->is_looking)
		(void)utimensat(ret->dir, ".session.json", NULL, 0);
	(void)session_sweep(ret);
	return 0;
undo_session:
	session_done(ret);
	return -1;
}

static int64_t count_sessions(int user_dir)
{
	struct stat st;

	/* a directory has a link for itself, one from above and one from each directory in it; a file
	 * system that does not count so says 1 */
	return fstat(user_dir, &st) == 0 && st.st_nlink > 2 ? (int64_t)st.st_nlink - 2 : 0;
}

int session_make(struct call *call, const char *user, struct session *ret, struct err *err)
{
	char text[200];

	init(ret, call, user);
	id_new(ret->id);
	if (open_user(call, ret, true, err) < 0)
		goto undo_session;
	if (count_sessions(ret->user_dir) >= call->config->user_sessions) {
		(void)err_set(err, ERR_QUOTA, "user_sessions: the user has %lld sessions already",
			      (long long)call->config->user_sessions);
		(void)err_hint(err,
			       "remove some with 'sbx rm --session-all', or let 'sbx gc' do it");
		goto undo_session;
	}
	if (mkdirat(ret->user_dir, ret->id, 0700) < 0 ||
	    (ret->dir = io_open_dir(ret->user_dir, ret->id)) < 0 ||
	    mkdirat(ret->dir, ".manifest", 0700) < 0) {
		(void)err_sys(err, ERR_STORAGE, "make a session");
		goto undo_session;
	}
	(void)snprintf(text, sizeof(text), "{\"v\":%d,\"created\":%lld,\"ttl_ms\":%lld}\n",
		       FORMAT_VERSION, (long long)text_now_ms(),
		       (long long)call->config->session_ttl_ms);
	if (io_create_file(ret->dir, ".session.json", text, strlen(text), call->config->fsync) <
		    0 ||
	    (call->config->fsync && fsync(ret->user_dir) < 0)) {
		(void)err_sys(err, ERR_STORAGE, "make a session");
		goto undo_session;
	}
	ret->is_new = true;
	return 0;
undo_session:
	if (ret->user_dir >= 0)
		(void)io_remove_tree(ret->user_dir, ret->id);
	session_done(ret);
	return -1;
}

int session_stage(const struct call *call, const char *user, int user_dir, int hidden,
		  const char *id, struct session *ret, struct err *err)
{
	char text[200];
	int n = snprintf(text, sizeof(text), "{\"v\":%d,\"created\":%lld,\"ttl_ms\":%lld}\n",
			 FORMAT_VERSION, (long long)text_now_ms(),
			 (long long)call->config->session_ttl_ms);

	memset(ret, 0, sizeof(*ret));
	ret->user_dir = user_dir;
	ret->config = call->config;
	(void)snprintf(ret->user, sizeof(ret->user), "%s", user);
	(void)snprintf(ret->id, sizeof(ret->id), "%s", id);
	if (mkdirat(hidden, id, 0700) < 0 || (ret->dir = io_open_dir(hidden, id)) < 0 ||
	    mkdirat(ret->dir, ".manifest", 0700) < 0 ||
	    io_create_file(ret->dir, ".session.json", text, (size_t)n, call->config->fsync) < 0)
		return err_sys(err, ERR_STORAGE, "make a session");
	return 0;
}

static int open_last_dir(struct call *call, struct err *err)
{
	int state = call_state(call, err), dir;

	if (state < 0)
		return -1;
	if (io_mkdir(state, "last") < 0 || (dir = io_open_dir(state, "last")) < 0)
		return err_sys(err, ERR_STORAGE, "open the state directory");
	return dir;
}

int session_of_request(struct call *call, const char *id, bool may_make, struct session *ret,
		       struct err *err)
{
	if (id)
		return session_open(call, call->user, id, ret, err);
	if (call->is_request) {
		if (may_make)
			return session_make(call, call->user, ret, err);
		(void)err_set(err, ERR_REQUEST, "a session is needed");
		return err_at(err, "/session");
	}
	AUTO_FD int last = open_last_dir(call, err);
	if (last < 0)
		return -1;
	AUTO_FREE char *text = io_read_file(last, call->user, 64, NULL);
	if (text && session_open(call, call->user, text, ret, NULL) == 0)
		return 0;
	if (!may_make) {
		(void)err_set(err, ERR_NOT_FOUND, "no session yet");
		return err_hint(err, "'sbx upload' or 'sbx exec' makes one, -s names one");
	}
	if (session_make(call, call->user, ret, err) < 0)
		return -1;
	(void)io_replace_file(last, call->user, ret->id, strlen(ret->id),
			      false); /* a convenience */
	return 0;
}

void session_done(struct session *session)
{
	cleanup_fd(&session->dir);
	cleanup_fd(&session->user_dir);
	session->dir = session->user_dir = -1;
}

int session_lock(struct session *session, struct err *err)
{
	int done;

	do
		done = flock(session->dir, LOCK_EX);
	while (done < 0 && errno == EINTR);
	return done < 0 ? err_sys(err, ERR_STORAGE, "lock the session") : 0;
}

int session_unlock(struct session *session)
{
	return flock(session->dir, LOCK_UN);
}

void session_drop_new(struct session *session)
{
	if (session->is_new && session->dir >= 0 && revision_newest(session) == 0)
		(void)io_remove_tree(session->user_dir, session->id); /* fsck finds what stays */
}

int session_sweep(const struct session *session)
{
	AUTO_FD int runs = io_open_dir(session->dir, ".run");
	int again = runs < 0 ? -1 : openat(runs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	    swept = 0;
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *de;

	/* a run that is just being made has no lock of its own yet: then another time, see stage_make() */
	if (runs < 0 || flock(runs, LOCK_EX | LOCK_NB) < 0)
		return 0;
	while (dir && (de = readdir(dir))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		AUTO_FD int run = io_open_dir(runs, de->d_name);
		/* its lock is free: whoever made it is dead */
		if (run >= 0 && flock(run, LOCK_EX | LOCK_NB) == 0 &&
		    io_remove_tree(runs, de->d_name) == 0)
			swept++;
	}
	return swept;
}
