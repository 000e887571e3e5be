// SPDX-License-Identifier: Apache-2.0
#include "stats.h"

#include "cleanup.h"
#include "io.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "stats.bin"

enum { VERSION = 1, BUCKETS = 17, MINUTES = 128, SHOWN_MINUTES = 120, NAME_SIZE = 20, PAGE = 4096 };

static const int64_t bucket_ms[BUCKETS - 1] = { 5,     10,     25,     50,    100,   250,
						500,   1000,   2500,   5000,  10000, 30000,
						60000, 120000, 300000, 600000 };

/* A counter that got its name from an answer. */
struct named {
	uint32_t state; /* of enum claim */
	char name[NAME_SIZE];
	uint64_t n;
};

enum claim { CLAIM_FREE, CLAIM_WRITING, CLAIM_READY };

struct minute {
	uint32_t minute, runs, failed, refused, blocked; /* minute: since 1970 */
};

/*
 * The file. A change of this needs another VERSION. All but the minutes fits into one page, since
 * the first write to each page of a mapping is most of what an update costs.
 */
struct table {
	char magic[8];
	uint32_t version, size;
	uint64_t created_ms;
	uint64_t runs, cpu_ms, wall_ms, wait_ms, memory_max, blocked, timeouts;
	uint64_t walls[BUCKETS];
	uint64_t counters[32], errors[32];
	struct named status[16], isolation[8], limits[24], lang[48];
	struct minute minutes[MINUTES] __attribute__((aligned(PAGE)));
};

_Static_assert(STATS_COUNTERS <= 32 && ERR_COUNT <= 32, "the file has room for all counters");
_Static_assert(offsetof(struct table, minutes) == PAGE, "what each update touches is one page");

static const char magic[8] = "sbxstats";

static const struct {
	const char *name, *metric, *help;
} counters[STATS_COUNTERS] = {
	[STATS_UPLOADS] = { "uploads", "uploads_total", "Files that were uploaded." },
	[STATS_UPLOAD_BYTES] = { "upload_bytes", "upload_bytes_total",
				 "Bytes that were uploaded." },
	[STATS_DOWNLOADS] = { "downloads", "downloads_total", "Files that were downloaded." },
	[STATS_DOWNLOAD_BYTES] = { "download_bytes", "download_bytes_total",
				   "Bytes that were downloaded." },
	[STATS_AUTH_FAILED] = { "auth_failures", "auth_failures_total",
				"Requests without a right key." },
	[STATS_RATE_REFUSED] = { "rate_refused", "rate_limited_total",
				 "Operations refused by a rate or a budget." },
	[STATS_BUSY_REFUSED] = { "busy_refused", "busy_total",
				 "Runs refused because no slot was free in time." },
	[STATS_QUOTA_REFUSED] = { "quota_refused", "quota_refused_total",
				  "Operations refused by a quota." },
	[STATS_POLICY_REFUSED] = { "policy_refused", "policy_refused_total",
				   "Operations refused by profile or configuration." },
	[STATS_ISOLATION_FAILED] = { "isolation_failures", "isolation_failures_total",
				     "Runs refused because the host could not isolate them." },
	[STATS_AUDIT_BROKEN] = { "audit_failures", "audit_failures_total",
				 "Verifications that found the audit log broken." },
};

static uint64_t get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void add(uint64_t *p, int64_t n)
{
	if (n > 0)
		(void)__atomic_add_fetch(p, (uint64_t)n, __ATOMIC_RELAXED);
}

/* ---- the file ---- */

