// SPDX-License-Identifier: Apache-2.0
/* What leaves: rotated files by age, and what tells of a user. */
#include "audit_private.h"

struct last {
	uint64_t seq;
	char hash[HEX + 1], when[32];
};

static int last_line(const char *line, size_t len, void *arg)
{
	struct last *last = arg;
	struct parts p;

	if (audit_line_split(line, len, &p))
		return -1;
	last->seq = p.seq;
	memcpy(last->hash, p.hash, HEX);
	last->hash[HEX] = 0;
	(void)audit_time_of(line, len, last->when);
	return 1;
}

static int last_of(int dir, const char *name, struct last *ret)
{
	AUTO_FD int fd = io_open_regular(dir, name, O_RDONLY);

	return fd >= 0 && audit_lines_back(fd, audit_size_of(fd), last_line, ret) == 1 ? 0 : -1;
}

/* A log that never grows would never expire: its file is closed when its first record is this old. */
static int rotate_old(struct log *log, const struct config *config, int64_t now_ms, struct err *err)
{
	int64_t age_ms = config->audit_ttl_days * 86400000 / 10;
	char start[128] = "", limit[32], when[32];
	ssize_t n = pread(log->fd, start, sizeof(start) - 1, 0);

	if (config->audit_ttl_days <= 0 || n <= 0)
		return 0;
	(void)text_time(now_ms - (age_ms < 86400000 ? 86400000 : age_ms), limit);
	(void)audit_time_of(start, (size_t)n, when);
	return when[0] && strcmp(when, limit) < 0 ? audit_log_rotate(log, err) : 0;
}

int audit_expire(int state, const struct config *config, int64_t now_ms, int64_t *ret_files,
		 struct err *err)
{
	AUTO_LOG struct log log = LOG_INIT;
	AUTO_STRINGS char **names = NULL;
	struct last last = { 0 }, through = { 0 };
	char limit[32] = "";
	size_t n, i, gone = 0;

	if (audit_log_open(&log, state, config, err) < 0)
		return -1;
	/* a verification or erasure goes on: another time; never wait with the log locked */
	AUTO_FD int keep = audit_lock_file(log.dir, ".keep", LOCK_EX | LOCK_NB, err);
	if (keep < 0)
		return -1;
	if (rotate_old(&log, config, now_ms, err) < 0)
		return -1;
	names = audit_rotated_files(log.dir);
	if (!names)
		return err_sys(err, ERR_INTERNAL, "read the audit directory");
	if (config->audit_ttl_days > 0)
		(void)text_time(now_ms - config->audit_ttl_days * 86400000, limit);
	n = json_strings_count(names);
	for (i = 0; i < n; i++) {
		if (last_of(log.dir, names[i], &last) < 0)
			break; /* a broken file is evidence: it stays, and so does what follows it */
		if (!(config->audit_keep > 0 && n - i > (size_t)config->audit_keep) &&
		    !(limit[0] && strcmp(last.when, limit) < 0))
			break;
		through = last;
		gone = i + 1;
	}
	if (gone > 0 &&
	    audit_append_own(&log, "audit.expired", "success",
			     json_pack("{s:I,s:s,s:I}", "through", (json_int_t)through.seq,
				       "throughHash", through.hash, "files", (json_int_t)gone),
			     err) < 0)
		return -1;
	/* from the oldest on: killed in between, the chain begins no later than signed */
	for (i = 0; i < gone; i++)
		if (unlinkat(log.dir, names[i], 0) < 0)
			return err_sys(err, ERR_INTERNAL, "remove '%s'", names[i]);
	if (ret_files)
		*ret_files = (int64_t)gone;
	return 0;
}

/* True when the private part of a line is that of user. */
static bool is_of_user(const char *line, size_t len, const char *user, const char *text,
		       struct parts *ret)
{
	if (!audit_has(line, len, text) || audit_line_split(line, len, ret) ||
	    !memmem(ret->rest, ret->rest_len, text, strlen(text)))
		return false;
	AUTO_JSON json_t *record = json_loadb(line, len, 0, NULL);
	return audit_is_equal(record, "userId", user) && json_object_get(record, "userId");
}

static int64_t count_of_user(int fd, int64_t end, const char *user, const char *text)
{
	AUTO_READER struct reader r = { 0 };
	struct parts p;
	const char *line;
	int64_t n = 0;
	size_t len;
	int more;

	if (audit_reader_init(&r, fd, 0, end) < 0)
		return -1;
	while ((more = audit_reader_next(&r, &line, &len)) > 0)
		n += is_of_user(line, len, user, text, &p);
	return more < 0 ? -1 : n;
}

