// SPDX-License-Identifier: Apache-2.0
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
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static void hex_of(const uint8_t *bytes, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		ret[2 * i] = digits[bytes[i] >> 4];
		ret[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret[2 * len] = 0;
}

static void sha_hex(const char *text, size_t len, char *ret)
{
	struct sha256_ctx ctx;
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_init(&ctx);
	sha256_update(&ctx, len, (const uint8_t *)text);
	sha256_digest(&ctx, sizeof(digest), digest);
	hex_of(digest, sizeof(digest), ret);
}

static void boot_id(char *ret)
{
	AUTO_FD int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, 36);

	if (n != 36)
		memcpy(ret, "00000000-0000-0000-0000-000000000000", 36);
	ret[36] = 0;
}

/* ---- reading lines ---- */

struct reader {
	int fd;
	int64_t at, end; /* file offsets: of the next byte to read, and where to stop */
	char *buf;
	size_t start, len, size;
};

static int reader_init(struct reader *r, int fd, int64_t from, int64_t end)
{
	*r = (struct reader){ .fd = fd, .at = from, .end = end, .size = READ_SIZE };
	r->buf = malloc(r->size);
	return r->buf ? 0 : -1;
}

static void reader_done(struct reader *r)
{
	free(r->buf);
}

#define AUTO_READER __attribute__((cleanup(reader_done)))

/* Offset of the first byte that no line was given of. */
static int64_t reader_offset(const struct reader *r)
{
	return r->at - (int64_t)r->len;
}

static int reader_fill(struct reader *r)
{
	size_t room;
	ssize_t n;

	if (r->start > 0) {
		memmove(r->buf, r->buf + r->start, r->len);
		r->start = 0;
	}
	room = r->size - r->len;
	if ((int64_t)room > r->end - r->at)
		room = (size_t)(r->end - r->at);
	if (room == 0)
		return 0;
	do
		n = pread(r->fd, r->buf + r->len, room, r->at);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return (int)n;
	r->len += (size_t)n;
	r->at += n;
	return 1;
}

/* 1 and a line without its end; 0 when no whole line is left (what remains is unfinished); -1. */
static int reader_next(struct reader *r, const char **ret_line, size_t *ret_len)
{
	size_t seen = 0;

	for (;;) {
		char *line = r->buf + r->start;
		char *nl = r->len > seen ? memchr(line + seen, '\n', r->len - seen) : NULL;
		int more;

		if (nl) {
			*ret_line = line;
			*ret_len = (size_t)(nl - line);
			r->start += *ret_len + 1;
			r->len -= *ret_len + 1;
			return 1;
		}
		seen = r->len;
		more = reader_fill(r);
		if (more <= 0)
			return more;
	}
}

int audit_lines_back(int fd, int64_t end, line_each *each, void *arg)
{
	enum { STEP = 64 << 10, MOST = 1 << 20 };
	AUTO_FREE char *buf = malloc(MOST + STEP);
	size_t have = 0; /* bytes at the start of buf: the tail of a line not yet whole */
	bool is_too_long = false;

	if (!buf)
		return -1;
	while (end > 0) {
		size_t step = end < STEP ? (size_t)end : STEP, stop;
		char *nl;

		if (have > MOST) {
			is_too_long = true;
			have = 0;
		}
		memmove(buf + step, buf, have);
		if (pread(fd, buf, step, end - (int64_t)step) != (ssize_t)step) {
			errno = errno ? errno : EIO;
			return -1;
		}
		end -= (int64_t)step;
		stop = step + have;
		while ((nl = memrchr(buf, '\n', stop))) {
			size_t at = (size_t)(nl - buf) + 1;
			int got = stop > at && !is_too_long ? each(buf + at, stop - at, arg) : 0;

			if (got)
				return got;
			is_too_long = false;
			stop = at - 1;
		}
		have = stop;
	}
	return have > 0 && !is_too_long ? each(buf, have, arg) : 0;
}

/* ---- a line ---- */

struct parts {
	uint64_t seq;
	const char *action; /* what follows `"action":"` */
	const char *private_hash, *prev, *hash;
	const char *rest; /* behind the hash: the private part or its absence */
	size_t rest_len, public_len;
};

/* Finds the parts of a line by their fixed distances; NULL, or what is wrong with it. */
static const char *line_split(const char *line, size_t len, struct parts *ret)
{
	static const char first[] = "{\"seq\":", times[] = ",\"createdAt\":\"",
			  update[] = "\",\"updatedAt\":\"", action[] = "\",\"action\":\"";
	const char *p = line + sizeof(first) - 1, *end = line + len;
	const size_t fixed = sizeof(times) + sizeof(update) + sizeof(action) + 2 * TIME_LEN;
	const char *hash;

	ret->seq = 0;
	if (len < sizeof(first) + fixed + 20 || memcmp(line, first, sizeof(first) - 1) != 0 ||
	    *p == '0')
		return "is no record";
	for (; *p >= '0' && *p <= '9' && ret->seq < UINT64_MAX / 100; p++)
		ret->seq = ret->seq * 10 + (uint64_t)(*p - '0');
	if (memcmp(p, times, sizeof(times) - 1) != 0)
		return "is no record";
	p += sizeof(times) - 1 + TIME_LEN;
	if (memcmp(p, update, sizeof(update) - 1) != 0)
		return "is no record";
	p += sizeof(update) - 1 + TIME_LEN;
	if (memcmp(p, action, sizeof(action) - 1) != 0)
		return "is no record";
	ret->action = p + sizeof(action) - 1;
	/* no string can hold these bytes: a quote in a string has a backslash before it */
	hash = memmem(p, (size_t)(end - p), HASH_KEY, sizeof(HASH_KEY) - 1);
	if (!hash || hash - PREV_LEN - PRIVATE_LEN < p ||
	    (size_t)(end - hash) < sizeof(HASH_KEY) - 1 + HEX + 2 ||
	    memcmp(hash - PREV_LEN, PREV_KEY, sizeof(PREV_KEY) - 1) != 0 ||
	    memcmp(hash - PREV_LEN - PRIVATE_LEN, PRIVATE_KEY, sizeof(PRIVATE_KEY) - 1) != 0)
		return "has no hash where it belongs";
	ret->public_len = (size_t)(hash - line);
	ret->prev = hash - PREV_LEN + sizeof(PREV_KEY) - 1;
	ret->private_hash = hash - PREV_LEN - PRIVATE_LEN + sizeof(PRIVATE_KEY) - 1;
	ret->hash = hash + sizeof(HASH_KEY) - 1;
	if (ret->hash[HEX] != '"' || end[-1] != '}')
		return "has no hash where it belongs";
	ret->rest = ret->hash + HEX + 1;
	ret->rest_len = (size_t)(end - 1 - ret->rest);
	return NULL;
}