/* Made under another name and linked in: of two who make it at once, one wins and both use it. */
static int make(int state)
{
	AUTO_FREE struct table *t = aligned_alloc(PAGE, sizeof(*t));
	char tmp[64];
	int done;

	if (!t)
		return -1;
	memset(t, 0, sizeof(*t));
	memcpy(t->magic, magic, sizeof(magic));
	t->version = VERSION;
	t->size = sizeof(*t);
	t->created_ms = (uint64_t)text_now_ms();
	(void)snprintf(tmp, sizeof(tmp), ".stats-%d-%" PRId64, (int)getpid(), io_now_us());
	if (io_replace_file(state, tmp, t, sizeof(*t), false) < 0)
		return -1;
	done = linkat(state, tmp, state, FILE_NAME, 0) < 0 && errno != EEXIST ? -1 : 0;
	(void)unlinkat(state, tmp, 0);
	return done;
}

static void table_unmap(struct table **t)
{
	if (*t)
		(void)munmap(*t, sizeof(**t));
}

#define AUTO_TABLE __attribute__((cleanup(table_unmap)))

/* NULL when the file is not of this layout, or cannot be mapped. Few calls: they are the cost. */
static struct table *map_file(int fd)
{
	struct stat st;
	struct table *t;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != (off_t)sizeof(*t))
		return NULL;
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t == MAP_FAILED)
		return NULL;
	if (!memcmp(t->magic, magic, sizeof(magic)) && t->version == VERSION &&
	    t->size == sizeof(*t))
		return t;
	table_unmap(&t);
	return NULL;
}

static struct table *table_map(int state, struct err *err)
{
	int tries;

	for (tries = 0; tries < 8; tries++) {
		AUTO_FD int fd = io_open(state, FILE_NAME, O_RDWR, 0);
		struct table *t = fd < 0 ? NULL : map_file(fd);

		if (t)
			return t;
		if (fd < 0 && errno != ENOENT)
			break;
		/* of two who do this the second may move the new file: counts of a moment */
		if ((fd >= 0 && renameat(state, FILE_NAME, state, "stats-old.bin") < 0 &&
		     errno != ENOENT) ||
		    make(state) < 0)
			break;
	}
	(void)err_sys(err, ERR_INTERNAL, "open the counters");
	return NULL;
}

/* ---- counting ---- */

/* Only what a label and a terminal can bear. */
static void plain_name(const char *name, char *buf)
{
	size_t i;

	for (i = 0; i < NAME_SIZE - 1 && name[i]; i++) {
		char c = name[i];
		bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || c == '.' || c == '+' || c == '#' ||
				c == '-';

		buf[i] = is_plain ? c : '_';
	}
	memset(buf + i, 0, NAME_SIZE - i);
}

/*
 * Counts under a name. A free place is claimed, named, then shown; two who claim for the same name
 * at once get two places, which are summed when read. The last place takes what finds none.
 */
static void add_named(struct named *list, size_t count, const char *name, int64_t n)
{
	char plain[NAME_SIZE];
	size_t i;

	plain_name(name && *name ? name : "unknown", plain);
	for (i = 0; i < count; i++) {
		struct named *slot = &list[i];
		uint32_t is = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);

		if (i == count - 1 && is == CLAIM_FREE)
			plain_name("other", plain);
		if (is == CLAIM_FREE &&
		    __atomic_compare_exchange_n(&slot->state, &is, CLAIM_WRITING, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			memcpy(slot->name, plain, NAME_SIZE);
			__atomic_store_n(&slot->state, CLAIM_READY, __ATOMIC_RELEASE);
			is = CLAIM_READY;
		}
		if (i == count - 1 ||
		    (is == CLAIM_READY && !memcmp(slot->name, plain, NAME_SIZE))) {
			add(&slot->n, n);
			return;
		}
	}
}

#define ADD_NAMED(list, name, n) add_named(list, sizeof(list) / sizeof(*(list)), name, n)

