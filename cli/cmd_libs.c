// SPDX-License-Identifier: Apache-2.0
/*
 * libs: what code of a profile can import, as the language itself tells it inside the jail; and the
 * layers that the operator adds to a profile.
 */
#include "layers.h"
#include "libs.h"
#include "view.h"

#include "cleanup.h"
#include "config.h"
#include "exec.h"

#include <stdio.h>
#include <string.h>

struct request {
	VERB_MEMBERS;
	char *action, *profile, *lang, *name, *wheel, *npm, *deb;
	char **operands;
};

#define S(m, hi) JSON_FIELD(request, m, .kind = JSON_KIND_STRING, .min = 1, .max = (hi))
static const struct json_field fields[] = {
	VERB_FIELDS(request),
	S(action, 8),
	S(profile, 64),
	S(lang, 32),
	S(name, 255),
	S(wheel, 4000),
	S(npm, 4000),
	S(deb, 4000),
	JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS, .max = 3),
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(fields[0]) };

/* Each prints NAME, VERSION and what one writes to import it, with tabs between, a line each. */
static const char *const listers[][2] = {
	{ "python",
	  "import importlib.metadata as m, importlib.util as u\n"
	  "of = {}\n"
	  "for top, names in m.packages_distributions().items():\n"
	  "    for name in names:\n"
	  "        of.setdefault(name, []).append(top)\n"
	  "seen = set()\n"
	  "for d in m.distributions():\n"
	  "    name = d.metadata['Name']\n"
	  "    if not name or name in seen: continue\n"
	  "    seen.add(name)\n"
	  "    for top in of.get(name) or [name.replace('-', '_')]:\n"
	  "        try: there = top.isidentifier() and not top.startswith('_') and u.find_spec(top)\n"
	  "        except Exception: there = None\n"
	  "        if there: print(name, d.version, top, sep='\\t')\n" },
	{ "javascript",
	  "const fs = require('fs'), path = require('path');\n"
	  "const list = (dir, prefix) => {\n"
	  "  let names; try { names = fs.readdirSync(dir); } catch { return; }\n"
	  "  for (const n of names) {\n"
	  "    if (n[0] === '@') { list(path.join(dir, n), n + '/'); continue; }\n"
	  "    try {\n"
	  "      const p = JSON.parse(fs.readFileSync(path.join(dir, n, 'package.json')));\n"
	  "      require.resolve(prefix + n);\n"
	  "      console.log([p.name || n, p.version || '', prefix + n].join('\\t'));\n"
	  "    } catch {}\n"
	  "  }\n"
	  "};\n"
	  "for (const d of ['/usr/share/nodejs', '/usr/lib/nodejs', '/usr/lib/x86_64-linux-gnu/nodejs', '/node_modules']) list(d, '');\n" },
	{ "r",
	  "p <- installed.packages(); cat(paste(p[, 'Package'], p[, 'Version'], p[, 'Package'], sep = '\\t'), sep = '\\n')\n" },
	{ "ruby",
	  "Gem::Specification.each { |s| puts [s.name, s.version, s.name.tr('-', '/')].join(\"\\t\") }\n" },
	{ "php",
	  "<?php foreach (get_loaded_extensions() as $e) echo $e, \"\\t\", phpversion($e), \"\\t\", $e, \"\\n\";\n" },
};

static const char *lister(const char *lang)
{
	size_t i;

	for (i = 0; i < sizeof(listers) / sizeof(listers[0]); i++)
		if (!strcmp(listers[i][0], lang))
			return listers[i][1];
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines of NAME, VERSION, IMPORT to a sorted list; a line of another shape is passed over. */
static json_t *to_list(char *text)
{
	json_t *list = json_array();
	size_t n = 0, i, max = 1;
	char *line, *rest = NULL;

	for (i = 0; text[i]; i++)
		max += text[i] == '\n';
	AUTO_FREE char **lines = calloc(max, sizeof(*lines));
	if (!lines)
		return list;
	for (line = strtok_r(text, "\n", &rest); line && n < max;
	     line = strtok_r(NULL, "\n", &rest))
		lines[n++] = line;
	qsort(lines, n, sizeof(*lines), by_name);
	for (i = 0; i < n; i++) {
		char *version = strchr(lines[i], '\t'),
		     *import = version ? strchr(version + 1, '\t') : NULL;

		if (!import)
			continue;
		*version++ = 0;
		*import++ = 0;
		(void)json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "name", lines[i],
							    "version", version, "import", import));
	}
	return list;
}

static int ask(struct call *call, const char *profile, const char *lang, json_t **ret,
	       struct err *err)
{
	char never[] = "never";
	struct exec_request r = { .lang = (char *)(uintptr_t)lang,
				  .code = (char *)(uintptr_t)lister(lang),
				  .profile = (char *)(uintptr_t)profile,
				  .commit = never };
	AUTO_JSON json_t *answer = NULL;

