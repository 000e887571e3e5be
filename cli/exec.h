// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_EXEC_H
#define SBX_EXEC_H

#include "cgroup.h"
#include "run.h"
#include "verb.h"

/* A request of exec, decoded; owns what it points to. */
struct exec_request {
	bool is_counted; /* of exec_aside(): a run of the user all the same, with a receipt */
	VERB_MEMBERS;
	char *session, *lang, *code, *stdin_text, *profile, *commit, *missing, *encoding, *file,
		*stdin_file;
	char **argv, **args, **env, **require, **operands;
	json_t *files, *limits_json;
	int64_t stdin_fd;
	bool stream;
	struct limits limits;
	bool is_bare; /* not of the request: no layers of the profile */
	const char *probe; /* not of the request: a program of ours, seen as /run/sbx/probe */
};

int exec_decode(struct call *call, json_t *request, struct exec_request *ret, struct err *err);
void exec_release(struct exec_request *request);

/* Everything of one run, from the request to the answer. */
struct exec {
	struct call *call;
	const struct exec_request *request;
	struct profile profile;
	struct language language;
	struct limits limits;
	struct session session;
	struct session *others; /* further sessions that inputs come from */
	size_t other_count;
	struct stage stage;
	struct spec spec;
	struct jail_run run;
	struct cgroup cgroup;
	struct collect collect;
	struct mime mime;
	json_t *skipped; /* inputs that were not found and may be missing */
	int64_t base_revision, revision;
	int64_t begin_us, staged_us, wait_ms;
	int64_t collect_us;
	int slot;
	const char *status;
};

/* Resolves files[] (or the whole revision) into inputs of the stage. */
int exec_inputs(struct exec *exec, struct input **ret, size_t *ret_count, struct err *err);
/* Fills exec->spec from profile, language and request. */
int exec_spec(struct exec *exec, struct err *err);
/* Tells the status by evidence and builds the answer. */
json_t *exec_answer(struct exec *exec);
/* Finds an entry by id in any revision of a session that has not had it removed. */
int entry_by_id(const struct session *session, const char *id, struct entry *ret, struct err *err);
/* An id in the form that the call asked for, as a new JSON string. */
json_t *id_json(const struct call *call, const char *id);
/* Runs one decoded request to its answer. */
int exec_run(struct call *call, const struct exec_request *request, json_t **ret, struct err *err);
/* The same, quietly and in a new session of its own, whatever form the verb was called in. */
int exec_aside(struct call *call, const struct exec_request *request, json_t **ret,
	       struct err *err);
/*
 * Runs a request that a verb made of its own, with what it prints going out live; in the shell form the
 * exit status becomes that of the program, as exec gives it.
 */
int exec_document(struct call *call, json_t *request, json_t **ret, struct err *err);
/* Removes the session that such a run was given. */
void exec_forget_session(struct call *call, json_t *answer);
/* The version of a language as its own run-time tells it, remembered in the state; "" unknown. */
void language_version(struct call *call, const struct profile *profile,
		      const struct language *language, char *ret, size_t size);

#endif
