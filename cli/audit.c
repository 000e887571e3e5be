// SPDX-License-Identifier: Apache-2.0
#include "audit_private.h"

/* The line goes first, the head after it: a head that lags is mended by the next append. */
static int append_line(struct log *log, json_t *record, struct err *err)
{
	struct head next;
	size_t len;
	AUTO_FREE char *line = audit_line_make(&log->head, record, text_now_ms(), &next, &len);

	if (!line)
		return err_set(err, ERR_INTERNAL, "make an audit record: out of memory");
	/* not synced: a power cut may take the last records, and the torn end is then named */
	if (audit_pwrite_all(log->fd, line, len, log->head.offset) < 0) {
		(void)err_sys(err, ERR_INTERNAL, "write the audit log");
		(void)ftruncate(log->fd, log->head.offset); /* the next append would name it torn */
		return -1;
	}
	log->head = next;
	log->size = next.offset;
	if (audit_head_write(log->dir, &next) < 0)
		return err_sys(err, ERR_INTERNAL, "write the head of the audit log");
	return 0;
}

int audit_append_own(struct log *log, const char *action, const char *status, json_t *chain,
		     struct err *err)
{
	AUTO_JSON json_t *record = json_pack("{s:s,s:s,s:o}", "action", action, "status", status,
					     "chain", chain);

	if (!record)
		return err_set(err, ERR_INTERNAL, "make an audit record: out of memory");
	return append_line(log, record, err);
}

/* Goes along the chain from head as far as it holds; head ends behind the last good line. */
static int chain_along(int fd, int64_t from, int64_t end, struct head *head)
{
	AUTO_READER struct reader r = { 0 };
	const char *line;
	struct parts parts;
	bool is_erased;
	size_t len;
	int more;

	if (audit_reader_init(&r, fd, from, end) < 0)
		return -1;
	head->offset = from;
	while ((more = audit_reader_next(&r, &line, &len)) > 0) {
		if (audit_line_check(line, len, &parts, &is_erased))
			break;
		if (head->seq == 0 && from == 0 && head->offset == 0)
			head->seq = parts.seq -
				    1; /* a file read without knowing what came before */
		else if (memcmp(parts.prev, head->hash, HEX) != 0)
			break;
		if (parts.seq != head->seq + 1)
			break;
		head->seq++;
		memcpy(head->hash, parts.hash, HEX);
		head->offset = audit_reader_offset(&r);
	}
	return more < 0 ? -1 : 0;
}