	if (exec_aside(call, &r, &answer, err) < 0)
		return -1;
	exec_forget_session(call, answer);
	if (strcmp(json_string_value(json_object_get(answer, "status")), "success") != 0)
		return err_set(err, ERR_RUNTIME, "%s could not list its libraries: %.200s", lang,
			       json_string_value(json_object_get(answer, "stderr")));
	AUTO_FREE char *text = strdup(json_string_value(json_object_get(answer, "stdout")));
	*ret = text ? to_list(text) : json_array();
	return 0;
}

static bool is_file(const char *path)
{
	return path && access(path, X_OK) == 0;
}

bool libs_has_language(struct call *call, const struct profile *profile,
		       const struct language *language)
{
	char version[64];

	if (strcmp(profile->root, "host") != 0) {
		language_version(call, profile, language, version, sizeof(version));
		return version[0] != 0;
	}
	return (!language->compile || is_file(language->compile[0])) &&
	       (!language->version || is_file(language->version[0])) &&
	       (!strncmp(language->run[0], "/tmp/", 5) || is_file(language->run[0]));
}

int libs_list(struct call *call, const char *name, const char *only, json_t **ret, struct err *err)
{
	struct profile profile;
	struct language language = { 0 };
	const char *lang;
	json_t *v, *all, *list = NULL;
	int done = profile_load(call->config, name, &profile, err);

	if (done < 0)
		return -1;
	all = json_object();
	if (only && profile_language(&profile, only, &language, err) < 0)
		done = -1;
	json_object_foreach(profile.languages, lang, v) {
		struct language one = { 0 };

		if (done < 0 || !lister(lang) || (only && strcmp(lang, language.name) != 0))
			continue;
		if (profile_language(&profile, lang, &one, err) == 0 &&
		    libs_has_language(call, &profile, &one)) {
			done = ask(call, name, lang, &list, err);
			if (done == 0)
				(void)json_object_set_new(all, lang, list);
		}
		language_done(&one);
	}
	language_done(&language);
	profile_done(&profile);
	if (done < 0)
		json_decref(all);
	else
		*ret = all;
	return done;
}

/* --- layers -------------------------------------------------------------------------------------- */
static int put_layers(const struct config *config, const char *profile, bool is_checking,
		      json_t *list, struct err *err)
{
	struct layer *layers;
	size_t count, i;
	int failed = 0;

	if (layers_load(config, profile, &layers, &count, err) < 0)
		return -1;
	for (i = 0; i < count && !failed; i++) {
		failed = is_checking ? layer_check(config, &layers[i], err) : 0;
		(void)json_array_append_new(list, layer_json(&layers[i]));
	}
	layers_free(layers, count);
	return failed;
}

