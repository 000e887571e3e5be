// SPDX-License-Identifier: Apache-2.0
#include "rate.h"

#include "cleanup.h"
#include "config.h"
#include "io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum {
	VERBS = 16,
	UNITS = 60000, /* of a token: one comes per ms at a rate of one token a minute */
	DAY_MS = 86400000,
};

struct bucket {
	char verb[16];
	int64_t units, at_ms;
};

/* The file of a user. Smaller than a page, so a killed writer leaves it old or new. */
struct book {
	char magic[8];
	struct bucket buckets[VERBS];
	int64_t day; /* days since 1970 of the counts below */
	struct budget used;
};

static const char magic[8] = "sbxrate1";

static int open_dir(int state, struct err *err)
{
	int dir = io_mkdir(state, "rates") < 0 ? -1 : io_open_dir(state, "rates");

	return dir < 0 ? err_sys(err, ERR_INTERNAL, "open the directory of rates") : dir;
}

static void new_day(struct book *book, int64_t now_ms)
{
	int64_t day = now_ms / DAY_MS;

	/* a clock set back stays in the later day, so that nobody gets a day twice */
	if (day > book->day) {
		book->day = day;
		book->used = (struct budget){ 0 };
	}
}

/* Opens, locks and reads the book of a user: the descriptor, to be closed when it is written. */
static int book_open(int state, const char *user, int64_t now_ms, struct book *ret, struct err *err)
{
	AUTO_FD int dir = open_dir(state, err);
	AUTO_FD int fd = dir < 0 ? -1 : io_open(dir, user, O_RDWR | O_CREAT, 0600);

	if (dir < 0)
		return -1;
	if (fd < 0)
		return err_sys(err, ERR_INTERNAL, "open the rates of '%s'", user);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_INTERNAL, "lock the rates of '%s'", user);
	if (pread(fd, ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret) ||
	    memcmp(ret->magic, magic, sizeof(magic)) != 0) {
		memset(ret, 0, sizeof(*ret));
		memcpy(ret->magic, magic, sizeof(magic));
	}
	new_day(ret, now_ms);
	return take_fd(&fd);
}

static int book_write(int fd, const struct book *book, const char *user, struct err *err)
{
	if (pwrite(fd, book, sizeof(*book), 0) != (ssize_t)sizeof(*book))
		return err_sys(err, ERR_INTERNAL, "write the rates of '%s'", user);
	return 0;
}

static const char *origin(const struct config *config, const char *name)
{
	const char *where = json_string_value(json_object_get(config->origins, name));

	return where ? where : "built in";
}

/* The bucket of a verb; the one unused for longest makes room for a new verb. */
static struct bucket *bucket_of(struct book *book, const char *verb, int64_t full, int64_t now_ms)
{
	struct bucket *oldest = &book->buckets[0];
	size_t i;

	for (i = 0; i < VERBS; i++) {
		struct bucket *b = &book->buckets[i];

		if (!strncmp(b->verb, verb, sizeof(b->verb) - 1))
			return b;
		if (b->at_ms < oldest->at_ms)
			oldest = b;
	}
	*oldest = (struct bucket){ .units = full, .at_ms = now_ms };
	(void)snprintf(oldest->verb, sizeof(oldest->verb), "%s", verb);
	return oldest;
}

int rate_take(int state, const struct config *config, const char *user, const char *verb,
	      int64_t now_ms, struct err *err)
{
	const int64_t rate = config->rate_per_minute;
	const int64_t full = (config->rate_burst > 0 ? config->rate_burst : 1) * UNITS;
	struct book book;
	struct bucket *b;
	int64_t elapsed;
	bool is_free;

	if (rate <= 0)
		return 0;
	AUTO_FD int fd = book_open(state, user, now_ms, &book, err);
	if (fd < 0)
		return -1;
	b = bucket_of(&book, verb, full, now_ms);
	elapsed = now_ms > b->at_ms ? now_ms - b->at_ms : 0;
	if (elapsed > full / rate + 1)
		elapsed = full / rate + 1; /* enough to fill it; more would only overflow */
	b->units = b->units + elapsed * rate > full ? full : b->units + elapsed * rate;
	b->at_ms = now_ms;
	is_free = b->units >= UNITS;
	b->units -= is_free ? UNITS : 0;
	/* also when refused: after a clock was set back, time must count from now on */
	if (book_write(fd, &book, user, err) < 0)
		return -1;
	if (is_free)
		return 0;
	(void)err_set(err, ERR_RATE,
		      "too many '%s' of user '%s': rate_per_minute is %" PRId64
		      " (%s), rate_burst is %" PRId64 " (%s)",
		      verb, user, rate, origin(config, "rate_per_minute"), config->rate_burst,
		      origin(config, "rate_burst"));
	if (err) {
		err->retry_ms = (long)((UNITS - b->units + rate - 1) / rate);
		(void)err_hint(err, "come back in %ld ms", err->retry_ms);
	}
	return -1;
}