static uint32_t get_small(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void add_small(uint32_t *p, int64_t n)
{
	if (n > 0)
		(void)__atomic_add_fetch(p, n > INT32_MAX ? INT32_MAX : (uint32_t)n,
					 __ATOMIC_RELAXED);
}

/* The row of this minute; whoever comes first empties what stood there two hours ago. */
static struct minute *this_minute(struct table *t)
{
	uint32_t now = (uint32_t)(text_now_ms() / 60000);
	struct minute *m = &t->minutes[now % MINUTES];
	uint32_t was = get_small(&m->minute);

	if (was != now && __atomic_compare_exchange_n(&m->minute, &was, now, false,
						      __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		__atomic_store_n(&m->runs, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&m->failed, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&m->refused, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&m->blocked, 0, __ATOMIC_RELAXED);
	}
	return m;
}

static void raise_to(uint64_t *p, int64_t n)
{
	uint64_t was = get(p);

	while (n > 0 && was < (uint64_t)n &&
	       !__atomic_compare_exchange_n(p, &was, (uint64_t)n, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED))
		;
}

int stats_run_add(int state, const struct stats_run *run, struct err *err)
{
	AUTO_TABLE struct table *t = table_map(state, err);
	struct minute *minute;
	size_t i;

	if (!t)
		return -1;
	add(&t->runs, 1);
	add(&t->cpu_ms, run->cpu_ms);
	add(&t->wall_ms, run->wall_ms);
	add(&t->wait_ms, run->wait_ms);
	add(&t->blocked, run->blocked);
	raise_to(&t->memory_max, run->memory_bytes);
	for (i = 0; i < BUCKETS - 1 && run->wall_ms > bucket_ms[i]; i++)
		;
	add(&t->walls[i], 1);
	ADD_NAMED(t->status, run->status, 1);
	ADD_NAMED(t->isolation, run->isolation, 1);
	ADD_NAMED(t->lang, run->lang, 1);
	for (i = 0; run->limits_hit && run->limits_hit[i]; i++)
		ADD_NAMED(t->limits, run->limits_hit[i], 1);
	add(&t->timeouts, run->status && !strcmp(run->status, "timeout"));
	minute = this_minute(t);
	add_small(&minute->runs, 1);
	add_small(&minute->failed, !run->status || strcmp(run->status, "success") != 0);
	add_small(&minute->blocked, run->blocked);
	return 0;
}

int stats_count(int state, enum stats_counter counter, int64_t n, struct err *err)
{
	AUTO_TABLE struct table *t = table_map(state, err);

	if (!t)
		return -1;
	add(&t->counters[counter], n);
	return 0;
}

int stats_error(int state, enum err_code code, struct err *err)
{
	static const struct {
		enum err_code code;
		enum stats_counter counter;
	} refusals[] = {
		{ ERR_RATE, STATS_RATE_REFUSED },          { ERR_BUSY, STATS_BUSY_REFUSED },
		{ ERR_QUOTA, STATS_QUOTA_REFUSED },        { ERR_POLICY, STATS_POLICY_REFUSED },
		{ ERR_ISOLATION, STATS_ISOLATION_FAILED },
	};
	AUTO_TABLE struct table *t = table_map(state, err);
	size_t i;

	if (!t)
		return -1;
	add(&t->errors[code < ERR_COUNT ? code : ERR_INTERNAL], 1);
	for (i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		if (refusals[i].code != code)
			continue;
		add(&t->counters[refusals[i].counter], 1);
		add_small(&this_minute(t)->refused, 1);
	}
	return 0;
}

/* ---- reading ---- */

static json_t *count_json(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *named_json(const struct named *list, size_t count)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < count; i++) {
		char name[NAME_SIZE + 1] = "";
		json_int_t sum;

		if (__atomic_load_n(&list[i].state, __ATOMIC_ACQUIRE) != CLAIM_READY)
			continue;
		plain_name(list[i].name, name);
		sum = json_integer_value(json_object_get(object, name)) +
		      (json_int_t)get(&list[i].n);
		(void)json_object_set_new(object, name, json_integer(sum));
	}
	return object;
}

#define NAMED_JSON(list) named_json(list, sizeof(list) / sizeof(*(list)))

/* A quantile in ms, taken to be spread evenly within its bucket; 0 without any run. */
static double quantile(const struct table *t, double q)
{
	uint64_t all = 0, below = 0;
	double wanted;
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		all += get(&t->walls[i]);
	wanted = q * (double)all;
	for (i = 0; i < BUCKETS - 1; i++) {
		uint64_t n = get(&t->walls[i]);
		double low = i ? (double)bucket_ms[i - 1] : 0;

		if (n > 0 && (double)(below + n) >= wanted)
			return low +
			       ((double)bucket_ms[i] - low) * (wanted - (double)below) / (double)n;
		below += n;
	}
	return all ? (double)bucket_ms[BUCKETS - 2] : 0;
}

static json_t *wall_json(const struct table *t)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < BUCKETS; i++)
		(void)json_array_append_new(rows,
					    json_pack("{s:o,s:I}", "le_ms",
						      i < BUCKETS - 1 ? json_integer(bucket_ms[i]) :
									json_null(),
						      "count", (json_int_t)get(&t->walls[i])));
	return json_pack("{s:I,s:f,s:f,s:f,s:o}", "sum_ms", (json_int_t)get(&t->wall_ms), "p50_ms",
			 quantile(t, 0.5), "p95_ms", quantile(t, 0.95), "p99_ms", quantile(t, 0.99),
			 "buckets", rows);
}

