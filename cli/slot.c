// SPDX-License-Identifier: Apache-2.0
#include "slot.h"

#include "cleanup.h"
#include "config.h"
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS_MAX = 4096, QUEUE_MAX = 4096, POLL_MIN_MS = 5, POLL_MAX_MS = 50 };

/* Byte ranges of the file of locks; it has no content, a lock needs none. */
enum {
	AT_HOST = 0, /* one byte a slot */
	AT_QUEUE = 1 << 20, /* one byte a place in the queue: its owner lives */
};
#define AT_USERS ((int64_t)1 << 32) /* SLOTS_MAX bytes for each user, at a place by hash */

struct entry {
	uint64_t ticket; /* 0: free; written last, so that what is there is whole */
	uint64_t round; /* whose turn: the smallest goes first, then the smallest ticket */
	char user[72];
};

/* The queue, mapped from a file of fixed size and changed under flock(2) only. */
struct queue {
	char magic[8];
	uint64_t ticket, round;
	uint64_t high; /* no entry at this index or behind it */
	struct entry entries[QUEUE_MAX];
};

static const char magic[8] = "sbxslot1";

struct waiter {
	const struct config *config;
	const char *user;
	int locks, gate;
	struct queue *queue;
	int64_t user_at, slots_user, slots_total;
	size_t index;
	uint64_t ticket; /* 0: not in the queue */
	sigset_t old;
};

static bool set_lock(int fd, int64_t at, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* True when another open file holds it; what fd itself holds does not count. */
static bool is_locked(int fd, int64_t at)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* Two users at one place would share a limit, never exceed one: 2^47 places make that unlikely. */
static int64_t place_of(const char *user)
{
	struct sha256_ctx ctx;
	uint8_t digest[SHA256_DIGEST_SIZE];
	uint64_t n = 0;
	size_t i;

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(user), (const uint8_t *)user);
	sha256_digest(&ctx, sizeof(digest), digest);
	for (i = 0; i < 6; i++)
		n = n << 8 | digest[i];
	return AT_USERS + (int64_t)(n >> 1) * SLOTS_MAX;
}

static int64_t limit_of(int64_t configured)
{
	return configured > 0 && configured < SLOTS_MAX ? configured : SLOTS_MAX;
}

/* ---- opening ---- */

static void waiter_done(struct waiter *w)
{
	if (w->ticket &&
	    __atomic_load_n(&w->queue->entries[w->index].ticket, __ATOMIC_ACQUIRE) == w->ticket)
		__atomic_store_n(&w->queue->entries[w->index].ticket, 0, __ATOMIC_RELEASE);
	if (w->queue)
		(void)munmap(w->queue, sizeof(*w->queue));
	cleanup_fd(&w->gate);
	cleanup_fd(&w->locks);
}

#define AUTO_WAITER __attribute__((cleanup(waiter_done)))

static int waiter_open(struct waiter *w, int state, struct err *err)
{
	AUTO_FD int dir = io_mkdir(state, "slots") < 0 ? -1 : io_open_dir(state, "slots");
	struct stat st;
	void *p;

	w->locks = dir < 0 ? -1 : io_open(dir, "locks", O_RDWR | O_CREAT, 0600);
	w->gate = dir < 0 ? -1 : io_open(dir, "queue", O_RDWR | O_CREAT, 0600);
	if (w->locks < 0 || w->gate < 0 || fstat(w->gate, &st) < 0)
		return err_sys(err, ERR_INTERNAL, "open the slots");
	/* all who come find the same size; a sparse file of zeros is an empty queue */
	if (st.st_size != (off_t)sizeof(*w->queue) && ftruncate(w->gate, sizeof(*w->queue)) < 0)
		return err_sys(err, ERR_INTERNAL, "make the queue");
	p = mmap(NULL, sizeof(*w->queue), PROT_READ | PROT_WRITE, MAP_SHARED, w->gate, 0);
	if (p == MAP_FAILED)
		return err_sys(err, ERR_INTERNAL, "map the queue");
	w->queue = p;
	return 0;
}