/* Copies what stands behind the head, however long, and gives its hash. */
static int copy_tail(const struct log *log, const char *name, char *ret_hash)
{
	AUTO_FD int out = io_open(log->dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	AUTO_FREE char *buf = malloc(READ_SIZE);
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;
	int64_t at = log->head.offset;
	ssize_t n = -1;

	sha256_init(&ctx);
	while (out >= 0 && buf && (n = pread(log->fd, buf, READ_SIZE, at)) > 0) {
		sha256_update(&ctx, (size_t)n, (const uint8_t *)buf);
		if (io_write_all(out, buf, (size_t)n) < 0)
			return -1;
		at += n;
	}
	if (n != 0 || (log->config->fsync && fsync(out) < 0))
		return -1;
	sha256_digest(&ctx, sizeof(digest), digest);
	audit_hex_of(digest, sizeof(digest), ret_hash);
	return 0;
}

/* Moves what stands behind the head into a file of its own; *ret_note says so in the chain. */
static int set_aside(struct log *log, json_t **ret_note, struct err *err)
{
	int64_t bytes = log->size - log->head.offset;
	char name[NAME_SIZE], hash[HEX + 1];

	(void)snprintf(name, sizeof(name), "torn-%020" PRIu64 "-%" PRId64 ".txt", log->head.seq + 1,
		       text_now_ms());
	if (copy_tail(log, name, hash) < 0 || ftruncate(log->fd, log->head.offset) < 0)
		return err_sys(err, ERR_INTERNAL, "set the torn end of the audit log aside");
	log->size = log->head.offset;
	*ret_note = json_pack("{s:s,s:I,s:s}", "file", name, "bytes", (json_int_t)bytes, "sha256",
			      hash);
	return 0;
}

/* True when a rotation stopped between its rename and its head: the newest file ends at the head. */
static bool is_half_rotated(const struct log *log)
{
	AUTO_STRINGS char **names = audit_rotated_files(log->dir);
	size_t n = json_strings_count(names);
	struct head last = { 0 };

	if (n == 0 || log->size != 0)
		return false;
	AUTO_FD int fd = io_open_regular(log->dir, names[n - 1], O_RDONLY);
	if (fd < 0 || audit_size_of(fd) != log->head.offset)
		return false;
	return chain_along(fd, 0, log->head.offset, &last) == 0 && last.seq == log->head.seq &&
	       !memcmp(last.hash, log->head.hash, HEX);
}

/* The log is shorter than its head says: power loss, or a hand. The chain goes on from the head. */
static int mend_short(struct log *log, struct err *err)
{
	struct head good = { 0 }, was = log->head;
	json_t *torn = NULL;
	char boot[BOOT_SIZE];

	if (is_half_rotated(log)) {
		log->head.offset = 0;
		return 0;
	}
	if (chain_along(log->fd, 0, log->size, &good) < 0)
		return err_sys(err, ERR_INTERNAL, "read the audit log");
	audit_boot_id(boot);
	log->head.offset = good.offset;
	if (log->size > good.offset && set_aside(log, &torn, err) < 0)
		return -1;
	memcpy(log->head.boot, boot, sizeof(boot));
	/* nothing is left of this file: what was lost began at a number that nobody knows */
	return audit_append_own(log, "audit.lost", "error",
				json_pack("{s:I,s:I,s:b,s:o*}", "from",
					  (json_int_t)(good.seq ? good.seq + 1 : 0), "to",
					  (json_int_t)was.seq, "reboot",
					  strcmp(boot, was.boot) != 0, "torn", torn),
				err);
}

/* No head: a new log, or somebody took it away. */
static int mend_headless(struct log *log, struct err *err)
{
	AUTO_STRINGS char **names = audit_rotated_files(log->dir);
	size_t n = json_strings_count(names);
	struct head head = { .hash = ZERO_HASH };
	json_t *torn = NULL;

	if (!names)
		return err_sys(err, ERR_INTERNAL, "read the audit directory");
	if (chain_along(log->fd, 0, log->size, &head) < 0)
		return err_sys(err, ERR_INTERNAL, "read the audit log");
	if (head.seq == 0 && n > 0) {
		AUTO_FD int fd = io_open_regular(log->dir, names[n - 1], O_RDONLY);

		if (fd < 0 || chain_along(fd, 0, audit_size_of(fd), &head) < 0)
			return err_sys(err, ERR_INTERNAL, "read '%s'", names[n - 1]);
		head.offset = 0;
	}
	audit_boot_id(head.boot);
	log->head = head;
	if (log->size > head.offset && set_aside(log, &torn, err) < 0)
		return -1;
	if (head.seq == 0 && !torn)
		return 0;
	return audit_append_own(log, "audit.rebuilt", "error",
				json_pack("{s:I,s:o*}", "seq", (json_int_t)head.seq, "torn", torn),
				err);
}

/* Bytes behind the head: whole records of a writer killed before its head, then a torn one. */
static int mend_long(struct log *log, struct err *err)
{
	json_t *note = NULL;

	if (chain_along(log->fd, log->head.offset, log->size, &log->head) < 0)
		return err_sys(err, ERR_INTERNAL, "read the audit log");
	if (log->head.offset == log->size)
		return 0;
	if (set_aside(log, &note, err) < 0)
		return -1;
	return audit_append_own(log, "audit.torn", "error", note, err);
}

void audit_log_done(struct log *log)
{
	cleanup_fd(&log->fd);
	cleanup_fd(&log->lock); /* closing it frees the lock */
	cleanup_fd(&log->dir);
}

static int log_open_current(struct log *log, struct err *err)
{
	log->fd = io_open(log->dir, CURRENT, O_RDWR | O_CREAT, 0600);
	log->size = log->fd < 0 ? -1 : audit_size_of(log->fd);
	return log->size < 0 ? err_sys(err, ERR_INTERNAL, "open the audit log") : 0;
}

/* Opens and locks the log, and mends what a killed writer left. */
int audit_log_open(struct log *log, int state, const struct config *config, struct err *err)
{
	log->config = config;
	log->dir = audit_open_dir(state, err);
	if (log->dir < 0)
		return -1;
	log->lock = audit_lock_file(log->dir, ".lock", LOCK_EX, err);
	if (log->lock < 0 || log_open_current(log, err) < 0)
		return -1;
	if (audit_head_read(log->dir, &log->head) < 0)
		return mend_headless(log, err);
	if (log->size < log->head.offset)
		return mend_short(log, err);
	if (log->size > log->head.offset && mend_long(log, err) < 0)
		return -1;
	audit_boot_id(log->head.boot);
	return 0;
}

int audit_log_rotate(struct log *log, struct err *err)
{
	char start[64] = "", name[NAME_SIZE];
	uint64_t first;

	if (pread(log->fd, start, sizeof(start) - 1, 0) < 8 ||
	    sscanf(start, "{\"seq\":%20" SCNu64, &first) != 1)
		return err_set(err, ERR_CORRUPT, "the audit log does not begin with a record");
	(void)snprintf(name, sizeof(name), "audit-%020" PRIu64 ".jsonl", first);
	if (renameat2(log->dir, CURRENT, log->dir, name, RENAME_NOREPLACE) < 0)
		return err_sys(err, ERR_INTERNAL, "rotate the audit log to '%s'", name);
	cleanup_fd(&log->fd);
	log->fd = -1;
	if (log_open_current(log, err) < 0)
		return -1;
	log->head.offset = 0;
	if (log->config->fsync && fsync(log->dir) < 0)
		return err_sys(err, ERR_INTERNAL, "rotate the audit log");
	return audit_head_write(log->dir, &log->head) < 0 ?
		       err_sys(err, ERR_INTERNAL, "write the head of the audit log") :
		       0;
}

int audit_append(int state, const struct config *config, json_t *record, struct err *err)
{
	AUTO_JSON json_t *mine = record;
	bool is_rotated_now = false;

	if (!config->audit)
		return 0;
	if (!json_is_string(json_object_get(mine, "action")) ||
	    !json_is_string(json_object_get(mine, "status")))
		return err_set(err, ERR_INTERNAL, "an audit record without action or status");
	(void)json_object_del(mine, "chain"); /* only the log itself speaks of the chain */
	{
		AUTO_LOG struct log log = LOG_INIT;

		if (audit_log_open(&log, state, config, err) < 0)
			return -1;
		if (config->audit_bytes > 0 && log.head.offset >= config->audit_bytes) {
			is_rotated_now = true;
			if (audit_log_rotate(&log, err) < 0)
				return -1;
		}
		if (append_line(&log, mine, err) < 0)
			return -1;
	}
	/* what cannot be removed now is removed later; the record stands */
	if (is_rotated_now)
		(void)audit_expire(state, config, text_now_ms(), NULL, NULL);
	return 0;
}
