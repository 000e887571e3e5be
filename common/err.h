// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_ERR_H
#define SBX_ERR_H

#include <stdbool.h>
#include <stddef.h>

/* Stable codes: each stands once in the table of err.c with its exit status. */
enum err_code {
	ERR_NONE,
	ERR_USAGE, /* the command line is off */
	ERR_REQUEST, /* the JSON request is off: pointer says where */
	ERR_LIMIT, /* asked for more than the profile allows */
	ERR_NOT_FOUND, /* absent, or somebody else's: the same answer */
	ERR_STORAGE, /* the disk is full or refuses */
	ERR_QUOTA, /* a quota of session or user is reached */
	ERR_BUSY, /* no slot, or the host is under pressure */
	ERR_RATE, /* too often: retry_ms says when to come back */
	ERR_POLICY, /* the profile or the configuration forbids it */
	ERR_ISOLATION, /* this host cannot isolate as asked */
	ERR_RUNTIME, /* a language's interpreter is not there */
	ERR_CONFIG, /* configuration or profile file is wrong */
	ERR_CORRUPT, /* the store or the audit log fails its check */
	ERR_INTERNAL, /* our own mistake, or the kernel failed us */
	ERR_COUNT
};

/* No heap and no pointer: works without memory and crosses a pipe as it is. */
struct err {
	enum err_code code;
	int sys; /* errno of the cause, or 0 */
	long retry_ms; /* when to come back; 0: unknown */
	char pointer[160]; /* JSON pointer into the request, or "" */
	char msg[400];
	char hint[400];
};

/* All fill err (which may be NULL) and return -1. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Adds ": " and the text of errno; ENOSPC and EDQUOT become ERR_STORAGE, ENOENT stays as given. */
int err_sys(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Puts "text: " before the message that is there already. */
int err_ctx(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Sets the JSON pointer if none is set yet. */
int err_at(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

const char *err_name(enum err_code code); /* "E_NOT_FOUND" */
int err_status(enum err_code code); /* exit status of sysexits(3) kind */
const char *err_meaning(enum err_code code); /* one line for the manual */
/* Name of an errno, as "EPERM"; "E?" for one that libc does not know. */
const char *err_errno(int sys);

#endif
