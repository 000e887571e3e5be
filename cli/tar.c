// SPDX-License-Identifier: Apache-2.0
#include "tar.h"

#include "cleanup.h"
#include "io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 512 };

static int put_header(int out, char type, const char *name, int64_t size, int64_t time_s)
{
	char h[BLOCK] = "";
	unsigned int sum = 0;
	size_t i;

	(void)snprintf(h, 100, "%s", name);
	(void)memcpy(h + 100, "0000644\0" "0001750\0" "0001750\0", 24);
	(void)snprintf(h + 124, 12, "%011llo", (unsigned long long)(size & 077777777777LL));
	(void)snprintf(h + 136, 12, "%011llo", (unsigned long long)(time_s & 077777777777LL));
	memset(h + 148, ' ', 8);
	h[156] = type;
	(void)memcpy(h + 257, "ustar\0" "00", 8);
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
	if (put_header(out, 'x', "pax", (int64_t)n, e->created / 1000) < 0 || io_write_all(out, buf, n) < 0)
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
			return err_set(err, ERR_CORRUPT, "the stored file of '%s' is too short", e->name);
		if (io_write_all(out, buf, (size_t)n) < 0)
			return err_sys(err, ERR_STORAGE, "write the archive");
		left -= n;
	}
	return pad(out, e->size) < 0 ? err_sys(err, ERR_STORAGE, "write the archive") : 0;
}

int tar_write(const struct session *session, const struct revision *revision, int out, struct err *err)
{
	static const char end[2 * BLOCK];
	size_t i;

	for (i = 0; i < revision->count; i++)
		if (put_file(session, &revision->entries[i], out, err) < 0)
			return -1;
	return io_write_all(out, end, sizeof(end)) < 0 ? err_sys(err, ERR_STORAGE, "write the archive") : 0;
}