/* Nobody is stopped (by a terminal, say) while all others wait for the gate. */
static int gate_enter(struct waiter *w, struct err *err)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &w->old);
	while (flock(w->gate, LOCK_EX) < 0) {
		if (errno == EINTR)
			continue;
		(void)sigprocmask(SIG_SETMASK, &w->old, NULL);
		return err_sys(err, ERR_INTERNAL, "lock the queue");
	}
	if (memcmp(w->queue->magic, magic, sizeof(magic)) != 0) {
		memset(w->queue, 0, sizeof(*w->queue));
		memcpy(w->queue->magic, magic, sizeof(magic));
	}
	if (w->queue->high > QUEUE_MAX)
		w->queue->high = QUEUE_MAX; /* not ours to trust */
	return 0;
}

static void gate_leave(struct waiter *w)
{
	(void)flock(w->gate, LOCK_UN);
	(void)sigprocmask(SIG_SETMASK, &w->old, NULL);
}

/* ---- the queue, all under the gate ---- */

static bool is_user(const struct entry *e, const char *user)
{
	return !strncmp(e->user, user, sizeof(e->user) - 1);
}

static bool is_before(const struct entry *e, uint64_t round, uint64_t ticket)
{
	return e->round < round || (e->round == round && e->ticket < ticket);
}

/* Drops an entry whose owner died. True when it lives. */
static bool is_alive(const struct waiter *w, size_t i)
{
	struct entry *e = &w->queue->entries[i];

	if (!e->ticket)
		return false;
	if ((w->ticket && i == w->index) || is_locked(w->locks, AT_QUEUE + (int64_t)i))
		return true;
	e->ticket = 0;
	return false;
}

/* The round of one who comes now: behind those of the same user who wait already. */
static uint64_t next_round(const struct waiter *w)
{
	uint64_t round = w->queue->round;
	size_t i;

	for (i = 0; i < w->queue->high; i++) {
		const struct entry *e = &w->queue->entries[i];

		if (e->ticket && is_user(e, w->user) && e->round >= round)
			round = e->round + 1;
	}
	return round;
}

static int64_t free_slots(const struct waiter *w, int64_t at, int64_t limit, int64_t enough)
{
	int64_t i, n = 0;

	for (i = 0; i < limit && n < enough; i++)
		n += !is_locked(w->locks, at + i);
	return n;
}

/* True when none of those before (round, ticket) needs one of the free slots. */
static bool is_my_turn(const struct waiter *w, uint64_t round, uint64_t ticket, int64_t free_host)
{
	int64_t before = 0;
	size_t i;

	for (i = 0; i < w->queue->high; i++) {
		const struct entry *e = &w->queue->entries[i];

		if (!e->ticket || (w->ticket && i == w->index) || !is_before(e, round, ticket) ||
		    !is_alive(w, i))
			continue;
		if (is_user(e, w->user))
			return false;
		/* one whose user is at its own limit cannot go and holds nobody up */
		if (free_slots(w, place_of(e->user), w->slots_user, 1) > 0 && ++before >= free_host)
			return false;
	}
	return true;
}

static bool take_one(const struct waiter *w, int64_t at, int64_t limit, int64_t *ret_at)
{
	int64_t i;

	for (i = 0; i < limit; i++) {
		if (set_lock(w->locks, at + i, F_WRLCK)) {
			*ret_at = at + i;
			return true;
		}
	}
	return false;
}

static bool is_pressed(const struct config *config)
{
	AUTO_FREE char *text = NULL;
	long long total = 0, available = 0;
	const char *at;

	if (config->pressure_percent <= 0)
		return false;
	AUTO_FD int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	text = fd < 0 ? NULL : io_read_all(fd, 64 << 10, NULL);
	if (!text || sscanf(text, "MemTotal: %lld", &total) != 1 || total <= 0)
		return false;
	at = strstr(text, "MemAvailable:");
	if (!at || sscanf(at, "MemAvailable: %lld", &available) != 1)
		return false;
	return (total - available) * 100 > total * config->pressure_percent;
}

