// SPDX-License-Identifier: Apache-2.0
/* A record as a line: its hash, its private part, reading lines forwards and back. */
#include "audit_private.h"

void audit_hex_of(const uint8_t *bytes, size_t len, char *ret)
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
	audit_hex_of(digest, sizeof(digest), ret);
}

void audit_boot_id(char *ret)
{
	AUTO_FD int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, 36);

	if (n != 36)
		memcpy(ret, "00000000-0000-0000-0000-000000000000", 36);
	ret[36] = 0;
}

int audit_reader_init(struct reader *r, int fd, int64_t from, int64_t end)
{
	*r = (struct reader){ .fd = fd, .at = from, .end = end, .size = READ_SIZE };
	r->buf = malloc(r->size);
	return r->buf ? 0 : -1;
}

void audit_reader_done(struct reader *r)
{
	free(r->buf);
}

/* Offset of the first byte that no line was given of. */
int64_t audit_reader_offset(const struct reader *r)
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
int audit_reader_next(struct reader *r, const char **ret_line, size_t *ret_len)
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

/* Finds the parts of a line by their fixed distances; NULL, or what is wrong with it. */
const char *audit_line_split(const char *line, size_t len, struct parts *ret)
{
	static const char first[] = "{\"seq\":", times[] = ",\"createdAt\":\"",
			  update[] = "\",\"updatedAt\":\"", action[] = "\",\"action\":\"";
	const char *p = line + sizeof(first) - 1, *end = line + len;
	const size_t fixed = sizeof(times) + sizeof(update) + sizeof(action) + 2UL * TIME_LEN;
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
const char *audit_line_check(const char *line, size_t len, struct parts *ret, bool *ret_erased)
{
	char hash[HEX + 1];
	const char *why = audit_line_split(line, len, ret);

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
	audit_hex_of(salt, sizeof(salt), hex);
	(void)json_object_set_new(object, "salt", json_string(hex));
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		copy_member(object, record, names[i]);
	text = dump(object);
	if (text && strlen(text) > AUDIT_LINE_MAX - 4096) {
		/* a line too long to be read would break the chain: who and when matter more */
		free(text);
		(void)json_object_del(object, "file");
		(void)json_object_del(object, "error");
		(void)json_object_del(object, "userAgent");
		(void)json_object_del(object, "ip");
		(void)json_object_del(object, "sessionId");
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
char *audit_line_make(const struct head *head, json_t *record, int64_t now_ms,
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
