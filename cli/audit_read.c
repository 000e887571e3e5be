// SPDX-License-Identifier: Apache-2.0
/* Reading by filter: newest first, all in order, following. */
#include "audit_private.h"

struct match {
	const struct audit_filter *filter;
	char since[32];
	char user[160], session[160], action[160], status[160]; /* as they stand in a line */
	size_t skipped;
};

void audit_needle(char *buf, size_t size, const char *member, const char *value)
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
	audit_needle(m->user, sizeof(m->user), "userId", filter->user);
	audit_needle(m->session, sizeof(m->session), "sessionId", filter->session);
	audit_needle(m->action, sizeof(m->action), "action", filter->action);
	audit_needle(m->status, sizeof(m->status), "status", filter->status);
}

bool audit_has(const char *line, size_t len, const char *text)
{
	return !*text || memmem(line, len, text, strlen(text));
}

bool audit_is_equal(json_t *record, const char *member, const char *value)
{
	const char *is = json_string_value(json_object_get(record, member));

	return !value || (is && !strcmp(is, value));
}

/* The time of a line stands behind its number; "" when it has none. */
const char *audit_time_of(const char *line, size_t len, char *buf)
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

static uint64_t seq_of(const char *line)
{
	uint64_t n = 0;

	(void)sscanf(line, "{\"seq\":%20" SCNu64, &n);
	return n;
}

static bool is_too_old(const struct match *m, const char *line, size_t len)
{
	char when[32];

	if (m->filter->after > 0 && seq_of(line) <= (uint64_t)m->filter->after)
		return true;
	return m->since[0] && strcmp(audit_time_of(line, len, when), m->since) < 0;
}

/* The record of a line that fits, without what only the chain needs to be salted; or NULL. */
static json_t *match_line(const struct match *m, const char *line, size_t len)
{
	const struct audit_filter *f = m->filter;
	json_t *record;

	if (!audit_has(line, len, m->user) || !audit_has(line, len, m->session) ||
	    !audit_has(line, len, m->action) || !audit_has(line, len, m->status) ||
	    is_too_old(m, line, len))
		return NULL;
	record = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!audit_is_equal(record, "userId", f->user) ||
	    !audit_is_equal(record, "sessionId", f->session) ||
	    !audit_is_equal(record, "action", f->action) ||
	    !audit_is_equal(record, "status", f->status)) {
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
	AUTO_FD int dir = audit_open_dir(state, err);
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
	names = audit_rotated_files(dir);
	if (!names)
		return err_sys(err, ERR_INTERNAL, "read the audit directory");
	if (current >= 0)
		got = audit_lines_back(current, audit_size_of(current), list_line, &listing);
	for (n = json_strings_count(names); got == 0 && n > 0; n--) {
		AUTO_FD int fd = io_open_regular(dir, names[n - 1], O_RDONLY);

		/* between the two looks it may have been rotated: the same file under a new name */
		if (fd >= 0 && !(current >= 0 && is_same_file(fd, current)))
			got = audit_lines_back(fd, audit_size_of(fd), list_line, &listing);
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

	if (audit_reader_init(&r, fd, from, end) < 0)
		return -1;
	while ((got = audit_reader_next(&r, &line, &len)) > 0) {
		AUTO_JSON json_t *record = match_line(m, line, len);
		uint64_t n = seq_of(line);

		*ret_offset = audit_reader_offset(&r);
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

/* The number of the first record of a rotated file, from its name. */
static uint64_t first_of(const char *name)
{
	uint64_t n = 0;

	(void)sscanf(name, "audit-%20" SCNu64, &n);
	return n;
}

/*
 * Gives what stands behind record *seq in the rotated files, then in current. Whoever opened
 * current before the names are read misses nothing: rotated meanwhile, it is among them.
 */
static int walk_files(int dir, int current, const struct match *m, uint64_t *seq, audit_each *each,
		      void *arg, int64_t *ret_offset, struct err *err)
{
	AUTO_STRINGS char **names = audit_rotated_files(dir);
	size_t i;
	int got;

	if (!names)
		return err_sys(err, ERR_INTERNAL, "read the audit directory");
	for (i = 0; names[i]; i++) {
		if (names[i + 1] && first_of(names[i + 1]) <= *seq + 1)
			continue; /* ends before */
		AUTO_FD int fd = io_open_regular(dir, names[i], O_RDONLY);

		if (fd < 0 && errno == ENOENT)
			continue; /* expired meanwhile */
		got = fd < 0 ? -1 :
			       walk_file(fd, 0, audit_size_of(fd), m, seq, each, arg, ret_offset);
		if (got < 0)
			return walk_failed(got, names[i], err);
	}
	*ret_offset = 0;
	got = current < 0 ?
		      0 :
		      walk_file(current, 0, audit_size_of(current), m, seq, each, arg, ret_offset);
	return got < 0 ? walk_failed(got, CURRENT, err) : 0;
}

int audit_walk(int state, const struct audit_filter *filter, audit_each *each, void *arg,
	       struct err *err)
{
	AUTO_FD int dir = audit_open_dir(state, err);
	struct match match;
	int64_t offset;
	uint64_t seq = (uint64_t)filter->after;

	if (dir < 0)
		return -1;
	AUTO_FD int current = io_open_regular(dir, CURRENT, O_RDONLY);
	if (current < 0 && errno != ENOENT)
		return err_sys(err, ERR_INTERNAL, "open the audit log");
	match_init(&match, filter);
	return walk_files(dir, current, &match, &seq, each, arg, &offset, err);
}

void audit_cursor_done(struct audit_cursor *cursor)
{
	cleanup_fd(&cursor->fd);
	cursor->fd = -1;
}

/* Where the log ends now. */
static void find_end(int dir, struct audit_cursor *cursor)
{
	struct head head;

	cursor->seq = audit_head_read(dir, &head) == 0 ? head.seq : 0;
	cursor->offset = cursor->seq ? head.offset : 0;
}

int audit_follow(int state, struct audit_cursor *cursor, const struct audit_filter *filter,
		 audit_each *each, void *arg, struct err *err)
{
	AUTO_FD int dir = audit_open_dir(state, err);
	bool is_new = cursor->fd < 0;
	struct match match;
	int got = 0;

	if (dir < 0)
		return -1;
	AUTO_FD int now = io_open_regular(dir, CURRENT, O_RDONLY);
	if (now < 0)
		return errno == ENOENT ? 0 : err_sys(err, ERR_INTERNAL, "open the audit log");
	match_init(&match, filter);
	if (is_new && !cursor->is_from)
		find_end(dir, cursor);
	else if (!is_new)
		got = walk_file(cursor->fd, cursor->offset, audit_size_of(cursor->fd), &match,
				&cursor->seq, each, arg, &cursor->offset);
	if (got < 0)
		return walk_failed(got, CURRENT, err);
	if (is_new ? cursor->is_from : !is_same_file(cursor->fd, now))
		got = walk_files(dir, now, &match, &cursor->seq, each, arg, &cursor->offset, err);
	if (got < 0)
		return -1;
	audit_cursor_done(cursor);
	cursor->fd = take_fd(&now);
	return 0;
}