static int used_up(const struct config *config, const char *user, const char *name, int64_t limit,
		   int64_t used, int64_t now_ms, struct err *err)
{
	(void)err_set(err, ERR_RATE,
		      "the budget of user '%s' for today is used up: %s is %" PRId64
		      " (%s), used are %" PRId64,
		      user, name, limit, origin(config, name), used);
	if (err)
		err->retry_ms = (long)(DAY_MS - now_ms % DAY_MS);
	return err_hint(err, "a new day begins at 00:00 UTC");
}

static int check(const struct config *c, const char *user, const struct budget *used, int64_t runs,
		 int64_t bytes, int64_t now_ms, struct err *err)
{
	if (runs > 0 && c->day_runs > 0 && used->runs + runs > c->day_runs)
		return used_up(c, user, "day_runs", c->day_runs, used->runs, now_ms, err);
	if (runs > 0 && c->day_cpu_ms > 0 && used->cpu_ms >= c->day_cpu_ms)
		return used_up(c, user, "day_cpu_ms", c->day_cpu_ms, used->cpu_ms, now_ms, err);
	if (c->day_bytes > 0 && (bytes > c->day_bytes - used->bytes || used->bytes >= c->day_bytes))
		return used_up(c, user, "day_bytes", c->day_bytes, used->bytes, now_ms, err);
	return 0;
}

int budget_take(int state, const struct config *config, const char *user, int64_t now_ms,
		struct err *err)
{
	struct book book;
	AUTO_FD int fd = book_open(state, user, now_ms, &book, err);

	if (fd < 0 || check(config, user, &book.used, 1, 0, now_ms, err) < 0)
		return -1;
	book.used.runs++;
	return book_write(fd, &book, user, err);
}

int budget_check(int state, const struct config *config, const char *user, int64_t bytes,
		 int64_t now_ms, struct err *err)
{
	struct budget used;

	if (budget_get(state, user, now_ms, &used, err) < 0)
		return -1;
	return check(config, user, &used, 0, bytes, now_ms, err);
}

static int64_t plus(int64_t a, int64_t b)
{
	int64_t sum;

	return b < 0 ? a : __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

int budget_charge(int state, const char *user, const struct budget *used, int64_t now_ms,
		  struct err *err)
{
	struct book book;
	AUTO_FD int fd = book_open(state, user, now_ms, &book, err);

	if (fd < 0)
		return -1;
	book.used.runs = plus(book.used.runs, used->runs);
	book.used.cpu_ms = plus(book.used.cpu_ms, used->cpu_ms);
	book.used.bytes = plus(book.used.bytes, used->bytes);
	return book_write(fd, &book, user, err);
}

int budget_get(int state, const char *user, int64_t now_ms, struct budget *ret, struct err *err)
{
	struct book book;
	AUTO_FD int fd = book_open(state, user, now_ms, &book, err);

	if (fd < 0)
		return -1;
	*ret = book.used;
	return 0;
}

/* Keeps rows in order, most CPU time first, and never more than limit of them. */
static void put_sorted(json_t *rows, json_t *row, size_t limit)
{
	size_t at = json_array_size(rows);
	json_int_t cpu = json_integer_value(json_object_get(row, "cpu_ms"));

	while (at > 0 &&
	       json_integer_value(json_object_get(json_array_get(rows, at - 1), "cpu_ms")) < cpu)
		at--;
	(void)json_array_insert_new(rows, at, row);
	if (json_array_size(rows) > limit)
		(void)json_array_remove(rows, limit);
}

json_t *budget_list(int state, int64_t now_ms, size_t limit, struct err *err)
{
	int fd = open_dir(state, err);
	AUTO_DIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	AUTO_JSON json_t *rows = json_array();
	struct dirent *de;

	if (!dir)
		return NULL;
	while ((de = readdir(dir))) {
		AUTO_FD int one = de->d_name[0] == '.' ?
					  -1 :
					  io_open_regular(dirfd(dir), de->d_name, O_RDONLY);
		struct book book;

		/* without the lock: the file is written in one piece */
		if (one < 0 || pread(one, &book, sizeof(book), 0) != (ssize_t)sizeof(book) ||
		    memcmp(book.magic, magic, sizeof(magic)) != 0 || book.day < now_ms / DAY_MS)
			continue;
		put_sorted(rows,
			   json_pack("{s:s,s:I,s:I,s:I}", "user", de->d_name, "runs",
				     (json_int_t)book.used.runs, "cpu_ms",
				     (json_int_t)book.used.cpu_ms, "bytes",
				     (json_int_t)book.used.bytes),
			   limit);
	}
	return take_ptr(&rows);
}

int rate_erase(int state, const char *user, struct err *err)
{
	AUTO_FD int dir = open_dir(state, err);

	if (dir < 0)
		return -1;
	if (unlinkat(dir, user, 0) < 0 && errno != ENOENT)
		return err_sys(err, ERR_INTERNAL, "remove the rates of '%s'", user);
	return 0;
}