static char plain_letter(char c)
{
	return c == '_' || c == '.' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Names of distributions of Python are the same whatever stands between their words. */
static bool is_of_layer(const char *lang, const char *name, json_t *layer)
{
	const char *kind = json_string_value(json_object_get(layer, "kind"));
	const char *have = json_string_value(json_object_get(layer, "name"));

	if (strcmp(kind, !strcmp(lang, "python") ? "wheel" : "npm") != 0)
		return false;
	while (*name && *have && plain_letter(*name) == plain_letter(*have))
		name++, have++;
	return !*name && !*have;
}

static void name_layers(json_t *all, json_t *layers)
{
	const char *lang;
	json_t *list, *row, *layer;
	size_t i, k;

	json_object_foreach(all, lang, list)
		json_array_foreach(list, i, row)
			json_array_foreach(layers, k, layer)
				if (is_of_layer(lang,
						json_string_value(json_object_get(row, "name")),
						layer))
					(void)json_object_set(row, "layer",
							      json_object_get(layer, "layer"));
}

static int run_list(struct call *call, const struct request *r, const char *profile, json_t **ret,
		    struct err *err)
{
	json_t *layers = json_array(), *all = NULL;

	if (libs_list(call, profile, r->lang, &all, err) < 0 ||
	    put_layers(call->config, profile, false, layers, err) < 0) {
		json_decref(all);
		json_decref(layers);
		return -1;
	}
	name_layers(all, layers);
	*ret = json_pack("{s:s,s:o,s:o}", "profile", profile, "libraries", all, "layers", layers);
	return 0;
}

static int run_check(struct call *call, const char *only, json_t **ret, struct err *err)
{
	AUTO_FD int all = layers_open(call->config, NULL, false);
	json_t *list = json_array();
	char **profiles = only || all < 0 ? NULL : view_names(all, ".");
	int failed = only ? put_layers(call->config, only, true, list, err) : 0;
	size_t i;

	for (i = 0; profiles && profiles[i] && !failed; i++)
		failed = put_layers(call->config, profiles[i], true, list, err);
	json_strings_free(profiles);
	if (failed) {
		json_decref(list);
		return -1;
	}
	*ret = json_pack("{s:o}", "layers", list);
	return 0;
}

static int run_add(struct call *call, const struct request *r, json_t **ret, struct err *err)
{
	if (!r->wheel + !r->npm + !r->deb != 2 || !r->profile)
		return err_set(err, call->is_request ? ERR_REQUEST : ERR_USAGE,
			       "a profile, and one of wheel, npm or deb, are needed");
	return layer_add(call, r->profile,
			 r->wheel ? "wheel" :
			 r->npm   ? "npm" :
				    "deb",
			 r->wheel ? r->wheel :
			 r->npm   ? r->npm :
				    r->deb,
			 ret, err);
}

static bool is_action(const char *word)
{
	return !strcmp(word, "add") || !strcmp(word, "rm") || !strcmp(word, "check") ||
	       !strcmp(word, "ls");
}

/* [ACTION] [PROFILE [NAME]] */
static int take_operands(struct request *r, struct err *err)
{
	char **words = r->operands, **seats[] = { (char **)&r->profile, (char **)&r->name };
	size_t i = 0, k;

	if (words && words[0] && is_action(words[0]))
		r->action = (free(r->action), strdup(words[i++]));
	for (k = 0; words && words[i] && k < (r->action && !strcmp(r->action, "rm") ? 2 : 1); k++) {
		free(*seats[k]);
		*seats[k] = strdup(words[i++]);
	}
	return words && words[i] ? err_set(err, ERR_USAGE, "too many operands") : 0;
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	int done = json_decode(request, fields, FIELD_COUNT - (call->is_request ? 1 : 0), &r, "",
			       err);
	const char *action;

	if (done == 0)
		done = take_operands(&r, err);
	action = r.action ? r.action : "ls";
	if (done == 0 && strcmp(action, "add") != 0 && (r.wheel || r.npm || r.deb))
		done = err_set(err, call->is_request ? ERR_REQUEST : ERR_USAGE,
			       "a package is there to add");
	if (done < 0) {
		;
	} else if (!strcmp(action, "ls")) {
		done = run_list(call, &r, r.profile ? r.profile : call->config->profile, ret, err);
	} else if (!strcmp(action, "add")) {
		done = run_add(call, &r, ret, err);
	} else if (!strcmp(action, "check")) {
		done = run_check(call, r.profile, ret, err);
	} else if (!strcmp(action, "rm") && r.profile && r.name) {
		done = layer_remove(call, r.profile, r.name, ret, err);
	} else {
		done = err_set(err, call->is_request ? ERR_REQUEST : ERR_USAGE,
			       "[PROFILE], add PROFILE, check [PROFILE] or rm PROFILE NAME");
	}
	json_release(fields, FIELD_COUNT, &r);
	return done;
}

static void show_layer(json_t *v, FILE *out)
{
	(void)fprintf(out, "%-11s %-32s %-20s %s\n", "layer",
		      json_string_value(json_object_get(v, "name")),
		      json_string_value(json_object_get(v, "version")),
		      json_string_value(json_object_get(v, "layer")));
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	const char *lang;
	json_t *list, *v;
	size_t i;

	(void)call;
	json_object_foreach(json_object_get(answer, "libraries"), lang, list)
		json_array_foreach(list, i, v)
			(void)fprintf(out, "%-11s %-32s %-20s %s\n", lang,
				      json_string_value(json_object_get(v, "name")),
				      json_string_value(json_object_get(v, "version")),
				      json_string_value(json_object_get(v, "import")));
	json_array_foreach(json_object_get(answer, "layers"), i, v)
		show_layer(v, out);
	if (json_object_get(answer, "layer"))
		show_layer(json_object_get(answer, "layer"), out);
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	{ 'p', "profile", "profile", OPTION_STRING, "NAME", "the profile" },
	{ 'l', "lang", "lang", OPTION_STRING, "LANG", "of this language only" },
	{ 0, "wheel", "wheel", OPTION_STRING, "FILE", "add this package of Python" },
	{ 0, "npm", "npm", OPTION_STRING, "FILE", "add this package of npm, a .tgz" },
	{ 0, "deb", "deb", OPTION_STRING, "FILE", "add this package of Debian" },
	{ 0 },
};

const struct verb verb_libs = {
	.name = "libs",
	.operands = "[PROFILE | add PROFILE | check [PROFILE] | rm PROFILE NAME]",
	.operand_member = "operands",
	.summary = "the libraries that code of a profile can import: list, add, check, remove",
	.options = options,
	.run = run,
	.show = show,
};
