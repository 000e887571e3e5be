// SPDX-License-Identifier: Apache-2.0
/* config and profile: what is in force, and who said so. */
#include "cleanup.h"
#include "config.h"
#include "filter_hash.h"
#include "landlock_abi.h"
#include "profile.h"
#include "verb.h"

#include <string.h>

struct request {
	VERB_MEMBERS;
	char **operands;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS, .max = 8),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

static int run_config(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };

	if (json_decode(request, fields, FIELD_COUNT - 1, &r, "", err) < 0)
		return -1;
	json_release(fields, FIELD_COUNT, &r);
	*ret = json_pack("{s:o}", "settings", config_json(call->config));
	return 0;
}

static void show_config(const struct call *call, json_t *answer, FILE *out)
{
	const char *name;
	json_t *v;

	(void)call;
	json_object_foreach(json_object_get(answer, "settings"), name, v) {
		AUTO_FREE char *text = json_dumps(json_object_get(v, "value"),
						  JSON_ENCODE_ANY | JSON_COMPACT);
		const char *origin = json_string_value(json_object_get(v, "origin"));

		(void)fprintf(out, "%-18s %-40s %s\n", name, text ? text : "",
			      origin ? origin : "");
	}
}

/* What would be promised and cannot be kept here. */
static int check_one(const struct config *config, const char *name, struct err *err)
{
	struct profile p;
	int done = profile_load(config, name, &p, err);

	if (done == 0 && !filter_is(p.seccomp))
		done = err_set(err, ERR_CONFIG, "profile '%s': no seccomp filter is called '%s'",
			       name, p.seccomp);
	if (done == 0 && p.landlock_min > landlock_abi_here())
		done = err_set(err, ERR_CONFIG,
			       "profile '%s': /landlock_min: this kernel has ABI %d", name,
			       landlock_abi_here());
	if (done == 0 || p.doc)
		profile_done(&p);
	return done;
}

static int check_profiles(struct call *call, char *const *names, json_t **ret, struct err *err)
{
	AUTO_JSON json_t *all = profile_names(call->config);
	json_t *good = json_array(), *v;
	size_t i;

	if (names && names[0])
		for (i = 0; names[i]; i++) {
			if (check_one(call->config, names[i], err) < 0)
				goto undo_list;
			(void)json_array_append_new(good, json_string(names[i]));
		}
	else
		json_array_foreach(all, i, v) {
			if (check_one(call->config, json_string_value(v), err) < 0)
				goto undo_list;
			(void)json_array_append(good, v);
		}
	*ret = json_pack("{s:o}", "profiles", good);
	return 0;
undo_list:
	json_decref(good);
	return -1;
}

static int show_profile(struct call *call, const char *name, json_t **ret, struct err *err)
{
	struct profile p;

	if (profile_load(call->config, name, &p, err) < 0)
		return -1;
	*ret = json_pack("{s:s,s:O,s:O}", "name", name, "profile", p.doc, "origins", p.origins);
	profile_done(&p);
	return 0;
}

static int run_profile(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	int done = json_decode(request, fields, FIELD_COUNT, &r, "", err);
	const char *what = r.operands && r.operands[0] ? r.operands[0] : "ls";

	if (done < 0)
		return -1;
	if (!strcmp(what, "ls")) {
		*ret = json_pack("{s:o}", "profiles", profile_names(call->config));
	} else if (!strcmp(what, "show") && r.operands[1]) {
		done = show_profile(call, r.operands[1], ret, err);
	} else if (!strcmp(what, "check")) {
		done = check_profiles(call, r.operands + 1, ret, err);
	} else {
		done = err_set(err, call->is_request ? ERR_REQUEST : ERR_USAGE,
			       "ls, show NAME or check [NAME...]");
	}
	json_release(fields, FIELD_COUNT, &r);
	return done;
}

static void show_profiles(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	(void)call;
	json_array_foreach(json_object_get(answer, "profiles"), i, v)
		(void)fprintf(out, "%s\n", json_string_value(v));
	if (json_object_get(answer, "profile")) {
		AUTO_FREE char *text = json_dumps(json_object_get(answer, "profile"),
						  JSON_INDENT(2));

		(void)fprintf(out, "%s\n", text ? text : "");
	}
}

static const struct option_row no_options[] = { { 0 } };

const struct verb verb_config = { .name = "config",
				  .summary = "the settings in force and where they come from",
				  .options = no_options,
				  .is_quiet = true,
				  .run = run_config,
				  .show = show_config };
const struct verb verb_profile = { .name = "profile",
				   .operands = "[ls | show NAME | check [NAME...]]",
				   .operand_member = "operands",
				   .summary = "profiles: list, show resolved, check",
				   .options = no_options,
				   .is_quiet = true,
				   .run = run_profile,
				   .show = show_profiles };