static bool is_blanked(const char *rest, size_t len)
{
	size_t i = sizeof(ERASED_KEY) - 1;

	if (len < i || memcmp(rest, ERASED_KEY, i) != 0)
		return false;
	while (i < len && rest[i] == ' ')
		i++;
	return i == len;
}

/* Checks a line by itself; its place in the chain is the caller's to check. */
static const char *line_check(const char *line, size_t len, struct parts *ret, bool *ret_erased)
{
	char hash[HEX + 1];
	const char *why = line_split(line, len, ret);

	if (why)
		return why;
	sha_hex(line, ret->public_len, hash);
	if (memcmp(hash, ret->hash, HEX) != 0)
		return "was changed";
	*ret_erased = is_blanked(ret->rest, ret->rest_len);
	if (*ret_erased)
		return NULL;
	if (ret->rest_len < sizeof(SALT_KEY) ||
	    memcmp(ret->rest, SALT_KEY, sizeof(SALT_KEY) - 1) != 0)
		return "was changed in its private part";
	sha_hex(ret->rest + 1, ret->rest_len - 1, hash);
	return memcmp(hash, ret->private_hash, HEX) == 0 ? NULL : "was changed in its private part";
}

static void copy_member(json_t *to, json_t *from, const char *name)
{
	json_t *v = json_object_get(from, name);

	if (v && !json_is_null(v))
		(void)json_object_set(to, name, v);
}

/* Numbers and words of a run; only scalars, so that no member of ours can be imitated. */
static json_t *execution_of(json_t *record)
{
	static const char *const names[] = { "lang", "durationMs", "exitCode", "memoryMB",
					     "filesGenerated" };
	json_t *from = json_object_get(record, "execution"), *to;
	size_t i;

	if (!json_is_object(from))
		return NULL;
	to = json_object();
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		json_t *v = json_object_get(from, names[i]);

		if (v && !json_is_object(v) && !json_is_array(v))
			(void)json_object_set(to, names[i], v);
	}
	return to;
}

static char *dump(json_t *object)
{
	return json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
}

