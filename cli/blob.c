// SPDX-License-Identifier: Apache-2.0
/*
 * Stored files: streamed into an unnamed file, hashed on the way, named when all is known. The id
 * index has a symbolic link per file whose text, read and never followed, says where it is.
 */
#include "cleanup.h"
#include "config.h"
#include "hash.h"
#include "io.h"
#include "names.h"
#include "store.h"
#include "text.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { CHUNK = 256 << 10, MOVE = 1 << 20, LARGE = 1 << 20, BEHIND = 8 << 20 };

int64_t usage_add(const struct session *session, int64_t add, struct err *err)
{
	AUTO_FD int fd = io_open(session->user_dir, ".usage", O_RDWR | O_CREAT, 0600);
	char text[32] = "";
	int64_t sum = 0;
	ssize_t n;

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_sys(err, ERR_STORAGE, "open the user's usage");
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n > 0)
		(void)text_count(strtok(text, "\n"), 0, INT64_MAX / 2, &sum);
	if (add == 0)
		return sum;
	sum = sum + add < 0 ? 0 : sum + add;
	n = snprintf(text, sizeof(text), "%lld\n", (long long)sum);
	/* a crash in between loses a count that fsck puts right, never a file */
	if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) < 0)
		return err_sys(err, ERR_STORAGE, "write the user's usage");
	return sum;
}

