// SPDX-License-Identifier: Apache-2.0
#include "tar.h"

#include "cleanup.h"
#include "io.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 512 };

static int put_header(int out, char type, const char *name, int64_t size, int64_t time_s)
{
	char h[BLOCK] = "";
	unsigned int sum = 0;
	size_t i;

	(void)snprintf(h, 100, "%s", name);
	(void)memcpy(h + 100,
		     "0000644\0"
		     "0001750\0"
		     "0001750\0",
		     24);
	if (size <= 077777777777LL) {
		(void)snprintf(h + 124, 12, "%011llo", (unsigned long long)size);
	} else { /* what octal digits cannot hold: binary, marked by its first bit */
		h[124] = (char)0x80;
		for (i = 0; i < 8; i++)
			h[135 - i] = (char)((uint64_t)size >> (8 * i));
	}
	(void)snprintf(h + 136, 12, "%011llo", (unsigned long long)(time_s & 077777777777LL));
	memset(h + 148, ' ', 8);
	h[156] = type;
	(void)memcpy(h + 257,
		     "ustar\0"
		     "00",
		     8);
	for (i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	(void)snprintf(h + 148, 8, "%06o", sum);
	return io_write_all(out, h, BLOCK);
}

static int pad(int out, int64_t size)
{
	static const char zeros[BLOCK];
	size_t rest = (size_t)(size % BLOCK);

	return rest ? io_write_all(out, zeros, BLOCK - rest) : 0;
}

/* One record: "LENGTH key=value\n", where LENGTH counts itself. */
static size_t record(char *buf, size_t size, const char *key, const char *value)
{
	size_t body = strlen(key) + strlen(value) + 3, len = body + 1;
	char digits[24];

	while (body + (size_t)snprintf(digits, sizeof(digits), "%zu", len) != len)
		len = body + strlen(digits);
	return (size_t)snprintf(buf, size, "%zu %s=%s\n", len, key, value);
}

static int put_pax(int out, const struct entry *e)
{
	char buf[1200], size[24];
	size_t n = record(buf, sizeof(buf), "path", e->name);

	(void)snprintf(size, sizeof(size), "%lld", (long long)e->size);
	n += record(buf + n, sizeof(buf) - n, "size", size);
	if (put_header(out, 'x', "pax", (int64_t)n, e->created / 1000) < 0 ||
	    io_write_all(out, buf, n) < 0)
		return -1;
	return pad(out, (int64_t)n);
}

static int put_file(const struct session *session, const struct entry *e, int out, struct err *err)
{
	AUTO_FD int fd = entry_open(session, e, err);
	int64_t left = e->size;
	char buf[1 << 16];

	if (fd < 0)
		return -1;
	if (put_pax(out, e) < 0 || put_header(out, '0', e->name, e->size, e->created / 1000) < 0)
		return err_sys(err, ERR_STORAGE, "write the archive");
	while (left > 0) {
		ssize_t n = read(fd, buf, left < (int64_t)sizeof(buf) ? (size_t)left : sizeof(buf));

		if (n <= 0)
			return err_set(err, ERR_CORRUPT, "the stored file of '%s' is too short",
				       e->name);
		if (io_write_all(out, buf, (size_t)n) < 0)
			return err_sys(err, ERR_STORAGE, "write the archive");
		left -= n;
	}
	return pad(out, e->size) < 0 ? err_sys(err, ERR_STORAGE, "write the archive") : 0;
}

int tar_write(const struct session *session, const struct revision *revision, int out,
	      struct err *err)
{
	static const char end[2 * BLOCK];
	size_t i;

	for (i = 0; i < revision->count; i++)
		if (put_file(session, &revision->entries[i], out, err) < 0)
			return -1;
	return io_write_all(out, end, sizeof(end)) < 0 ?
		       err_sys(err, ERR_STORAGE, "write the archive") :
		       0;
}

int tar_put(int out, const char *name, int64_t size, int64_t time_ms)
{
	return put_header(out, '0', name, size, time_ms / 1000);
}

int tar_pad(int out, int64_t size)
{
	return pad(out, size);
}

int tar_end(int out)
{
	static const char end[2 * BLOCK];

	return io_write_all(out, end, sizeof(end));
}

/* ---- reading: only what tar_put() writes is taken ---- */

static int read_exactly(int fd, void *buf, size_t len)
{
	char *at = buf;

	while (len > 0) {
		ssize_t n = read(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static bool take_octal(const char *field, size_t len, int64_t *ret)
{
	size_t i;

	*ret = 0;
	for (i = 0; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		*ret = *ret * 8 + (field[i] - '0');
	return i > 0 && (i == len || field[i] == 0 || field[i] == ' ');
}

static bool take_size(const char *h, int64_t *ret)
{
	uint64_t n = 0;
	size_t i;

	if ((unsigned char)h[124] != 0x80)
		return take_octal(h + 124, 12, ret);
	for (i = 125; i < 128; i++)
		if (h[i])
			return false;
	for (i = 128; i < 136; i++)
		n = n << 8 | (unsigned char)h[i];
	*ret = (int64_t)n;
	return n <= (uint64_t)INT64_MAX / 2;
}

static bool is_sum_right(const char *h)
{
	int64_t want, sum = 0;
	size_t i;

	for (i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)h[i];
	return take_octal(h + 148, 8, &want) && want == sum;
}

int tar_next(int fd, struct tar_entry *ret, struct err *err)
{
	static const char zeros[BLOCK];
	char h[BLOCK];

	if (read_exactly(fd, h, BLOCK) < 0)
		return err_set(err, ERR_REQUEST, "the archive ends too early");
	if (!memcmp(h, zeros, BLOCK))
		return 0;
	if (memcmp(h + 257, "ustar", 5) != 0 || !is_sum_right(h))
		return err_set(err, ERR_REQUEST, "the archive is no tar, or damaged");
	if (h[156] != '0')
		return err_set(err, ERR_REQUEST,
			       "the archive holds something that is no plain file");
	if (!memchr(h, 0, 100) || h[345] || !take_size(h, &ret->size))
		return err_set(err, ERR_REQUEST,
			       "the archive has a name or a size that no export has");
	memcpy(ret->name, h, 100);
	return 1;
}

int tar_skip_pad(int fd, int64_t size, struct err *err)
{
	char rest[BLOCK];
	size_t n = (size_t)((BLOCK - size % BLOCK) % BLOCK);

	return read_exactly(fd, rest, n) < 0 ?
		       err_set(err, ERR_REQUEST, "the archive ends too early") :
		       0;
}

char *tar_read(int fd, const struct tar_entry *entry, int64_t max, struct err *err)
{
	char *text = entry->size > max ? NULL : malloc((size_t)entry->size + 1);

	if (entry->size > max) {
		(void)err_set(err, ERR_REQUEST, "'%.100s' of the archive is larger than %lld bytes",
			      entry->name, (long long)max);
	} else if (!text) {
		(void)err_sys(err, ERR_INTERNAL, "allocate");
	} else if (read_exactly(fd, text, (size_t)entry->size) < 0) {
		(void)err_set(err, ERR_REQUEST, "the archive ends too early");
	} else if (tar_skip_pad(fd, entry->size, err) == 0) {
		text[entry->size] = 0;
		return text;
	}
	free(text);
	return NULL;
}