/* The private part as it stands in the line, without the brace before it. */
static char *private_text(json_t *record)
{
	static const char *const names[] = { "userId",  "sessionId", "ip",   "userAgent",
					     "details", "file",      "error" };
	AUTO_JSON json_t *object = json_object();
	uint8_t salt[16];
	char hex[2 * sizeof(salt) + 1], *text;
	size_t i;

	if (getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
		return NULL;
	hex_of(salt, sizeof(salt), hex);
	(void)json_object_set_new(object, "salt", json_string(hex));
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		copy_member(object, record, names[i]);
	text = dump(object);
	if (text && strlen(text) > AUDIT_LINE_MAX - 4096) {
		/* who and when matter more than a detail of any length */
		free(text);
		(void)json_object_del(object, "file");
		(void)json_object_del(object, "error");
		(void)json_object_del(object, "userAgent");
		(void)json_object_set_new(object, "details", json_pack("{s:b}", "tooLong", 1));
		text = dump(object);
	}
	return text;
}

static char *public_text(json_t *record, uint64_t seq, int64_t now_ms)
{
	AUTO_JSON json_t *object = json_object();
	json_t *execution = execution_of(record);
	char when[32];

	(void)text_time(now_ms, when);
	(void)json_object_set_new(object, "seq", json_integer((json_int_t)seq));
	(void)json_object_set_new(object, "createdAt", json_string(when));
	(void)json_object_set_new(object, "updatedAt", json_string(when));
	copy_member(object, record, "action");
	copy_member(object, record, "status");
	if (execution)
		(void)json_object_set_new(object, "execution", execution);
	copy_member(object, record, "chain");
	return dump(object);
}

/* A whole line with its end, and the head behind it. */
static char *line_make(const struct head *head, json_t *record, int64_t now_ms,
		       struct head *ret_head, size_t *ret_len)
{
	AUTO_FREE char *shown = public_text(record, head->seq + 1, now_ms);
	AUTO_FREE char *hidden = private_text(record);
	AUTO_FREE char *body = NULL;
	char private_hash[HEX + 1], *line = NULL;
	int len;

	if (!shown || !hidden)
		return NULL;
	sha_hex(hidden + 1, strlen(hidden) - 2, private_hash);
	len = asprintf(&body, "%.*s" PRIVATE_KEY "%s\"" PREV_KEY "%s\"", (int)strlen(shown) - 1,
		       shown, private_hash, head->hash);
	if (len < 0) {
		body = NULL;
		return NULL;
	}
	*ret_head = *head;
	ret_head->seq++;
	sha_hex(body, (size_t)len, ret_head->hash);
	len = asprintf(&line, "%s" HASH_KEY "%s\",%s\n", body, ret_head->hash, hidden + 1);
	if (len < 0)
		return NULL;
	*ret_len = (size_t)len;
	ret_head->offset += len;
	return line;
}

/* ---- files ---- */

static int open_dir(int state, struct err *err)
{
	int dir;

	if (io_mkdir(state, "audit") < 0)
		return err_sys(err, ERR_INTERNAL, "make the audit directory");
	dir = io_open_dir(state, "audit");
	return dir < 0 ? err_sys(err, ERR_INTERNAL, "open the audit directory") : dir;
}

static int lock_file(int dir, const char *name, int how, struct err *err)
{
	AUTO_FD int fd = io_open(dir, name, O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		return err_sys(err, ERR_INTERNAL, "open the lock of the audit log");
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return err_sys(err, errno == EWOULDBLOCK ? ERR_BUSY : ERR_INTERNAL,
				       "lock the audit log");
	return take_fd(&fd);
}

static bool is_rotated(const char *name)
{
	return strlen(name) == sizeof("audit-.jsonl") - 1 + 20 && !strncmp(name, "audit-", 6) &&
	       strspn(name + 6, "0123456789") == 20 && !strcmp(name + 26, ".jsonl");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the rotated files, oldest first; NULL with errno. Freed by json_strings_free(). */
static char **rotated_files(int dir)
{
	int fd = io_open_dir(dir, ".");
	AUTO_DIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0, room = 16;
	char **list = d ? calloc(room, sizeof(*list)) : NULL;
	struct dirent *de;

	if (!list)
		return NULL;
	while ((de = readdir(d))) {
		if (!is_rotated(de->d_name))
			continue;
		if (n + 2 > room) {
			char **more = realloc(list, 2 * room * sizeof(*list));

			if (!more)
				goto undo_list;
			list = more;
			room *= 2;
		}
		list[n] = strdup(de->d_name);
		if (!list[n])
			goto undo_list;
		list[++n] = NULL;
	}
	qsort(list, n, sizeof(*list), by_name);
	return list;
undo_list:
	json_strings_free(list);
	return NULL;
}

static void strings_cleanup(char ***list)
{
	json_strings_free(*list);
}

#define AUTO_STRINGS __attribute__((cleanup(strings_cleanup)))

static int head_read(int dir, struct head *ret)
{
	AUTO_FREE char *text = io_read_file(dir, "head", 512, NULL);
	struct head head;
	int used = 0;

	if (!text ||
	    sscanf(text, "sbx-audit 1 %20" SCNu64 " %20" SCNd64 " %64[0-9a-f] %39[0-9a-f-]%n",
		   &head.seq, &head.offset, head.hash, head.boot, &used) != 4 ||
	    text[used] != '\n' || strlen(head.hash) != HEX || head.offset < 0)
		return -1;
	*ret = head;
	return 0;
}

/* One write within one page: a killed writer leaves the old or the new text, never half. */
static int head_write(int dir, const struct head *head)
{
	AUTO_FD int fd = io_open(dir, "head", O_WRONLY | O_CREAT, 0600);
	char text[256];
	int len = snprintf(text, sizeof(text), "sbx-audit 1 %020" PRIu64 " %020" PRId64 " %s %s\n",
			   head->seq, head->offset, head->hash, head->boot);

	return fd >= 0 && pwrite(fd, text, (size_t)len, 0) == len ? 0 : -1;
}

static int pwrite_all(int fd, const char *buf, size_t len, int64_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, buf, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		buf += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

static int64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : st.st_size;
}

/* ---- appending ---- */

/* The line goes first, the head after it: a head that lags is mended by the next append. */
static int append_line(struct log *log, json_t *record, struct err *err)
{
	struct head next;
	size_t len;
	AUTO_FREE char *line = line_make(&log->head, record, text_now_ms(), &next, &len);

	if (!line)
		return err_set(err, ERR_INTERNAL, "make an audit record: out of memory");
	/* not synced: a power cut may take the last records, and the torn end is then named */
	if (pwrite_all(log->fd, line, len, log->head.offset) < 0) {
		(void)err_sys(err, ERR_INTERNAL, "write the audit log");
		(void)ftruncate(log->fd, log->head.offset); /* the next append would name it torn */
		return -1;
	}
	log->head = next;
	log->size = next.offset;
	if (head_write(log->dir, &next) < 0)
		return err_sys(err, ERR_INTERNAL, "write the head of the audit log");
	return 0;
}

static int append_own(struct log *log, const char *action, const char *status, json_t *chain,
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

	if (reader_init(&r, fd, from, end) < 0)
		return -1;
	head->offset = from;
	while ((more = reader_next(&r, &line, &len)) > 0) {
		if (line_check(line, len, &parts, &is_erased))
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
		head->offset = reader_offset(&r);
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
	hex_of(digest, sizeof(digest), ret_hash);
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
	AUTO_STRINGS char **names = rotated_files(log->dir);
	size_t n = json_strings_count(names);
	struct head last = { 0 };

	if (n == 0 || log->size != 0)
		return false;
	AUTO_FD int fd = io_open_regular(log->dir, names[n - 1], O_RDONLY);
	if (fd < 0 || size_of(fd) != log->head.offset)
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
	boot_id(boot);
	log->head.offset = good.offset;
	if (log->size > good.offset && set_aside(log, &torn, err) < 0)
		return -1;
	memcpy(log->head.boot, boot, sizeof(boot));
	/* nothing is left of this file: what was lost began at a number that nobody knows */
	return append_own(log, "audit.lost", "error",
			  json_pack("{s:I,s:I,s:b,s:o*}", "from",
				    (json_int_t)(good.seq ? good.seq + 1 : 0), "to",
				    (json_int_t)was.seq, "reboot", strcmp(boot, was.boot) != 0,
				    "torn", torn),
			  err);
}

/* No head: a new log, or somebody took it away. */
static int mend_headless(struct log *log, struct err *err)
{
	AUTO_STRINGS char **names = rotated_files(log->dir);
	size_t n = json_strings_count(names);
	struct head head = { .hash = ZERO_HASH };
	json_t *torn = NULL;

	if (!names)
		return err_sys(err, ERR_INTERNAL, "read the audit directory");
	if (chain_along(log->fd, 0, log->size, &head) < 0)
		return err_sys(err, ERR_INTERNAL, "read the audit log");
	if (head.seq == 0 && n > 0) {
		AUTO_FD int fd = io_open_regular(log->dir, names[n - 1], O_RDONLY);

		if (fd < 0 || chain_along(fd, 0, size_of(fd), &head) < 0)
			return err_sys(err, ERR_INTERNAL, "read '%s'", names[n - 1]);
		head.offset = 0;
	}
	boot_id(head.boot);
	log->head = head;
	if (log->size > head.offset && set_aside(log, &torn, err) < 0)
		return -1;
	if (head.seq == 0 && !torn)
		return 0;
	return append_own(log, "audit.rebuilt", "error",
			  json_pack("{s:I,s:o*}", "seq", (json_int_t)head.seq, "torn", torn), err);
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
	return append_own(log, "audit.torn", "error", note, err);
}

static void log_done(struct log *log)
{
	cleanup_fd(&log->fd);
	cleanup_fd(&log->lock); /* closing it frees the lock */
	cleanup_fd(&log->dir);
}

#define AUTO_LOG __attribute__((cleanup(log_done)))
#define LOG_INIT \
	{ \
		.dir = -1, .lock = -1, .fd = -1 \
	}

static int log_open_current(struct log *log, struct err *err)
{
	log->fd = io_open(log->dir, CURRENT, O_RDWR | O_CREAT, 0600);
	log->size = log->fd < 0 ? -1 : size_of(log->fd);
	return log->size < 0 ? err_sys(err, ERR_INTERNAL, "open the audit log") : 0;
}

/* Opens and locks the log, and mends what a killed writer left. */
static int log_open(struct log *log, int state, const struct config *config, struct err *err)
{
	log->config = config;
	log->dir = open_dir(state, err);
	if (log->dir < 0)
		return -1;
	log->lock = lock_file(log->dir, ".lock", LOCK_EX, err);
	if (log->lock < 0 || log_open_current(log, err) < 0)
		return -1;
	if (head_read(log->dir, &log->head) < 0)
		return mend_headless(log, err);
	if (log->size < log->head.offset)
		return mend_short(log, err);
	if (log->size > log->head.offset && mend_long(log, err) < 0)
		return -1;
	boot_id(log->head.boot);
	return 0;
}

/* A full file gets the number of its first record as its name. */
static int rotate(struct log *log, struct err *err)
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
	return head_write(log->dir, &log->head) < 0 ?
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

		if (log_open(&log, state, config, err) < 0)
			return -1;
		if (config->audit_bytes > 0 && log.head.offset >= config->audit_bytes) {
			is_rotated_now = true;
			if (rotate(&log, err) < 0)
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

/* ---- reading by filter ---- */

struct match {
	const struct audit_filter *filter;
	char since[32];
	char user[160], session[160], action[160], status[160]; /* as they stand in a line */
	size_t skipped;
};

static void needle(char *buf, size_t size, const char *member, const char *value)
{
	AUTO_JSON json_t *text = value ? json_text(value, strlen(value)) : NULL;
	AUTO_FREE char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) :
					NULL;

	/* one that does not fit is left to the comparison of members */
	buf[0] = 0;
	if (quoted && snprintf(buf, size, "\"%s\":%s", member, quoted) >= (int)size)
		buf[0] = 0;
}

static void match_init(struct match *m, const struct audit_filter *filter)
{
	*m = (struct match){ .filter = filter };
	if (filter->since_ms > 0)
		(void)text_time(filter->since_ms, m->since);
	needle(m->user, sizeof(m->user), "userId", filter->user);
	needle(m->session, sizeof(m->session), "sessionId", filter->session);
	needle(m->action, sizeof(m->action), "action", filter->action);
	needle(m->status, sizeof(m->status), "status", filter->status);
}

static bool has(const char *line, size_t len, const char *text)
{
	return !*text || memmem(line, len, text, strlen(text));
}

static bool is_equal(json_t *record, const char *member, const char *value)
{
	const char *is = json_string_value(json_object_get(record, member));

	return !value || (is && !strcmp(is, value));
}

/* The time of a line stands behind its number; "" when it has none. */
static const char *time_of(const char *line, size_t len, char *buf)
{
	static const char key[] = ",\"createdAt\":\"";
	const char *at = memmem(line, len > 64 ? 64 : len, key, sizeof(key) - 1);

	buf[0] = 0;
	if (at && (size_t)(line + len - at) > sizeof(key) + TIME_LEN) {
		memcpy(buf, at + sizeof(key) - 1, TIME_LEN);
		buf[TIME_LEN] = 0;
	}
	return buf;
}

static bool is_too_old(const struct match *m, const char *line, size_t len)
{
	char when[32];

	return m->since[0] && strcmp(time_of(line, len, when), m->since) < 0;
}

/* The record of a line that fits, without what only the chain needs to be salted; or NULL. */
static json_t *match_line(const struct match *m, const char *line, size_t len)
{
	const struct audit_filter *f = m->filter;
	json_t *record;

	if (!has(line, len, m->user) || !has(line, len, m->session) || !has(line, len, m->action) ||
	    !has(line, len, m->status) || is_too_old(m, line, len))
		return NULL;
	record = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!is_equal(record, "userId", f->user) || !is_equal(record, "sessionId", f->session) ||
	    !is_equal(record, "action", f->action) || !is_equal(record, "status", f->status)) {
		json_decref(record);
		return NULL;
	}
	(void)json_object_del(record, "salt");
	return record;
}

static bool is_same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_ino == sb.st_ino &&
	       sa.st_dev == sb.st_dev;
}

struct listing {
	struct match match;
	json_t *records;
};

enum { LIST_FULL = 1, LIST_OLD = 2 };

static int list_line(const char *line, size_t len, void *arg)
{
	struct listing *l = arg;
	json_t *record;

	if (is_too_old(&l->match, line, len))
		return LIST_OLD;
	record = match_line(&l->match, line, len);
	if (record)
		(void)json_array_append_new(l->records, record);
	return l->match.filter->limit > 0 &&
			       (int64_t)json_array_size(l->records) >= l->match.filter->limit ?
		       LIST_FULL :
		       0;
}

static void reverse(json_t *array)
{
	size_t i, n = json_array_size(array);

	for (i = 0; i < n / 2; i++) {
		json_t *a = json_incref(json_array_get(array, i));
		json_t *b = json_incref(json_array_get(array, n - 1 - i));

		(void)json_array_set_new(array, i, b);
		(void)json_array_set_new(array, n - 1 - i, a);
	}
}

int audit_list(int state, const struct audit_filter *filter, json_t **ret, struct err *err)
{
	AUTO_FD int dir = open_dir(state, err);
	AUTO_STRINGS char **names = NULL;
	AUTO_JSON json_t *records = json_array();
	struct listing listing = { .records = records };
	size_t n;
	int got = 0;

	if (dir < 0)
		return -1;
	match_init(&listing.match, filter);
	AUTO_FD int current = io_open_regular(dir, CURRENT, O_RDONLY);
	if (current < 0 && errno != ENOENT)
		return err_sys(err, ERR_INTERNAL, "open the audit log");
	names = rotated_files(dir);
	if (!names)
		return err_sys(err, ERR_INTERNAL, "read the audit directory");
	if (current >= 0)
		got = audit_lines_back(current, size_of(current), list_line, &listing);
	for (n = json_strings_count(names); got == 0 && n > 0; n--) {
		AUTO_FD int fd = io_open_regular(dir, names[n - 1], O_RDONLY);

		/* between the two looks it may have been rotated: the same file under a new name */
		if (fd >= 0 && !(current >= 0 && is_same_file(fd, current)))
			got = audit_lines_back(fd, size_of(fd), list_line, &listing);
	}
	if (got < 0)
		return err_sys(err, ERR_INTERNAL, "read the audit log");
	reverse(records);
	*ret = take_ptr(&records);
	return 0;
}

enum { WALK_ENDED = -2 }; /* each() said so and filled err; -1: reading failed, see errno */

static int walk_file(int fd, int64_t from, int64_t end, const struct match *m, uint64_t *seq,
		     audit_each *each, void *arg, int64_t *ret_offset)
{
	AUTO_READER struct reader r = { 0 };
	const char *line;
	size_t len;
	int got;

	if (reader_init(&r, fd, from, end) < 0)
		return -1;
	while ((got = reader_next(&r, &line, &len)) > 0) {
		AUTO_JSON json_t *record = match_line(m, line, len);
		uint64_t n = 0;

		*ret_offset = reader_offset(&r);
		(void)sscanf(line, "{\"seq\":%20" SCNu64, &n);
		if (n <= *seq)
			continue; /* given already, before a rotation */
		*seq = n;
		if (record && each(record, arg) < 0)
			return WALK_ENDED;
	}
	return got;
}

static int walk_failed(int got, const char *name, struct err *err)
{
	return got == WALK_ENDED ? -1 : err_sys(err, ERR_INTERNAL, "read '%s'", name);
}

int audit_walk(int state, const struct audit_filter *filter, audit_each *each, void *arg,
	       struct err *err)
{
	AUTO_FD int dir = open_dir(state, err);
	AUTO_STRINGS char **names = dir < 0 ? NULL : rotated_files(dir);
	struct match match;
	int64_t offset = 0;
	uint64_t seq = 0;
	size_t i;
	int got;

	if (!names)
		return dir < 0 ? -1 : err_sys(err, ERR_INTERNAL, "read the audit directory");
	match_init(&match, filter);
	for (i = 0; i <= json_strings_count(names); i++) {
		const char *name = names[i] ? names[i] : CURRENT;
		AUTO_FD int fd = io_open_regular(dir, name, O_RDONLY);

		if (fd < 0 && errno == ENOENT)
			continue; /* expired meanwhile, or nothing was written yet */
		got = fd < 0 ? -1 : walk_file(fd, 0, size_of(fd), &match, &seq, each, arg, &offset);
		if (got < 0)
			return walk_failed(got, name, err);
	}
	return 0;
}

void audit_cursor_done(struct audit_cursor *cursor)
{
	cleanup_fd(&cursor->fd);
	cursor->fd = -1;
}

int audit_follow(int state, struct audit_cursor *cursor, const struct audit_filter *filter,
		 audit_each *each, void *arg, struct err *err)
{
	AUTO_FD int dir = open_dir(state, err);
	struct match match;
	int got = 0;

	if (dir < 0)
		return -1;
	AUTO_FD int now = io_open_regular(dir, CURRENT, O_RDONLY);
	if (now < 0)
		return errno == ENOENT ? 0 : err_sys(err, ERR_INTERNAL, "open the audit log");
	match_init(&match, filter);
	if (cursor->fd < 0) {
		struct head head;

		cursor->seq = head_read(dir, &head) == 0 ? head.seq : 0;
		cursor->offset = cursor->seq ? head.offset : 0;
	} else {
		got = walk_file(cursor->fd, cursor->offset, size_of(cursor->fd), &match,
				&cursor->seq, each, arg, &cursor->offset);
	}
	if (got >= 0 && cursor->fd >= 0 && !is_same_file(cursor->fd, now)) {
		cursor->offset = 0;
		got = walk_file(now, 0, size_of(now), &match, &cursor->seq, each, arg,
				&cursor->offset);
	}
	if (got < 0)
		return walk_failed(got, CURRENT, err);
	audit_cursor_done(cursor);
	cursor->fd = take_fd(&now);
	return 0;
}

/* ---- verification ---- */

struct check {
	struct audit_verdict *v;
	uint64_t expect_seq, signed_through, declared;
	char expect_hash[HEX + 1], signed_hash[HEX + 1];
	char first_prev[HEX + 1];
};

static int broken(struct check *c, const char *file, uint64_t line, uint64_t seq, const char *fmt,
		  ...) __attribute__((format(printf, 5, 6)));
static int broken(struct check *c, const char *file, uint64_t line, uint64_t seq, const char *fmt,
		  ...)
{
	va_list ap;

	c->v->is_broken = true;
	c->v->line = line;
	c->v->seq = seq;
	(void)snprintf(c->v->file, sizeof(c->v->file), "%s", file);
	va_start(ap, fmt);
	(void)vsnprintf(c->v->why, sizeof(c->v->why), fmt, ap);
	va_end(ap);
	return 1;
}

static uint64_t member_count(json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* What the log says of itself. True when the record explains why the one before it is not there. */
static bool own_record(struct check *c, const char *line, size_t len, uint64_t seq)
{
	AUTO_JSON json_t *record = json_loadb(line, len, 0, NULL);
	json_t *chain = json_object_get(record, "chain");
	const char *action = json_string_value(json_object_get(record, "action"));
	const char *hash = json_string_value(json_object_get(chain, "throughHash"));
	uint64_t from = member_count(chain, "from");

	if (!action || !chain)
		return false;
	if (!strcmp(action, "audit.expired") && hash) {
		c->signed_through = member_count(chain, "through");
		(void)snprintf(c->signed_hash, sizeof(c->signed_hash), "%s", hash);
	} else if (!strcmp(action, "audit.erased")) {
		c->declared += member_count(chain, "records");
	} else if (!strcmp(action, "audit.lost") &&
		   json_is_true(json_object_get(chain, "reboot")) &&
		   member_count(chain, "to") == seq - 1 &&
		   (from == 0 || from == c->v->last_seq + 1)) {
		c->v->lost += seq - 1 - c->v->last_seq;
		return true;
	}
	return false;
}

static int check_line(struct check *c, const char *file, uint64_t n, const char *line, size_t len)
{
	struct audit_verdict *v = c->v;
	struct parts p;
	bool is_erased = false, is_explained = false;
	const char *why = line_check(line, len, &p, &is_erased);

	if (why)
		return broken(c, file, n, v->last_seq + 1, "the record %s", why);
	if (!strncmp(p.action, "audit.", 6))
		is_explained = own_record(c, line, len, p.seq);
	if (v->records == 0 && p.seq > 1) {
		memcpy(c->first_prev, p.prev, HEX);
	} else if (!is_explained && p.seq != v->last_seq + 1) {
		return broken(c, file, n, v->last_seq + 1,
			      "record %" PRIu64 " stands where %" PRIu64 " belongs", p.seq,
			      v->last_seq + 1);
	} else if (!is_explained && memcmp(p.prev, v->hash, HEX) != 0) {
		return broken(c, file, n, p.seq, "the record does not follow the one before it");
	}
	if (v->records++ == 0)
		v->first_seq = p.seq;
	v->erased += is_erased;
	v->last_seq = p.seq;
	memcpy(v->hash, p.hash, HEX);
	if (p.seq == c->expect_seq) {
		v->is_expected = !memcmp(p.hash, c->expect_hash, HEX);
		if (!v->is_expected)
			return broken(c, file, n, p.seq, "the record is not the expected one");
	}
	return 0;
}

static int check_file(struct check *c, int fd, const char *file, int64_t end, int64_t acknowledged)
{
	AUTO_READER struct reader r = { 0 };
	const char *line;
	uint64_t n = 0;
	size_t len;
	int more;

	if (reader_init(&r, fd, 0, end) < 0)
		return -1;
	while ((more = reader_next(&r, &line, &len)) > 0) {
		int64_t at = reader_offset(&r) - (int64_t)len - 1;

		if (check_line(c, file, ++n, line, len) == 0)
			continue;
		if (at < acknowledged)
			return 1;
		/* behind the head: a writer died there; the next append sets it aside */
		c->v->is_broken = false;
		c->v->torn_offset = at;
		break;
	}
	if (more < 0)
		return -1;
	c->v->bytes += end;
	c->v->files++;
	if (more == 0)
		c->v->torn_offset = reader_offset(&r);
	c->v->torn_bytes = end - c->v->torn_offset;
	if (c->v->torn_bytes == 0)
		return 0;
	if (c->v->torn_offset < acknowledged)
		return broken(c, file, n + 1, c->v->last_seq + 1, "the record has no end");
	(void)snprintf(c->v->torn_file, sizeof(c->v->torn_file), "%s", file);
	return 0;
}

/* What only the whole chain tells: its start, its end, and how much was blanked. */
static int check_whole(struct check *c, const struct head *head, const char *oldest)
{
	struct audit_verdict *v = c->v;

	/* signed off further than it begins: an expiry was killed before its last file */
	if (v->records > 0 && v->first_seq > 1 &&
	    (c->signed_through < v->first_seq - 1 ||
	     (c->signed_through == v->first_seq - 1 &&
	      memcmp(c->signed_hash, c->first_prev, HEX) != 0)))
		return broken(c, oldest, 1, 1,
			      "records 1 to %" PRIu64 " are missing and nothing "
			      "says that they expired",
			      v->first_seq - 1);
	if (v->last_seq < head->seq)
		return broken(c, CURRENT, 0, v->last_seq + 1,
			      "the log ends at record %" PRIu64 " and its head is %" PRIu64,
			      v->last_seq, head->seq);
	if (v->last_seq == head->seq && v->records > 0 && memcmp(v->hash, head->hash, HEX) != 0)
		return broken(c, CURRENT, 0, head->seq,
			      "the last record is not the one of the head");
	if (v->erased > c->declared)
		return broken(c, "", 0, 0,
			      "%" PRIu64 " records are blank, %" PRIu64 " were erased on request",
			      v->erased, c->declared);
	if (c->expect_seq && !v->is_expected)
		return broken(c, "", 0, c->expect_seq, "the expected record is not there");
	return 0;
}

static int parse_expect(const char *text, struct check *c, struct err *err)
{
	int used = 0;

	if (sscanf(text, "%20" SCNu64 ":%64[0-9a-f]%n", &c->expect_seq, c->expect_hash, &used) !=
		    2 ||
	    text[used] || strlen(c->expect_hash) != HEX || c->expect_seq == 0)
		return err_set(err, ERR_REQUEST,
			       "expected must be SEQ:HASH as a verification gave it");
	return 0;
}

static int check_rotated(struct check *c, int dir, char *const *names, struct err *err)
{
	for (; *names; names++) {
		AUTO_FD int fd = io_open_regular(dir, *names, O_RDONLY);
		int64_t size = fd < 0 ? -1 : size_of(fd);
		int got = size < 0 ? -1 : check_file(c, fd, *names, size, size);

		if (got < 0)
			return err_sys(err, ERR_INTERNAL, "read '%s'", *names);
		if (got > 0)
			return 1;
	}
	return 0;
}

int audit_verify(int state, const char *expect, struct audit_verdict *ret, struct err *err)
{
	struct audit_verdict v = { 0 };
	struct check check = { .v = &v };
	struct head head = { 0 };
	AUTO_FD int dir = open_dir(state, err);
	AUTO_STRINGS char **names = NULL;
	AUTO_FD int keep = dir < 0 ? -1 : lock_file(dir, ".keep", LOCK_SH, err);
	AUTO_FD int current = -1;
	bool is_headless;
	int64_t size = 0;
	int got;

	memcpy(v.hash, ZERO_HASH, sizeof(v.hash));
	if (keep < 0 || (expect && parse_expect(expect, &check, err) < 0))
		return -1;
	{
		/* a moment's lock gives head, files and size that belong together */
		AUTO_FD int lock = lock_file(dir, ".lock", LOCK_EX, err);

		if (lock < 0)
			return -1;
		is_headless = head_read(dir, &head) < 0;
		names = rotated_files(dir);
		if (!names)
			return err_sys(err, ERR_INTERNAL, "read the audit directory");
		current = io_open_regular(dir, CURRENT, O_RDONLY);
		if (current < 0 && errno != ENOENT)
			return err_sys(err, ERR_INTERNAL, "open the audit log");
		if (current >= 0)
			size = size_of(current);
	}
	got = check_rotated(&check, dir, names, err);
	if (got == 0 && current >= 0)
		got = check_file(&check, current, CURRENT, size, head.offset);
	if (got < 0)
		return err && err->code ? -1 : err_sys(err, ERR_INTERNAL, "read the audit log");
	if (!v.is_broken && is_headless && v.records > 0)
		(void)broken(&check, "head", 0, 0, "the head of the log is absent or unreadable");
	else if (!v.is_broken)
		(void)check_whole(&check, &head, names[0] ? names[0] : CURRENT);
	*ret = v;
	return 0;
}

json_t *audit_verdict_json(const struct audit_verdict *v)
{
	json_t *o = json_pack("{s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "intact", !v->is_broken,
			      "records", (json_int_t)v->records, "first_seq",
			      (json_int_t)v->first_seq, "last_seq", (json_int_t)v->last_seq,
			      "erased", (json_int_t)v->erased, "lost", (json_int_t)v->lost, "files",
			      (json_int_t)v->files, "bytes", (json_int_t)v->bytes, "hash", v->hash);

	if (v->is_broken)
		(void)json_object_set_new(o, "broken",
					  json_pack("{s:s,s:I,s:I,s:s}", "file", v->file, "line",
						    (json_int_t)v->line, "seq", (json_int_t)v->seq,
						    "why", v->why));
	if (v->torn_file[0])
		(void)json_object_set_new(o, "torn",
					  json_pack("{s:s,s:I,s:I}", "file", v->torn_file, "offset",
						    (json_int_t)v->torn_offset, "bytes",
						    (json_int_t)v->torn_bytes));
	return o;
}

/* ---- leaving ---- */

struct last {
	uint64_t seq;
	char hash[HEX + 1], when[32];
};

static int last_line(const char *line, size_t len, void *arg)
{
	struct last *last = arg;
	struct parts p;

	if (line_split(line, len, &p))
		return -1;
	last->seq = p.seq;
	memcpy(last->hash, p.hash, HEX);
	last->hash[HEX] = 0;
	(void)time_of(line, len, last->when);
	return 1;
}

static int last_of(int dir, const char *name, struct last *ret)
{
	AUTO_FD int fd = io_open_regular(dir, name, O_RDONLY);

	return fd >= 0 && audit_lines_back(fd, size_of(fd), last_line, ret) == 1 ? 0 : -1;
}

int audit_expire(int state, const struct config *config, int64_t now_ms, int64_t *ret_files,
		 struct err *err)
{
	AUTO_LOG struct log log = LOG_INIT;
	AUTO_STRINGS char **names = NULL;
	struct last last = { 0 }, through = { 0 };
	char limit[32] = "";
	size_t n, i, gone = 0;

	if (log_open(&log, state, config, err) < 0)
		return -1;
	/* a verification or erasure goes on: another time; never wait with the log locked */
	AUTO_FD int keep = lock_file(log.dir, ".keep", LOCK_EX | LOCK_NB, err);
	if (keep < 0)
		return -1;
	names = rotated_files(log.dir);
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
	    append_own(&log, "audit.expired", "success",
		       json_pack("{s:I,s:s,s:I}", "through", (json_int_t)through.seq, "throughHash",
				 through.hash, "files", (json_int_t)gone),
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
	if (!has(line, len, text) || line_split(line, len, ret) ||
	    !memmem(ret->rest, ret->rest_len, text, strlen(text)))
		return false;
	AUTO_JSON json_t *record = json_loadb(line, len, 0, NULL);
	return is_equal(record, "userId", user) && json_object_get(record, "userId");
}

static int64_t count_of_user(int fd, int64_t end, const char *user, const char *text)
{
	AUTO_READER struct reader r = { 0 };
	struct parts p;
	const char *line;
	int64_t n = 0;
	size_t len;
	int more;

	if (reader_init(&r, fd, 0, end) < 0)
		return -1;
	while ((more = reader_next(&r, &line, &len)) > 0)
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

	if (reader_init(&r, from, 0, end) < 0)
		return -1;
	while ((more = reader_next(&r, &line, &len)) > 0) {
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
	int64_t n = from < 0 ? -1 : count_of_user(from, size_of(from), user, text);
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
	bad = blank_into(from, size_of(from), out, user, text) < 0 || fflush(out) != 0 ||
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

	needle(text, sizeof(text), "userId", user);
	sum = count_of_user(log->fd, log->size, user, text);
	for (i = 0; sum >= 0 && names[i]; i++) {
		AUTO_FD int fd = io_open_regular(log->dir, names[i], O_RDONLY);

		n = fd < 0 ? -1 : count_of_user(fd, size_of(fd), user, text);
		sum = n < 0 ? -1 : sum + n;
	}
	if (sum < 0)
		return err_sys(err, ERR_INTERNAL, "read the audit log");
	/* said before it is done: a killed erasure leaves fewer blanks than declared, never more */
	if (sum > 0 && append_own(log, "audit.erased", "success",
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
	AUTO_FD int dir = open_dir(state, err);
	AUTO_FD int keep = dir < 0 ? -1 : lock_file(dir, ".keep", LOCK_EX, err);
	AUTO_LOG struct log log = LOG_INIT;
	AUTO_STRINGS char **names = NULL;

	if (keep < 0 || log_open(&log, state, config, err) < 0)
		return -1;
	names = rotated_files(dir);
	if (!names)
		return err_sys(err, ERR_INTERNAL, "read the audit directory");
	return erase_locked(&log, names, user, ret_records, err);
}

/* ---- telling somebody ---- */

int audit_alert(const struct config *config, const char *what, const char *message, struct err *err)
{
	char kind[128], text[1024], clean[900];
	char *argv[] = { (char *)"sh", (char *)"-c", config->alert_command, NULL };
	char *envp[] = { (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			 kind, text, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	pid_t pid;
	int failed;

	if (!config->alert_command || !config->alert_command[0])
		return 0;
	text_clean(message, clean, sizeof(clean));
	(void)snprintf(kind, sizeof(kind), "SBX_ALERT=%s", what);
	(void)snprintf(text, sizeof(text), "SBX_ALERT_MESSAGE=%s", clean);
	if (posix_spawn_file_actions_init(&files) != 0)
		return err_set(err, ERR_INTERNAL, "start the alert command: out of memory");
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	(void)posix_spawn_file_actions_adddup2(&files, 0, 1);
	(void)posix_spawn_file_actions_adddup2(&files, 0, 2);
	failed = posix_spawn(&pid, "/bin/sh", &files, &attr, argv, envp);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	if (failed) {
		errno = failed;
		return err_sys(err, ERR_INTERNAL, "start the alert command");
	}
	return 0; /* its end is init's to see: we are gone soon */
}
