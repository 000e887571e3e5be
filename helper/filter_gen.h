// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_FILTER_GEN_H
#define SBX_FILTER_GEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shared by the parts of filter_gen only. Whatever is wrong ends the program by die(). */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum {
	CALLS_MAX = 512,
	ARMS_MAX = 8, /* of a rule */
	CONDS_MAX = 4, /* of an arm */
	VALS_MAX = 40, /* of a condition */
};

struct sock_filter;

struct arch {
	const char *name;
	uint32_t scmp; /* libseccomp's word for it */
	uint32_t audit; /* the kernel's */
	bool has_x32;
};

struct cond { /* (low half of arg & mask) is one of vals */
	unsigned arg;
	uint32_t mask;
	size_t n;
	uint32_t vals[VALS_MAX];
};

struct arm { /* act if all conditions hold */
	size_t n;
	struct cond conds[CONDS_MAX];
	uint32_t act;
};

/* Actions are those of the kernel. A notifying one carries the errno that the supervisor will
 * give, which the kernel has no use for. */
struct rule {
	size_t n;
	struct arm arms[ARMS_MAX]; /* the first that holds decides */
	uint32_t otherwise;
	struct rule *next; /* of those that belong to the same profile */
};

struct call {
	const char *name;
	int nr; /* -1: this architecture has no such call */
	const struct rule *rule;
	const char *profile; /* the one that stated it */
};

struct profile {
	const char *name;
	uint32_t fallback;
	size_t n;
	struct call calls[CALLS_MAX];
	json_t *doc; /* owned; the names above lie in it */
	struct rule *rules; /* owned */
};

/* A place in a document: a chain of members up to the file. */
struct at {
	const struct at *up;
	const char *key; /* of the outermost: the name of the file */
	size_t index; /* if key is NULL */
};

/* Prints the place, if it is not NULL, and the message; ends the program. */
__attribute__((noreturn, format(printf, 2, 3))) void die(const struct at *at, const char *fmt, ...);

/* Zeroed heap; never NULL. */
void *alloc(size_t size);

/* Reads a file into known[n]; it may extend one of the n profiles before it. */
void profile_read(const char *path, struct profile *known, size_t n, const struct arch *arch);
void profile_done(struct profile *profile);

/* Whether the first len bytes of name are known; of an errno, the whole of it ('pretend' is 0). */
bool symbol_find(const char *name, size_t len, uint32_t *ret_value);
bool symbol_find_errno(const char *name, uint32_t *ret_value);

bool act_is_notify(uint32_t act);
bool rule_allows(const struct rule *rule);
/* The notifying action that a rule has, or 0. All that it has are the same. */
uint32_t rule_notify(const struct rule *rule);

/* The program of a profile whose calls are sorted by number, as *ret_n instructions on the heap.
 * Without can_notify, notifying actions become their errno. */
struct sock_filter *program_compile(const struct profile *profile, bool can_notify,
				    const struct arch *arch, size_t *ret_n);

#endif