/* Writes a copy with blanks for what is private of user, of the same length, line by line. */
static int blank_into(int from, int64_t end, FILE *out, const char *user, const char *text)
{
	AUTO_READER struct reader r = { 0 };
	struct parts p;
	const char *line;
	size_t len;
	int more;

	if (audit_reader_init(&r, from, 0, end) < 0)
		return -1;
	while ((more = audit_reader_next(&r, &line, &len)) > 0) {
		if (!is_of_user(line, len, user, text, &p)) {
			(void)fwrite(line, 1, len + 1, out); /* with its line end */
			continue;
		}
		(void)fwrite(line, 1, (size_t)(p.rest - line), out);
		(void)fprintf(out, "%-*s}\n", (int)p.rest_len, ERASED_KEY);
	}
	return more < 0 || ferror(out) ? -1 : 0;
}

static int blank_file(int dir, const char *name, const char *user, const char *text, bool is_synced,
		      struct err *err)
{
	AUTO_FD int from = io_open_regular(dir, name, O_RDONLY);
	int64_t n = from < 0 ? -1 : count_of_user(from, audit_size_of(from), user, text);
	int fd, bad;
	FILE *out;

	if (n < 0)
		return err_sys(err, ERR_INTERNAL, "read '%s'", name);
	if (n == 0)
		return 0;
	(void)unlinkat(dir, ".erasing", 0); /* of an erasure that was killed */
	fd = io_open(dir, ".erasing", O_WRONLY | O_CREAT | O_EXCL, 0600);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out)
		return err_sys(err, ERR_INTERNAL, "make a new '%s'", name);
	bad = blank_into(from, audit_size_of(from), out, user, text) < 0 || fflush(out) != 0 ||
	      (is_synced && fsync(fd) < 0);
	if (fclose(out) != 0 || bad || renameat(dir, ".erasing", dir, name) < 0)
		return err_sys(err, ERR_INTERNAL, "make a new '%s'", name);
	return 0;
}

/* Unfinished lines that were set aside may name the user too. */
static void drop_torn(int dir, const char *user)
{
	int fd = io_open_dir(dir, ".");
	AUTO_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		size_t len;

		if (strncmp(de->d_name, "torn-", 5) != 0)
			continue;
		AUTO_FREE char *text = io_read_file(dir, de->d_name, 2 << 20, &len);
		if (text && memmem(text, len, user, strlen(user)))
			(void)unlinkat(dir, de->d_name, 0);
	}
}

static int erase_locked(struct log *log, char *const *names, const char *user, int64_t *ret_records,
			struct err *err)
{
	char text[160];
	int64_t n, sum;
	size_t i;

	audit_needle(text, sizeof(text), "userId", user);
	sum = count_of_user(log->fd, log->size, user, text);
	for (i = 0; sum >= 0 && names[i]; i++) {
		AUTO_FD int fd = io_open_regular(log->dir, names[i], O_RDONLY);

		n = fd < 0 ? -1 : count_of_user(fd, audit_size_of(fd), user, text);
		sum = n < 0 ? -1 : sum + n;
	}
	if (sum < 0)
		return err_sys(err, ERR_INTERNAL, "read the audit log");
	/* said before it is done: a killed erasure leaves fewer blanks than declared, never more */
	if (sum > 0 && audit_append_own(log, "audit.erased", "success",
					json_pack("{s:I}", "records", (json_int_t)sum), err) < 0)
		return -1;
	for (i = 0; names[i]; i++)
		if (blank_file(log->dir, names[i], user, text, log->config->fsync, err) < 0)
			return -1;
	if (blank_file(log->dir, CURRENT, user, text, log->config->fsync, err) < 0)
		return -1;
	drop_torn(log->dir, user);
	if (ret_records)
		*ret_records = sum;
	return 0;
}

int audit_erase(int state, const struct config *config, const char *user, int64_t *ret_records,
		struct err *err)
{
	AUTO_FD int dir = audit_open_dir(state, err);
	AUTO_FD int keep = dir < 0 ? -1 : audit_lock_file(dir, ".keep", LOCK_EX, err);
	AUTO_LOG struct log log = LOG_INIT;
	AUTO_STRINGS char **names = NULL;

	if (keep < 0 || audit_log_open(&log, state, config, err) < 0)
		return -1;
	names = audit_rotated_files(dir);
	if (!names)
		return err_sys(err, ERR_INTERNAL, "read the audit directory");
	return erase_locked(&log, names, user, ret_records, err);
}
