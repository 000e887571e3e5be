// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_RUN_H
#define SBX_RUN_H

#include "jail.h"
#include "mime.h"
#include "profile.h"
#include "store.h"

struct call;

/* One file of a run's view: a name, and where its bytes are. */
struct input {
	struct entry entry; /* the name is the one in the workspace */
	struct session *from; /* not owned; the session that holds it */
	bool read_only;
	bool is_seen; /* the harvest has met its name */
};

/* The directory of a run below .run/, with the view in it; locked while sbx lives. */
struct stage {
	char exec[ID_SIZE];
	int runs, dir;
	int view; /* directory with "in" and "dirs", for the jail */
	struct input *inputs; /* sorted by name */
	size_t count;
	int64_t input_bytes; /* of files that stay in the lower layer */
};

/*
 * Makes the view of inputs, which are ret's from now on. revision: the one that they are all of, whose
 * view is kept for other runs when it is large; 0 when they are chosen.
 */
int stage_make(const struct session *session, struct input *inputs, size_t count, int64_t revision,
	       struct stage *ret, struct err *err);
/* Makes the view of a large revision before a run needs it. Only a matter of speed: nothing fails. */
void stage_prepare(struct session *session, const struct revision *revision);
/* The whole of a revision as inputs of the session, to be freed by stage_done. NULL without memory. */
struct input *stage_inputs(struct session *session, const struct revision *revision);
void stage_done(struct stage *stage);
struct input *stage_find(const struct stage *stage, const char *name);

/* The kept view of a revision, with a shared lock that goes with the descriptor; -1 when there is none. */
int kept_open(const struct session *session, int64_t revision);
/* Keeps the view "made" beneath dir as that of the revision, and removes those of others. */
void kept_publish(const struct session *session, int64_t revision, int dir, const char *made);
/* Removes all kept views but one that nobody uses. */
void kept_sweep(const struct session *session, int64_t keep);

/* What a run left: filled while the harvest goes on. */
struct change {
	struct entry entry; /* the new one; for "deleted" the old one */
	char from[ID_SIZE]; /* the file that it takes the place of, or "" */
	char kind; /* 'c' created, 'm' modified, 'd' deleted */
};

struct collect {
	struct session *session;
	struct stage *stage;
	const struct limits *limits;
	struct mime *mime;
	const char *exec;
	char **keep; /* extensions that are kept, NULL: all */
	int commit; /* 's' success, 'a' always, 'n' never */
	bool is_keeping; /* told by the first packet */
	bool has_status; /* which has come */
	bool is_committed; /* the changes are in a revision */
	struct change *changes;
	size_t count;
	json_t *skipped; /* array of {name, reason} */
	int64_t bytes, files;
};

int collect_take(void *taker, char type, char why, const char *name, size_t len, int fd,
		 struct err *err);
/* After the harvest: names that were not met are deletions. overlay: only those in directories. */
int collect_finish(struct collect *collect, bool overlay, struct err *err);
/* Commits the changes as one revision; *ret_revision is the new one, or the old one without changes. */
int collect_commit(struct collect *collect, int64_t *ret_revision, struct err *err);
void collect_skip(struct collect *collect, const char *name, size_t len, const char *reason);
/* Without a commit the stored files of the changes are removed again. */
void collect_done(struct collect *collect);

#endif