/* Takes a slot if one is free and nobody else is due for it. */
static bool try_take(struct waiter *w)
{
	struct entry *mine = &w->queue->entries[w->index];
	uint64_t round = w->ticket ? mine->round : next_round(w);
	int64_t free_host = free_slots(w, AT_HOST, w->slots_total, 64), user_byte, host_byte;

	if (free_host == 0 || free_slots(w, w->user_at, w->slots_user, 1) == 0 ||
	    !is_my_turn(w, round, w->ticket ? w->ticket : UINT64_MAX, free_host))
		return false;
	if (!take_one(w, w->user_at, w->slots_user, &user_byte))
		return false;
	if (!take_one(w, AT_HOST, w->slots_total, &host_byte)) {
		(void)set_lock(w->locks, user_byte, F_UNLCK);
		return false;
	}
	if (w->ticket) {
		mine->ticket = 0;
		(void)set_lock(w->locks, AT_QUEUE + (int64_t)w->index, F_UNLCK);
		w->ticket = 0;
	}
	if (round > w->queue->round)
		w->queue->round = round;
	return true;
}

static size_t count_waiting(const struct waiter *w, const char *user)
{
	size_t i, n = 0;

	for (i = 0; i < w->queue->high; i++)
		n += w->queue->entries[i].ticket && (!user || is_user(&w->queue->entries[i], user));
	return n;
}

/* The last of the user with most waiters gives its place up if ours has fewer by two. */
static bool make_room(struct waiter *w)
{
	size_t i, most = 0, last = 0;

	for (i = 0; i < w->queue->high; i++)
		(void)is_alive(w, i);
	if (count_waiting(w, NULL) < (size_t)w->config->queue)
		return true;
	for (i = 0; i < w->queue->high; i++) {
		const struct entry *e = &w->queue->entries[i];
		size_t n = e->ticket ? count_waiting(w, e->user) : 0;

		if (n > most || (n > 0 && n == most &&
				 is_before(&w->queue->entries[last], e->round, e->ticket))) {
			most = n;
			last = i;
		}
	}
	if (most < count_waiting(w, w->user) + 2)
		return false;
	w->queue->entries[last].ticket = 0; /* its owner sees that and leaves */
	return true;
}

static bool enqueue(struct waiter *w)
{
	uint64_t round = next_round(w);
	struct entry *e;
	size_t i;

	if (w->config->queue <= 0 ||
	    (count_waiting(w, NULL) >= (size_t)w->config->queue && !make_room(w)))
		return false;
	for (i = 0; i < QUEUE_MAX; i++)
		if (!w->queue->entries[i].ticket &&
		    set_lock(w->locks, AT_QUEUE + (int64_t)i, F_WRLCK))
			break;
	if (i == QUEUE_MAX)
		return false;
	e = &w->queue->entries[i];
	e->round = round;
	(void)snprintf(e->user, sizeof(e->user), "%s", w->user);
	if (i >= w->queue->high)
		w->queue->high = i + 1;
	w->index = i;
	w->ticket = ++w->queue->ticket;
	__atomic_store_n(&e->ticket, w->ticket, __ATOMIC_RELEASE);
	return true;
}

/* How long to sleep: those who are next look most often. */
static int64_t pause_of(const struct waiter *w)
{
	const struct entry *mine = &w->queue->entries[w->index];
	int64_t ms = POLL_MIN_MS;
	size_t i;

	for (i = 0; i < w->queue->high && ms < POLL_MAX_MS; i++) {
		const struct entry *e = &w->queue->entries[i];

		ms += e->ticket && is_before(e, mine->round, w->ticket);
	}
	return ms;
}

/* ---- taking ---- */

enum step { STEP_GONE = -2, STEP_FAILED = -1, STEP_TAKEN, STEP_WAIT, STEP_FULL };

static enum step step(struct waiter *w, bool may_wait, int64_t *ret_pause, struct err *err)
{
	bool is_low = is_pressed(w->config);
	enum step got = STEP_WAIT;

