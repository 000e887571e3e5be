// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_STORE_H
#define SBX_STORE_H

#include "err.h"
#include "ids.h"
#include "json.h"

#include <stdbool.h>
#include <stdint.h>

struct call;
struct config;

/* An open session: its directory; ids are the long form. */
struct session {
	char user[65], id[ID_SIZE];
	int user_dir, dir;
	const struct config *config;
	bool is_new;
};

/* One name of a revision and the stored file behind it. */
struct entry {
	char *name;
	char id[ID_SIZE], extension[16], sha256[65], exec[ID_SIZE];
	char mime[100];
	int64_t size, created; /* created: ms since 1970 */
	bool is_run, read_only; /* made by a run, not uploaded */
};

struct revision {
	int64_t number, parent, created;
	char op[16], exec[ID_SIZE];
	struct entry *entries; /* sorted by name, names unique */
	size_t count;
};

/*
 * Makes a session out of sight, below the directory hidden of the user's directory: seen when it has
 * been renamed to the user's directory itself. user_dir is not owned by the session.
 */
int session_stage(const struct call *call, const char *user, int user_dir, int hidden,
		  const char *id, struct session *ret, struct err *err);
/* Opens a session of user. Absent, foreign and malformed ids are one and the same ERR_NOT_FOUND. */
int session_open(struct call *call, const char *user, const char *id, struct session *ret,
		 struct err *err);
/* Makes a session; with id NULL a new id. */
int session_make(struct call *call, const char *user, struct session *ret, struct err *err);
/* The session that a request means: id, or the last one of the user in a shell, or a new one if may_make. */
int session_of_request(struct call *call, const char *id, bool may_make, struct session *ret,
		       struct err *err);
void session_done(struct session *session);
/* Waits for and takes the lock that orders commits; released with session_done(). */
int session_lock(struct session *session, struct err *err);
int session_unlock(struct session *session);
/* Removes a session that had nothing committed: an upload or run that failed leaves none behind. */
void session_drop_new(struct session *session);

/* Revision number, or the newest when it is 0. A session without any has revision 0, empty. */
int revision_load(const struct session *session, int64_t number, struct revision *ret,
		  struct err *err);
void revision_done(struct revision *revision);
int64_t revision_newest(const struct session *session);
/* By id (either form) or by name; NULL: not in it. */
struct entry *revision_find(const struct revision *revision, const char *id_or_name);
struct entry *revision_find_name(const struct revision *revision, const char *name);
/* Adds a copy of entry, taking the place of one of that name. */
int revision_put(struct revision *revision, const struct entry *entry, struct err *err);
void revision_remove(struct revision *revision, size_t index);
/*
 * Writes revision as the one after the newest; the session must be locked. number and parent are
 * set here. Checks the quotas of names. On failure nothing is visible.
 */
int revision_commit(struct session *session, struct revision *revision, const char *op,
		    const char *exec, struct err *err);
/* A revision as the document that is stored, and back: strict, ERR_CORRUPT for what is none. */
json_t *revision_encode(const struct revision *revision);
int revision_decode(json_t *doc, struct revision *ret, struct err *err);
/* True when a and b would both be names of one tree: neither is a directory of the other. */
bool revision_conflicts(const struct revision *revision, const char *name, size_t *ret_index);
void entry_done(struct entry *entry);
int entry_copy(struct entry *to, const struct entry *from);

/*
 * A stored file in the making: an unnamed file that is gone by itself when nothing comes of it.
 */
struct blob {
	int fd;
	int64_t size, room; /* room: bytes that quotas leave */
	int64_t written; /* up to here the disk was told to begin */
	bool sync;
	char sha256[65];
	const char *room_why; /* which setting sets the bound */
};

int blob_begin(const struct session *session, struct blob *ret, struct err *err);
/* Copies from fd to its end; more than room is ERR_QUOTA. A regular file is read from offset 0. */
int blob_fill(struct blob *blob, int fd, struct err *err);
/* Copies exactly len bytes from fd, which may be a pipe. */
int blob_fill_some(struct blob *blob, int fd, int64_t len, struct err *err);
int blob_write(struct blob *blob, const void *data, size_t len, struct err *err);
/* Gives the file its name and puts it into the id index; fills id, size, sha256, created of entry. */
int blob_keep(const struct session *session, struct blob *blob, struct entry *entry,
	      struct err *err);
/* The same under the id that entry has; ERR_REQUEST when a file has it already. */
int blob_keep_as(const struct session *session, struct blob *blob, struct entry *entry,
		 struct err *err);
void blob_done(struct blob *blob);
/* Takes back what blob_keep did, for a commit that did not happen. */
void blob_forget(const struct session *session, const struct entry *entry);
/* Opens a stored file for reading. */
int entry_open(const struct session *session, const struct entry *entry, struct err *err);

/* Where a file is, by its id alone: user and session of at most 64 and 36 bytes. */
int index_find(struct call *call, const char *id, char *ret_user, char *ret_session,
	       struct err *err);

/* Bytes that all sessions of a user hold; add may be negative. Returns the new sum, -1 on failure. */
int64_t usage_add(const struct session *session, int64_t add, struct err *err);

/* Removes a whole session, a whole user. ERR_BUSY when a run is in it and force is not set. */
int session_erase(struct call *call, struct session *session, bool force, struct err *err);
int user_erase(struct call *call, const char *user, int64_t *ret_sessions, struct err *err);
/*
 * Empties and removes the directory of a session that was put out of sight (".gone-ID"), and tells the
 * bytes of stored files that went; 0, or -1 with errno.
 */
int grave_empty(int storage, int user_dir, const char *grave, int64_t *ret_bytes);
/*
 * Empties and removes a hidden directory (".import-ID") of sessions that were never seen. With
 * only_dead one that is locked, since an import goes on, stays: 1 then; 0, or -1 with errno.
 */
int hidden_erase(int storage, int user_dir, const char *name, bool only_dead);
/* Removes the directories of runs that are no more; number of them. */
int session_sweep(const struct session *session);

#endif