static json_t *minutes_json(const struct table *t)
{
	uint32_t now = (uint32_t)(text_now_ms() / 60000), n;
	json_t *rows = json_array();

	for (n = now - SHOWN_MINUTES + 1; n <= now; n++) {
		const struct minute *m = &t->minutes[n % MINUTES];
		bool is_there = get_small(&m->minute) == n;

		(void)json_array_append_new(
			rows,
			json_pack("{s:I,s:I,s:I,s:I,s:I}", "at_ms", (json_int_t)n * 60000, "runs",
				  (json_int_t)(is_there ? get_small(&m->runs) : 0), "failed",
				  (json_int_t)(is_there ? get_small(&m->failed) : 0), "refused",
				  (json_int_t)(is_there ? get_small(&m->refused) : 0), "blocked",
				  (json_int_t)(is_there ? get_small(&m->blocked) : 0)));
	}
	return rows;
}

static json_t *errors_json(const struct table *t)
{
	json_t *object = json_object();
	enum err_code code;

	for (code = ERR_NONE + 1; code < ERR_COUNT; code++)
		if (get(&t->errors[code]))
			(void)json_object_set_new(object, err_name(code),
						  count_json(get(&t->errors[code])));
	return object;
}

json_t *stats_json(int state, struct err *err)
{
	AUTO_TABLE struct table *t = table_map(state, err);
	json_t *o = t ? json_object() : NULL;
	char since[32];
	size_t i;

	if (!o)
		return NULL;
	(void)text_time((int64_t)t->created_ms, since);
	(void)json_object_set_new(o, "since", json_string(since));
	(void)json_object_set_new(o, "executions", count_json(get(&t->runs)));
	(void)json_object_set_new(o, "by_status", NAMED_JSON(t->status));
	(void)json_object_set_new(o, "by_lang", NAMED_JSON(t->lang));
	(void)json_object_set_new(o, "by_isolation", NAMED_JSON(t->isolation));
	(void)json_object_set_new(o, "limits_hit", NAMED_JSON(t->limits));
	(void)json_object_set_new(o, "timeouts", count_json(get(&t->timeouts)));
	(void)json_object_set_new(o, "blocked", count_json(get(&t->blocked)));
	(void)json_object_set_new(o, "cpu_ms", count_json(get(&t->cpu_ms)));
	(void)json_object_set_new(o, "wait_ms", count_json(get(&t->wait_ms)));
	(void)json_object_set_new(o, "memory_peak_bytes_max", count_json(get(&t->memory_max)));
	(void)json_object_set_new(o, "wall", wall_json(t));
	for (i = 0; i < STATS_COUNTERS; i++)
		(void)json_object_set_new(o, counters[i].name, count_json(get(&t->counters[i])));
	(void)json_object_set_new(o, "errors", errors_json(t));
	(void)json_object_set_new(o, "minutes", minutes_json(t));
	return o;
}

