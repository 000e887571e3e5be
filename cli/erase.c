// SPDX-License-Identifier: Apache-2.0
/* Removing whole sessions and users: first out of sight by a rename, then in pieces. */
#include "cleanup.h"
#include "io.h"
#include "names.h"
#include "store.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { ROUNDS = 1000 };

/* True while a run, alive by its lock, is in the session. */
static bool is_in_use(const struct session *session)
{
	AUTO_FD int runs = io_open_dir(session->dir, ".run");
	int again = runs < 0 ? -1 : openat(runs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *de;

	while (dir && (de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		AUTO_FD int run = io_open_dir(runs, de->d_name);
		if (run >= 0 && flock(run, LOCK_EX | LOCK_NB) < 0)
			return true;
	}
	return false;
}

/* Removes the stored files of a session and takes them out of the index; the bytes they held. */
static int64_t remove_stored(int storage, int session_dir)
{
	int again = openat(session_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *de;
	int64_t sum = 0;

	while (dir && (de = readdir(dir))) {
		char id[ID_SIZE], full[ID_SIZE], path[64];
		struct stat st;

		if (strlen(de->d_name) < 38 || de->d_name[36] != '.')
			continue;
		(void)snprintf(id, sizeof(id), "%.36s", de->d_name);
		if (!id_parse(id, full) ||
		    fstatat(session_dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		(void)snprintf(path, sizeof(path), ".ids/%.2s/%s", full, full);
		(void)unlinkat(storage, path, 0);
		/* who removes a file takes its bytes off the user's sum, and nobody else */
		if (unlinkat(session_dir, de->d_name, 0) == 0)
			sum += st.st_size;
	}
	return sum;
}

int grave_empty(int storage, int user_dir, const char *grave, int64_t *ret_bytes)
{
	static const char *const rest[] = { ".session.json", ".manifest", ".run", ".view" };
	int round;
	size_t i;

	*ret_bytes = 0;
	/* a run that still has the session open may put one more file in, until the directory is gone */
	for (round = 0; round < ROUNDS; round++) {
		AUTO_FD int dir = io_open_dir(user_dir, grave);

		if (dir < 0)
			return errno == ENOENT ? 0 : -1;
		*ret_bytes += remove_stored(storage, dir);
		for (i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
			if (io_remove_tree(dir, rest[i]) < 0)
				return -1;
		if (unlinkat(user_dir, grave, AT_REMOVEDIR) == 0)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -1;
	}
	return io_remove_tree(user_dir, grave); /* something that is not ours lies in it */
}

int hidden_erase(int storage, int user_dir, const char *name, bool only_dead)
{
	AUTO_FD int hidden = io_open_dir(user_dir, name);
	int again = hidden < 0 ? -1 : openat(hidden, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct session session = { .user_dir = user_dir, .dir = -1 };
	struct dirent *de;
	int64_t bytes;

	if (hidden < 0)
		return errno == ENOENT ? 0 : -1;
	if (only_dead && flock(hidden, LOCK_EX | LOCK_NB) < 0)
		return 1;
	while (dir && (de = readdir(dir))) {
		if (!id_is(de->d_name))
			continue;
		(void)grave_empty(storage, hidden, de->d_name,
				  &bytes); /* what stays goes with the tree */
		(void)usage_add(&session, -bytes, NULL);
	}
	return io_remove_tree(user_dir, name);
}

int session_erase(struct call *call, struct session *session, bool force, struct err *err)
{
	int storage = call_storage(call, err);
	char grave[64];
	int64_t bytes;
	int failed;

	if (storage < 0 || session_lock(session, err) < 0)
		return -1;
	if (!force && is_in_use(session))
		return err_set(err, ERR_BUSY, "a run is going on in the session");
	(void)snprintf(grave, sizeof(grave), ".gone-%s", session->id);
	if (renameat(session->user_dir, session->id, session->user_dir, grave) < 0)
		return err_sys(err, ERR_STORAGE, "remove the session");
	failed = grave_empty(storage, session->user_dir, grave, &bytes);
	if (failed < 0)
		(void)err_sys(err, ERR_STORAGE, "remove the session's files");
	return usage_add(session, -bytes, failed < 0 ? NULL : err) < 0 ? -1 : failed;
}

int user_erase(struct call *call, const char *user, int64_t *ret_sessions, struct err *err)
{
	int storage = call_storage(call, err);
	struct dirent *de;

	*ret_sessions = 0;
	if (storage < 0)
		return -1;
	if (!name_is_user(call->config, user))
		return err_set(err, ERR_REQUEST, "'%.64s' is no valid name of a user", user);
	AUTO_FD int user_dir = io_open_dir(storage, user);
	if (user_dir < 0)
		return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "no such user") :
					 err_sys(err, ERR_STORAGE, "open the user's directory");
	int again = openat(user_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_DIR DIR *dir = again < 0 ? NULL : fdopendir(again);
	while (dir && (de = readdir(dir))) {
		struct session session;

		if (!id_is(de->d_name) || session_open(call, user, de->d_name, &session, err) < 0)
			continue;
		int done = session_erase(call, &session, true, err);
		session_done(&session);
		if (done < 0)
			return -1;
		++*ret_sessions;
	}
	return io_remove_tree(storage, user) < 0 ? err_sys(err, ERR_STORAGE, "remove the user") : 0;
}