	if (gate_enter(w, err) < 0)
		return STEP_FAILED;
	if (w->ticket && w->queue->entries[w->index].ticket != w->ticket) {
		w->ticket = 0;
		got = STEP_GONE;
	} else if (!is_low && try_take(w)) {
		got = STEP_TAKEN;
	} else if (!w->ticket && may_wait && !enqueue(w)) {
		got = STEP_FULL;
	}
	if (got == STEP_WAIT && w->ticket)
		*ret_pause = pause_of(w);
	gate_leave(w);
	return got;
}

static const char *origin(const struct config *config, const char *name)
{
	const char *where = json_string_value(json_object_get(config->origins, name));

	return where ? where : "built in";
}

static int busy(const struct waiter *w, enum step how, int64_t waited_ms, struct err *err)
{
	const struct config *c = w->config;

	if (how == STEP_FULL || how == STEP_GONE)
		(void)err_set(err, ERR_BUSY,
			      "no slot is free and the queue is full: queue is %" PRId64 " (%s)",
			      c->queue, origin(c, "queue"));
	else if (is_pressed(c))
		(void)err_set(err, ERR_BUSY,
			      "the host is short of memory: pressure_percent is %" PRId64 " (%s)",
			      c->pressure_percent, origin(c, "pressure_percent"));
	else
		(void)err_set(err, ERR_BUSY,
			      "no slot was free for user '%s' within %" PRId64
			      " ms: slots_user is %" PRId64 " (%s), slots_total is %" PRId64
			      " (%s)",
			      w->user, waited_ms, c->slots_user, origin(c, "slots_user"),
			      c->slots_total, origin(c, "slots_total"));
	if (err)
		err->retry_ms = c->wait_ms > 4000 ? (long)(c->wait_ms / 4) : 1000;
	return -1;
}

static void sleep_ms(int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL); /* cut short by a signal: we look earlier */
}

int slot_take(int state, const struct config *config, const char *user, int *ret_fd,
	      int64_t *ret_wait_ms, struct err *err)
{
	AUTO_WAITER struct waiter w = {
		.config = config,
		.user = user,
		.locks = -1,
		.gate = -1,
		.user_at = place_of(user),
		.slots_user = limit_of(config->slots_user),
		.slots_total = limit_of(config->slots_total),
	};
	int64_t start = io_now_ms(), pause = POLL_MIN_MS, left;

	if (waiter_open(&w, state, err) < 0)
		return -1;
	for (;;) {
		enum step got = step(&w, config->wait_ms > 0, &pause, err);

		if (got == STEP_FAILED)
			return -1;
		if (got == STEP_TAKEN)
			break;
		left = start + config->wait_ms - io_now_ms();
		if (got != STEP_WAIT || left <= 0)
			return busy(&w, got, io_now_ms() - start, err);
		sleep_ms(pause < left ? pause : left);
	}
	if (ret_wait_ms)
		*ret_wait_ms = io_now_ms() - start;
	*ret_fd = take_fd(&w.locks);
	return 0;
}

int slot_count(int state, int64_t *ret_running, int64_t *ret_waiting, struct err *err)
{
	AUTO_WAITER struct waiter w = { .locks = -1, .gate = -1 };
	int64_t i, running = 0, waiting = 0;

	if (waiter_open(&w, state, err) < 0)
		return -1;
	for (i = 0; i < SLOTS_MAX; i++) {
		struct flock all = { .l_type = F_WRLCK, .l_start = i, .l_len = SLOTS_MAX - i };

		/* one question when nothing runs; else byte by byte up to the last that is held */
		if (fcntl(w.locks, F_OFD_GETLK, &all) < 0 || all.l_type == F_UNLCK)
			break;
		running += is_locked(w.locks, i);
	}
	for (i = 0; i < QUEUE_MAX && i < (int64_t)w.queue->high; i++)
		waiting += w.queue->entries[i].ticket && is_locked(w.locks, AT_QUEUE + i);
	*ret_running = running;
	*ret_waiting = waiting;
	return 0;
}