/* ---- Prometheus ---- */

static void head(FILE *out, const char *p, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", p, name, help, p, name, type);
}

static void counter(FILE *out, const char *p, const char *name, const char *help, uint64_t n)
{
	head(out, p, name, "counter", help);
	(void)fprintf(out, "%s%s %" PRIu64 "\n", p, name, n);
}

static void labelled(FILE *out, const char *p, const char *name, const char *label,
		     const char *help, json_t *rows)
{
	const char *key;
	json_t *v;

	head(out, p, name, "counter", help);
	json_object_foreach(rows, key, v)
		(void)fprintf(out, "%s%s{%s=\"%s\"} %lld\n", p, name, label, key,
			      (long long)json_integer_value(v));
	json_decref(rows);
}

static void histogram(FILE *out, const char *p, const struct table *t)
{
	static const char name[] = "execution_duration_seconds";
	uint64_t sum = 0;
	size_t i;

	head(out, p, name, "histogram", "Wall time of runs.");
	for (i = 0; i < BUCKETS; i++) {
		sum += get(&t->walls[i]);
		if (i < BUCKETS - 1)
			(void)fprintf(out, "%s%s_bucket{le=\"%g\"} %" PRIu64 "\n", p, name,
				      (double)bucket_ms[i] / 1000, sum);
		else
			(void)fprintf(out, "%s%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", p, name, sum);
	}
	(void)fprintf(out, "%s%s_sum %.3f\n%s%s_count %" PRIu64 "\n", p, name,
		      (double)get(&t->wall_ms) / 1000, p, name, sum);
}

void stats_gauge(FILE *out, const char *prefix, const char *name, const char *help, int64_t value)
{
	const char *p = prefix && *prefix ? prefix : "sbx_";

	head(out, p, name, "gauge", help);
	(void)fprintf(out, "%s%s %" PRId64 "\n", p, name, value);
}

int stats_prometheus(int state, FILE *out, const char *prefix, struct err *err)
{
	const char *p = prefix && *prefix ? prefix : "sbx_";
	AUTO_TABLE struct table *t = table_map(state, err);
	size_t i;

	if (!t)
		return -1;
	labelled(out, p, "executions_total", "isolation", "Runs by isolation method.",
		 NAMED_JSON(t->isolation));
	labelled(out, p, "executions_by_status_total", "status", "Runs by how they ended.",
		 NAMED_JSON(t->status));
	labelled(out, p, "executions_by_lang_total", "lang", "Runs by language.",
		 NAMED_JSON(t->lang));
	head(out, p, "cpu_seconds_total", "counter", "CPU time of runs.");
	(void)fprintf(out, "%scpu_seconds_total %.3f\n", p, (double)get(&t->cpu_ms) / 1000);
	head(out, p, "wait_seconds_total", "counter", "Time that runs waited for a slot.");
	(void)fprintf(out, "%swait_seconds_total %.3f\n", p, (double)get(&t->wait_ms) / 1000);
	stats_gauge(out, p, "memory_bytes_max", "Highest memory peak of a run.",
		    (int64_t)get(&t->memory_max));
	counter(out, p, "timeouts_total", "Runs that were killed by the clock.", get(&t->timeouts));
	counter(out, p, "security_violations_total", "Operations that were denied inside a jail.",
		get(&t->blocked));
	labelled(out, p, "limits_hit_total", "limit", "Limits that were met.",
		 NAMED_JSON(t->limits));
	histogram(out, p, t);
	for (i = 0; i < STATS_COUNTERS; i++)
		counter(out, p, counters[i].metric, counters[i].help, get(&t->counters[i]));
	labelled(out, p, "errors_total", "code", "Operations that failed, by code.",
		 errors_json(t));
	return ferror(out) ? err_set(err, ERR_INTERNAL, "cannot write the metrics") : 0;
}
