// SPDX-License-Identifier: Apache-2.0
/* Verification: each line, each file, the chain over all. */
#include "audit_private.h"

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
	const char *why = audit_line_check(line, len, &p, &is_erased);

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

	if (audit_reader_init(&r, fd, 0, end) < 0)
		return -1;
	while ((more = audit_reader_next(&r, &line, &len)) > 0) {
		int64_t at = audit_reader_offset(&r) - (int64_t)len - 1;

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
		c->v->torn_offset = audit_reader_offset(&r);
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
		int64_t size = fd < 0 ? -1 : audit_size_of(fd);
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
	AUTO_FD int dir = audit_open_dir(state, err);
	AUTO_STRINGS char **names = NULL;
	AUTO_FD int keep = dir < 0 ? -1 : audit_lock_file(dir, ".keep", LOCK_SH, err);
	AUTO_FD int current = -1;
	bool is_headless;
	int64_t size = 0;
	int got;

	memcpy(v.hash, ZERO_HASH, sizeof(v.hash));
	if (keep < 0 || (expect && parse_expect(expect, &check, err) < 0))
		return -1;
	{
		/* a moment's lock gives head, files and size that belong together */
		AUTO_FD int lock = audit_lock_file(dir, ".lock", LOCK_EX, err);

		if (lock < 0)
			return -1;
		is_headless = audit_head_read(dir, &head) < 0;
		names = audit_rotated_files(dir);
		if (!names)
			return err_sys(err, ERR_INTERNAL, "read the audit directory");
		current = io_open_regular(dir, CURRENT, O_RDONLY);
		if (current < 0 && errno != ENOENT)
			return err_sys(err, ERR_INTERNAL, "open the audit log");
		if (current >= 0)
			size = audit_size_of(current);
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
