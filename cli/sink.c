// SPDX-License-Identifier: Apache-2.0
#include "sink.h"

#include "cleanup.h"
#include "hash.h"
#include "io.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { SINK_CHUNK = 65536 };

int sink_open(struct sink *sink, int fd, size_t cap)
{
	sink->fd = fd;
	sink->cap = cap;
	sha256_init(&sink->hash);
	sink->head = malloc(cap / 2 + 1);
	sink->tail = malloc(cap - cap / 2 + 1);
	sink->buf = malloc(SINK_CHUNK);
	return sink->head && sink->tail && sink->buf ? 0 : -1;
}

static void keep(struct sink *s, const char *data, size_t len)
{
	size_t room = s->cap / 2 - s->head_len, ring = s->cap - s->cap / 2,
	       n = len < room ? len : room;

	memcpy(s->head + s->head_len, data, n);
	s->head_len += n;
	data += n;
	len -= n;
	if (!ring || !len)
		return;
	if (len > ring) {
		data += len - ring;
		len = ring;
	}
	while (len > 0) {
		n = ring - s->tail_at < len ? ring - s->tail_at : len;
		memcpy(s->tail + s->tail_at, data, n);
		s->tail_at = (s->tail_at + n) % ring;
		s->tail_len = s->tail_len + n > ring ? ring : s->tail_len + n;
		data += n;
		len -= n;
	}
}

void sink_event(json_t *event)
{
	AUTO_FREE char *line = event ? json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(7)) :
				       NULL;
	size_t len = line ? strlen(line) : 0;

	json_decref(event);
	if (!line)
		return;
	line[len] = '\n'; /* in place of the NUL: one write, one line */
	(void)io_write_all(STDOUT_FILENO, line, len + 1);
}

static void emit(struct sink *s, const char *data, size_t len)
{
	sink_event(json_pack("{s:i,s:s,s:o}", "v", 1, "event", s->event, "data",
			     json_text(data, len)));
}

/* A character that comes in two pieces goes out in one event. */
static void stream(struct sink *s, const char *data, size_t len)
{
	AUTO_FREE char *whole = malloc(s->rest_len + len);
	size_t n = s->rest_len + len, open;

	if (!whole)
		return;
	memcpy(whole, s->rest, s->rest_len);
	memcpy(whole + s->rest_len, data, len);
	open = text_unfinished(whole, n);
	if (n > open)
		emit(s, whole, n - open);
	memcpy(s->rest, whole + n - open, open);
	s->rest_len = open;
}

bool sink_drain(struct sink *sink)
{
	char *buf = sink->buf;
	ssize_t n = read(sink->fd, buf, SINK_CHUNK);
	int64_t before = sink->total;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	sink->total += n;
	sha256_update(&sink->hash, (size_t)n, (const uint8_t *)buf);
	keep(sink, buf, (size_t)n);
	if (sink->live >= 0 && io_write_all(sink->live, buf, (size_t)n) < 0)
		sink->live = -1; /* a reader that left: the run goes on */
	if (sink->event && before < (int64_t)sink->cap) {
		int64_t room = (int64_t)sink->cap - before;

		stream(sink, buf, (size_t)(n < room ? n : room));
	}
	return true;
}

void sink_hash(const struct sink *sink, char *ret)
{
	struct sha256_ctx copy = sink->hash;

	hash_end(&copy, ret);
}

void sink_flush(struct sink *sink)
{
	if (sink->event && sink->rest_len)
		emit(sink, sink->rest, sink->rest_len);
	sink->rest_len = 0;
}

char *sink_text(const struct sink *s, size_t *ret_len, bool *ret_truncated)
{
	static const char gap[] = "\n[... output left out ...]\n";
	size_t ring = s->cap - s->cap / 2, from, n = 0;
	bool cut = s->total > (int64_t)(s->head_len + s->tail_len);
	char *all = malloc(s->head_len + s->tail_len + sizeof(gap));

	*ret_truncated = cut;
	*ret_len = 0;
	if (!all)
		return NULL;
	memcpy(all, s->head, s->head_len);
	n = s->head_len;
	if (cut) {
		memcpy(all + n, gap, sizeof(gap) - 1);
		n += sizeof(gap) - 1;
	}
	if (s->tail_len) {
		from = s->tail_len == ring ? s->tail_at : 0;
		memcpy(all + n, s->tail + from, s->tail_len - from);
		memcpy(all + n + s->tail_len - from, s->tail, from);
		n += s->tail_len;
	}
	all[n] = 0;
	*ret_len = n;
	return all;
}

void sink_done(struct sink *sink)
{
	if (sink->fd >= 0)
		(void)close(sink->fd);
	free(sink->head);
	free(sink->tail);
	free(sink->buf);
	memset(sink, 0, sizeof(*sink));
	sink->fd = sink->live = -1;
}
