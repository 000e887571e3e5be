// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_AUDIT_PRIVATE_H
#define SBX_AUDIT_PRIVATE_H

/* What the parts of the audit log share: lines, files, and the state of one that is open. */
#include "audit.h"
#include "cleanup.h"
#include "config.h"
#include "io.h"
#include "text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define CURRENT "audit.jsonl"
#define HASH_KEY ",\"hash\":\""
#define PREV_KEY ",\"prev\":\""
#define PRIVATE_KEY ",\"privateHash\":\""
#define SALT_KEY ",\"salt\":\""
#define ERASED_KEY ",\"erased\":true"
#define ZERO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

enum {
	HEX = 64,
	PREV_LEN = sizeof(PREV_KEY) - 1 + HEX + 1,
	PRIVATE_LEN = sizeof(PRIVATE_KEY) - 1 + HEX + 1,
	TIME_LEN = 24,
	READ_SIZE = 1 << 20,
	NAME_SIZE = 64,
	BOOT_SIZE = 40,
};

/* Where the chain ends: what the next record is appended to. */
struct head {
	uint64_t seq;
	int64_t offset; /* in the current file */
	char hash[HEX + 1];
	char boot[BOOT_SIZE]; /* the boot it was written in: after another one, bytes may be gone */
};

/* The log opened and locked for appending. */
struct log {
	int dir, lock, fd;
	int64_t size;
	struct head head;
	const struct config *config;
};
struct reader {
	int fd;
	int64_t at, end; /* file offsets: of the next byte to read, and where to stop */
	char *buf;
	size_t start, len, size;
};

struct parts {
	uint64_t seq;
	const char *action; /* what follows `"action":"` */
	const char *private_hash, *prev, *hash;
	const char *rest; /* behind the hash: the private part or its absence */
	size_t rest_len, public_len;
};

int audit_pwrite_all(int fd, const char *buf, size_t len, int64_t at);
int audit_reader_init(struct reader *r, int fd, int64_t from, int64_t end);
int audit_reader_next(struct reader *r, const char **ret_line, size_t *ret_len);
int audit_open_dir(int state, struct err *err);
/* Gives the current file the number of its first record as its name, and begins the next. */
int audit_log_rotate(struct log *log, struct err *err);
int audit_log_open(struct log *log, int state, const struct config *config, struct err *err);
void audit_boot_id(char *ret);
int64_t audit_reader_offset(const struct reader *r);
int audit_head_write(int dir, const struct head *head);
void audit_needle(char *buf, size_t size, const char *member, const char *value);
int audit_lock_file(int dir, const char *name, int how, struct err *err);
int audit_append_own(struct log *log, const char *action, const char *status, json_t *chain,
		     struct err *err);
int audit_head_read(int dir, struct head *ret);
const char *audit_line_check(const char *line, size_t len, struct parts *ret, bool *ret_erased);
void audit_strings_cleanup(char ***list);
const char *audit_time_of(const char *line, size_t len, char *buf);
bool audit_has(const char *line, size_t len, const char *text);
void audit_hex_of(const uint8_t *bytes, size_t len, char *ret);
const char *audit_line_split(const char *line, size_t len, struct parts *ret);
bool audit_is_equal(json_t *record, const char *member, const char *value);
int64_t audit_size_of(int fd);
char **audit_rotated_files(int dir);
void audit_log_done(struct log *log);
char *audit_line_make(const struct head *head, json_t *record, int64_t now_ms,
		      struct head *ret_head, size_t *ret_len);
void audit_reader_done(struct reader *r);

/* Released by scope. */
#define AUTO_READER __attribute__((cleanup(audit_reader_done)))
#define AUTO_STRINGS __attribute__((cleanup(audit_strings_cleanup)))
#define AUTO_LOG __attribute__((cleanup(audit_log_done)))
#define LOG_INIT \
	{ \
		.dir = -1, .lock = -1, .fd = -1 \
	}

#endif
