// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_OPTIONS_H
#define SBX_OPTIONS_H

#include "verb.h"

/* What main itself takes from a command line; the rest became the request. */
struct globals {
	bool is_json, is_help, die_with_parent;
	const char *request; /* --request FILE, "-": stdin */
	int options, operands; /* how many there were, --json and the like not counted */
};

/* Makes the words behind the verb into a request object. ERR_USAGE names what is wrong. */
int options_parse(const struct verb *verb, int argc, char **argv, json_t *request,
		  struct globals *ret, struct err *err);
void options_help(const struct verb *verb, const char *program, FILE *out);

#endif
