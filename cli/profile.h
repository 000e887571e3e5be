// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_PROFILE_H
#define SBX_PROFILE_H

#include "err.h"
#include "json.h"

struct config;

/* Ceilings of a profile, or what a request asks for (0 there: the ceiling). */
struct limits {
	int64_t wall_ms, cpu_ms, compile_ms, memory_bytes, swap_bytes, processes, open_files;
	int64_t file_bytes, stack_bytes, scratch_bytes, scratch_files, stdout_bytes, stderr_bytes;
	int64_t cpu_percent, io_bytes_per_s; /* 0: not limited */
};

int limits_decode(json_t *object, struct limits *ret, const char *at, struct err *err);
json_t *limits_json(const struct limits *limits);
/* Takes what request lowers; asking for more than ceiling is ERR_LIMIT at /limits/NAME. */
int limits_lower(const struct limits *request, const struct limits *ceiling, struct limits *ret,
		 struct err *err);

struct language {
	char *name; /* the long one */
	char *file; /* what the code is called in the jail */
	char **run, **compile, **version, **aliases, **support; /* {file}: the code's path */
	char **env;
};

struct profile {
	char *name;
	json_t *doc; /* resolved: all that it extends is in it */
	json_t *origins; /* member -> the profile that sets it */
	char *root, *seccomp, *network, *description, *prompt;
	bool exec_writable;
	int64_t landlock_min;
	struct limits limits;
	char **env, **require, **mounts, **keep;
	json_t *languages, *limits_doc, *tools, *libraries, *commands;
};

/* Finds NAME.json in the operator's and the shipped directory. ERR_NOT_FOUND, ERR_CONFIG. */
int profile_load(const struct config *config, const char *name, struct profile *ret,
		 struct err *err);
void profile_done(struct profile *profile);
/* Reads a profile without what it extends; NULL on failure. */
json_t *profile_read(const struct config *config, const char *name, struct err *err);
/* Names of all profiles there are, sorted; a JSON array. */
json_t *profile_names(const struct config *config);

/* By name or alias; ERR_POLICY when the profile has none such. */
int profile_language(const struct profile *profile, const char *name, struct language *ret,
		     struct err *err);
void language_done(struct language *language);

#endif
