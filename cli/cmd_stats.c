// SPDX-License-Identifier: Apache-2.0
#include "cleanup.h"
#include "config.h"
#include "slot.h"
#include "stats.h"
#include "verb.h"

#include <string.h>

extern const struct verb verb_stats;

struct request {
	VERB_MEMBERS;
	bool prometheus;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, prometheus, .kind = JSON_KIND_BOOL),
};

enum { FIELD_COUNT = sizeof(fields) / sizeof(*fields) };

static const struct option_row options[] = {
	{ 0, "prometheus", "prometheus", OPTION_FLAG, NULL, "as a text that Prometheus reads" },
	{ 0 },
};

static int prometheus(struct call *call, int state, struct err *err)
{
	const char *prefix = call->config->metrics_prefix;
	int64_t running, waiting;

	if (slot_count(state, &running, &waiting, err) < 0)
		return -1;
	call->is_done = true;
	stats_gauge(stdout, prefix, "running", "Runs at this moment.", running);
	stats_gauge(stdout, prefix, "waiting", "Runs that wait for a slot at this moment.",
		    waiting);
	return stats_prometheus(state, stdout, prefix, err);
}

static int counters(int state, json_t **ret, struct err *err)
{
	AUTO_JSON json_t *stats = stats_json(state, err);
	int64_t running, waiting;

	if (!stats || slot_count(state, &running, &waiting, err) < 0)
		return -1;
	(void)json_object_set_new(stats, "running", json_integer(running));
	(void)json_object_set_new(stats, "waiting", json_integer(waiting));
	*ret = take_ptr(&stats);
	return 0;
}

static int run(struct call *call, json_t *request, json_t **ret_answer, struct err *err)
{
	struct request r = { 0 };
	int got = json_decode(request, fields, FIELD_COUNT, &r, "", err);
	int state = got < 0 ? -1 : call_state(call, err);

	if (state < 0)
		got = -1;
	else
		got = r.prometheus ? prometheus(call, state, err) :
				     counters(state, ret_answer, err);
	json_release(fields, FIELD_COUNT, &r);
	return got;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	const char *name, *key;
	json_t *v, *n;

	(void)call;
	json_object_foreach(answer, name, v) {
		if (json_is_string(v))
			(void)fprintf(out, "%-28s %s\n", name, json_string_value(v));
		else if (json_is_integer(v))
			(void)fprintf(out, "%-28s %lld\n", name, (long long)json_integer_value(v));
		json_object_foreach(v, key, n) {
			char path[64];

			(void)snprintf(path, sizeof(path), "%s/%s", name, key);
			if (json_is_number(n))
				(void)fprintf(out, "%-28s %.10g\n", path, json_number_value(n));
		}
	}
}

const struct verb verb_stats = {
	.name = "stats",
	.summary = "show the counters of this host",
	.options = options,
	.is_quiet = true,
	.run = run,
	.show = show,
};
