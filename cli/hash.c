// SPDX-License-Identifier: Apache-2.0
#include "hash.h"

#include "cleanup.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>

enum {
	CHUNK = 256 << 10,
	WINDOW = 2 << 20, /* a multiple of every page size */
};

void hash_end(struct sha256_ctx *hash, char ret[HASH_SIZE])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	size_t i;

	sha256_digest(hash, sizeof(digest), digest);
	for (i = 0; i < sizeof(digest); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

void hash_bytes(const void *data, size_t len, char ret[HASH_SIZE])
{
	struct sha256_ctx hash;

	sha256_init(&hash);
	sha256_update(&hash, len, data);
	hash_end(&hash, ret);
}

int hash_part(int fd, int64_t size, char ret[HASH_SIZE])
{
	AUTO_FREE uint8_t *buf = malloc(CHUNK);
	struct sha256_ctx hash;
	off_t at = 0;
	ssize_t n;

	if (!buf)
		return -1;
	sha256_init(&hash);
	while ((n = pread(fd, buf, CHUNK, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		sha256_update(&hash, (size_t)n, buf);
		at += n;
		if (at > size) {
			errno = EFBIG;
			return -1;
		}
	}
	hash_end(&hash, ret);
	return 0;
}

int hash_file(int fd, char ret[HASH_SIZE])
{
	return hash_part(fd, INT64_MAX, ret);
}

struct hash_beside {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	int64_t size; /* under lock, and so is last */
	bool last;
	int fd, error; /* error, at and sha: the thread's until it is joined */
	int64_t at;
	struct sha256_ctx sha;
};

/* Waits for a whole window or for the end; returns the bytes to take. */
static size_t await_bytes(struct hash_beside *h)
{
	int64_t there;

	(void)pthread_mutex_lock(&h->lock);
	while (h->size - h->at < WINDOW && !h->last)
		(void)pthread_cond_wait(&h->more, &h->lock);
	there = h->size - h->at;
	(void)pthread_mutex_unlock(&h->lock);
	return there < WINDOW ? (size_t)there : WINDOW;
}

static void *run(void *arg)
{
	struct hash_beside *h = arg;
	size_t n;

	while ((n = await_bytes(h)) > 0) {
		/* the pages are in the cache, just written: MAP_POPULATE maps them all in one call */
		void *p = mmap(NULL, n, PROT_READ, MAP_SHARED | MAP_POPULATE, h->fd, h->at);

		if (p == MAP_FAILED) {
			h->error = errno;
			break;
		}
		sha256_update(&h->sha, n, p);
		(void)munmap(p, n);
		h->at += (int64_t)n;
	}
	return NULL;
}

struct hash_beside *hash_start(int fd)
{
	struct hash_beside *h = calloc(1, sizeof(*h));
	int error;

	if (!h)
		return NULL;
	h->fd = fd;
	sha256_init(&h->sha);
	(void)pthread_mutex_init(&h->lock, NULL);
	(void)pthread_cond_init(&h->more, NULL);
	error = pthread_create(&h->thread, NULL, run, h);
	if (error == 0)
		return h;
	free(h);
	errno = error;
	return NULL;
}

static void tell(struct hash_beside *h, int64_t size, bool last)
{
	(void)pthread_mutex_lock(&h->lock);
	if (size > h->size)
		h->size = size;
	h->last = last;
	(void)pthread_cond_signal(&h->more);
	(void)pthread_mutex_unlock(&h->lock);
}

void hash_advance(struct hash_beside *hash, int64_t size)
{
	tell(hash, size, false);
}

int hash_finish(struct hash_beside *h, char ret[HASH_SIZE])
{
	int error;

	if (!h)
		return 0;
	tell(h, 0, true);
	(void)pthread_join(h->thread, NULL);
	error = h->error;
	hash_end(&h->sha, ret);
	(void)pthread_cond_destroy(&h->more);
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
	errno = error;
	return error ? -1 : 0;
}