int blob_begin(const struct session *session, struct blob *ret, struct err *err)
{
	int64_t used = usage_add(session, 0, err);

	memset(ret, 0, sizeof(*ret));
	ret->fd = -1;
	ret->sync = session->config->fsync;
	if (used < 0)
		return -1;
	ret->room = session->config->upload_bytes;
	ret->room_why = "upload_bytes";
	if (session->config->user_bytes - used < ret->room) {
		ret->room = session->config->user_bytes - used;
		ret->room_why = "user_bytes";
	}
	ret->fd = openat(session->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return ret->fd < 0 ? err_sys(err, ERR_STORAGE, "make a file in the store") : 0;
}

static int over(const struct blob *blob, struct err *err)
{
	(void)err_set(err, ERR_QUOTA, "%s: more than the %lld bytes that are left", blob->room_why,
		      (long long)(blob->room < 0 ? 0 : blob->room));
	return -1;
}

static int count(struct blob *blob, size_t len, struct err *err)
{
	if (blob->size + (int64_t)len > blob->room)
		return over(blob, err);
	blob->size += (int64_t)len;
	return 0;
}

static int put(struct blob *blob, const void *data, size_t len, struct err *err)
{
	if (count(blob, len, err) < 0)
		return -1;
	return io_write_all(blob->fd, data, len) < 0 ?
		       err_sys(err, ERR_STORAGE, "write a file of the store") :
		       0;
}

/* Lets the disk begin, so that the fsync at the end finds little to do. */
static void write_behind(struct blob *blob)
{
	if (!blob->sync || blob->size - blob->written < BEHIND)
		return;
	(void)sync_file_range(blob->fd, blob->written, blob->size - blob->written,
			      SYNC_FILE_RANGE_WRITE);
	blob->written = blob->size;
}

/* From a descriptor that may be anything: each piece is hashed from the buffer on its way. */
static int fill_by_reading(struct blob *blob, int fd, struct err *err)
{
	AUTO_FREE char *buf = malloc(CHUNK);
	struct sha256_ctx hash;
	ssize_t n;

	if (!buf)
		return err_sys(err, ERR_INTERNAL, "allocate");
	sha256_init(&hash);
	while ((n = read(fd, buf, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, ERR_REQUEST, "read the file");
		sha256_update(&hash, (size_t)n, (const uint8_t *)buf);
		if (put(blob, buf, (size_t)n, err) < 0)
			return -1;
		write_behind(blob);
	}
	hash_end(&hash, blob->sha256);
	return 0;
}

/*
 * A large regular file: moved inside the kernel, and hashed beside that from what the store has, so that
 * the hash is that of the stored bytes whatever becomes of the source. copy_file_range(2) refuses other
 * file systems (EXDEV) and files of no fixed size; the rest is read then.
 */
static int move(struct blob *blob, int fd, struct hash_beside *hash, struct err *err)
{
	AUTO_FREE char *buf = malloc(CHUNK);
	bool reading = false;

	if (!buf)
		return err_sys(err, ERR_INTERNAL, "allocate");
	for (;;) {
		ssize_t n = reading ? read(fd, buf, CHUNK) :
				      copy_file_range(fd, NULL, blob->fd, NULL, MOVE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 && !reading &&
		    (n == 0 || (errno != ENOSPC && errno != EDQUOT && errno != EIO))) {
			reading = true;
			continue;
		}
		if (n < 0)
			return err_sys(err, reading ? ERR_REQUEST : ERR_STORAGE, "copy the file");
		if (n == 0)
			return 0;
		if ((reading ? put(blob, buf, (size_t)n, err) : count(blob, (size_t)n, err)) < 0)
			return -1;
		hash_advance(hash, blob->size);
		write_behind(blob);
	}
}

int blob_fill(struct blob *blob, int fd, struct err *err)
{
	struct hash_beside *hash = NULL;
	struct stat st;
	int failed;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		if (blob->size + st.st_size > blob->room)
			return over(blob, err); /* before a byte is read */
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		hash = st.st_size >= LARGE ? hash_start(blob->fd) : NULL;
	}
	if (!hash)
		return fill_by_reading(blob, fd, err);
	failed = move(blob, fd, hash, err);
	if (hash_finish(hash, blob->sha256) < 0 && failed == 0)
		return err_sys(err, ERR_STORAGE, "read back a file of the store");
	return failed;
}

int blob_fill_some(struct blob *blob, int fd, int64_t len, struct err *err)
{
	AUTO_FREE char *buf = malloc(CHUNK);
	struct sha256_ctx hash;

	if (!buf)
		return err_sys(err, ERR_INTERNAL, "allocate");
	sha256_init(&hash);
	if (blob->size + len > blob->room)
		return over(blob, err);
	while (len > 0) {
		ssize_t n = read(fd, buf, len < CHUNK ? (size_t)len : CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_sys(err, ERR_REQUEST, "read the file") :
				       err_set(err, ERR_REQUEST, "the file ends too early");
		if (put(blob, buf, (size_t)n, err) < 0)
			return -1;
		sha256_update(&hash, (size_t)n, (const uint8_t *)buf);
		write_behind(blob);
		len -= n;
	}
	hash_end(&hash, blob->sha256);
	return 0;
}

int blob_write(struct blob *blob, const void *data, size_t len, struct err *err)
{
	hash_bytes(data, len, blob->sha256);
	return put(blob, data, len, err);
}

static int open_shard(int storage, const char *id, bool make)
{
	char shard[8];

	(void)snprintf(shard, sizeof(shard), "%.2s", id);
	AUTO_FD int ids = io_open_dir(storage, ".ids");
	if (ids < 0 && make && io_mkdir(storage, ".ids") == 0)
		ids = io_open_dir(storage, ".ids");
	if (ids < 0 || (make && io_mkdir(ids, shard) < 0))
		return -1;
	return io_open_dir(ids, shard);
}

static int open_storage(const struct session *session)
{
	return openat(session->user_dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void stored_name(const struct entry *entry, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s.%s", entry->id, entry->extension);
}

int blob_keep(const struct session *session, struct blob *blob, struct entry *entry,
	      struct err *err)
{
	id_new(entry->id);
	return blob_keep_as(session, blob, entry, err);
}

int blob_keep_as(const struct session *session, struct blob *blob, struct entry *entry,
		 struct err *err)
{
	AUTO_FD int storage = open_storage(session);
	char name[64], self[48], where[160];

	AUTO_FD int shard = storage < 0 ? -1 : open_shard(storage, entry->id, true);
	name_extension(entry->name, entry->extension, sizeof(entry->extension));
	memcpy(entry->sha256, blob->sha256, sizeof(entry->sha256));
	entry->size = blob->size;
	entry->created = text_now_ms();
	stored_name(entry, name, sizeof(name));
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", blob->fd);
	(void)snprintf(where, sizeof(where), "%s/%s/%s", session->user, session->id,
		       entry->extension);
	/* counted before it can be seen, so that who removes it never takes away what was not added */
	if (usage_add(session, entry->size, err) > session->config->user_bytes) {
		(void)usage_add(session, -entry->size, NULL);
		return err_set(err, ERR_QUOTA, "user_bytes: the user holds more than %lld bytes",
			       (long long)session->config->user_bytes);
	}
	if (shard < 0 || (session->config->fsync && fsync(blob->fd) < 0) ||
	    linkat(AT_FDCWD, self, session->dir, name, AT_SYMLINK_FOLLOW) < 0) {
		(void)err_sys(err, ERR_STORAGE, "keep a file in the store");
		(void)usage_add(session, -entry->size, NULL);
		return -1;
	}
	if (symlinkat(where, shard, entry->id) <
	    0) { /* with EEXIST the place is another file's: it stays */
		(void)err_sys(err, errno == EEXIST ? ERR_REQUEST : ERR_STORAGE,
			      "put file %s into the index", entry->id);
		if (unlinkat(session->dir, name, 0) == 0)
			(void)usage_add(session, -entry->size, NULL);
		return -1;
	}
	if (session->config->fsync && (fsync(shard) < 0 || fsync(session->dir) < 0)) {
		(void)err_sys(err, ERR_STORAGE, "put a file into the index");
		blob_forget(session, entry);
		return -1;
	}
	return 0;
}

void blob_done(struct blob *blob)
{
	cleanup_fd(&blob->fd);
	blob->fd = -1;
}

void blob_forget(const struct session *session, const struct entry *entry)
{
	AUTO_FD int storage = open_storage(session);
	AUTO_FD int shard = storage < 0 ? -1 : open_shard(storage, entry->id, false);
	char name[64];

	stored_name(entry, name, sizeof(name));
	if (unlinkat(session->dir, name, 0) == 0) /* what cannot be taken back, fsck finds */
		(void)usage_add(session, -entry->size, NULL);
	if (shard >= 0)
		(void)unlinkat(shard, entry->id, 0);
}

int entry_open(const struct session *session, const struct entry *entry, struct err *err)
{
	char name[64];
	int fd;

	stored_name(entry, name, sizeof(name));
	fd = io_open_regular(session->dir, name, O_RDONLY);
	return fd < 0 ? err_sys(err, ERR_CORRUPT, "open the stored file of '%s'", entry->name) : fd;
}

int index_find(struct call *call, const char *id, char *ret_user, char *ret_session,
	       struct err *err)
{
	char where[160] = "", path[64], full[ID_SIZE], *slash, *second;
	int storage = call_storage(call, err);
	ssize_t n;

	if (storage < 0)
		return -1;
	if (!id_parse(id, full))
		return err_set(err, ERR_NOT_FOUND, "no such file");
	(void)snprintf(path, sizeof(path), ".ids/%.2s/%s", full, full);
	n = readlinkat(storage, path, where, sizeof(where) - 1);
	slash = n > 0 ? strchr(where, '/') : NULL;
	second = slash ? strchr(slash + 1, '/') : NULL;
	if (!second || slash - where > 64 || second - slash != 37)
		return err_set(err, ERR_NOT_FOUND, "no such file");
	*slash = *second = 0;
	memcpy(ret_user, where, strlen(where) + 1);
	memcpy(ret_session, slash + 1, 37);
	return 0;
}
