// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_VERB_H
#define SBX_VERB_H

#include "err.h"
#include "json.h"

#include <stdio.h>

struct config;

/* What every verb is called with. Descriptors are opened when first asked for. */
struct call {
	const struct config *config;
	const char *program; /* the name this program was installed under */
	char user[65]; /* who is served: valid, never empty */
	bool is_json; /* the answer goes out as JSON */
	bool is_request; /* the request came as JSON, not from options */
	bool is_looking; /* sessions that are opened are not marked as used */
	bool id_short; /* ids go out in their 21-character form */
	bool is_aside; /* the run is made by sbx itself to look at something: it is not counted */
	bool is_erased; /* all of the user was removed: the record does not name who it was */
	bool is_done; /* run() wrote its output itself: nothing more is printed */
	int status; /* exit status of a verb that went well; 0 unless set */
	bool is_verdict; /* it is told with JSON too, where it is 0 otherwise */
	int storage, state; /* O_PATH-free directory descriptors, -1 until opened */
	const char *ip, *user_agent; /* told by a trusted caller, for the audit */
};

/* Opens (and makes) the directory of the store, of the state. Returns the descriptor, -1 with err. */
int call_storage(struct call *call, struct err *err);
int call_state(struct call *call, struct err *err);

/* A directory with those above it, each 0700; 0 also when it is there. */
int call_make_path(const char *path, struct err *err);

enum option_kind {
	OPTION_STRING, /* member gets a string */
	OPTION_INT, /* strict count */
	OPTION_SIZE, /* bytes, with K, M, G */
	OPTION_DURATION, /* ms, with ms, s, m, h, d */
	OPTION_FLAG, /* member gets true */
	OPTION_LIST, /* may be repeated: a list of strings */
	OPTION_MAP, /* NAME=VALUE, may be repeated: an object */
};

/* One option of a verb: it fills a member of the JSON request ("a/b": member b of a). */
struct option_row {
	char letter; /* 0: only the long form */
	const char *name;
	const char *member;
	enum option_kind kind;
	const char *value; /* what --help calls its argument; NULL for a flag */
	const char *help;
};

/*
 * A verb is one table row. Options and operands are made into the same JSON request that a program
 * sends, so there is one way in. run() decodes request strictly, does the work and sets *ret_answer
 * to an object of its own without "v" and "ok", which main adds. show() prints it for a person.
 */
struct verb {
	const char *name;
	const char *operands; /* "[FILE...]" as --help shows it, NULL: none are taken */
	const char *operand_member; /* gets the operands as a list of strings */
	const char *summary; /* one line, lower case */
	const struct option_row *options; /* up to a row without a name */
	bool takes_stdin; /* without options and operands a JSON request is on stdin */
	bool is_quiet; /* needs no user: doctor, config, profile */
	int (*run)(struct call *call, json_t *request, json_t **ret_answer, struct err *err);
	void (*show)(const struct call *call, json_t *answer, FILE *out);
};

/* The members that every request may have and main has read already; put into each table. */
#define VERB_FIELDS(type) \
	JSON_FIELD(type, user, .kind = JSON_KIND_STRING, .min = 1, .max = 64), \
		JSON_FIELD(type, id_form, .kind = JSON_KIND_STRING, .min = 1, .max = 8), \
		JSON_FIELD(type, ip, .kind = JSON_KIND_STRING, .max = 64), \
		JSON_FIELD(type, user_agent, .kind = JSON_KIND_STRING, .max = 256)
#define VERB_MEMBERS char *user, *id_form, *ip, *user_agent

#define VERB_USER_OPTION \
	{ \
		'u', "user", "user", OPTION_STRING, "USER", \
			"whose files and sessions (default: the login name)" \
	}
#define VERB_SESSION_OPTION \
	{ \
		's', "session", "session", OPTION_STRING, "ID", \
			"the session (default: the last one used)" \
	}

#endif
