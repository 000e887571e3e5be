// SPDX-License-Identifier: Apache-2.0
/* libs: what code of a profile can import, as the language itself tells it inside the jail. */
#include "libs.h"

#include "cleanup.h"
#include "config.h"
#include "exec.h"

#include <stdio.h>
#include <string.h>

struct request {
	VERB_MEMBERS;
	char *profile, *lang;
	char **operands;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, profile, .kind = JSON_KIND_STRING, .min = 1, .max = 64),
	JSON_FIELD(request, lang, .kind = JSON_KIND_STRING, .min = 1, .max = 32),
	JSON_FIELD(request, operands, .kind = JSON_KIND_STRINGS, .max = 1),
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
	  "for (const d of ['/usr/share/nodejs', '/usr/lib/nodejs', '/usr/lib/x86_64-linux-gnu/nodejs']) list(d, '');\n" },
	{ "r", "p <- installed.packages(); cat(paste(p[, 'Package'], p[, 'Version'], p[, 'Package'], sep = '\\t'), sep = '\\n')\n" },
	{ "ruby", "Gem::Specification.each { |s| puts [s.name, s.version, s.name.tr('-', '/')].join(\"\\t\") }\n" },
	{ "php", "<?php foreach (get_loaded_extensions() as $e) echo $e, \"\\t\", phpversion($e), \"\\t\", $e, \"\\n\";\n" },
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
	for (line = strtok_r(text, "\n", &rest); line && n < max; line = strtok_r(NULL, "\n", &rest))
		lines[n++] = line;
	qsort(lines, n, sizeof(*lines), by_name);
	for (i = 0; i < n; i++) {
		char *version = strchr(lines[i], '\t'), *import = version ? strchr(version + 1, '\t') : NULL;

		if (!import)
			continue;
		*version++ = 0;
		*import++ = 0;
		(void)json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "name", lines[i], "version", version,
							    "import", import));
	}
	return list;
}

static int ask(struct call *call, const char *profile, const char *lang, json_t **ret, struct err *err)
{
	char never[] = "never";
	struct exec_request r = { .lang = (char *)(uintptr_t)lang, .code = (char *)(uintptr_t)lister(lang),
				  .profile = (char *)(uintptr_t)profile, .commit = never };
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

bool libs_has_language(struct call *call, const struct profile *profile, const struct language *language)
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
		if (profile_language(&profile, lang, &one, err) == 0 && libs_has_language(call, &profile, &one)) {
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

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct request r = { 0 };
	json_t *all = NULL;
	int done = json_decode(request, fields, FIELD_COUNT - (call->is_request ? 1 : 0), &r, "", err);
	const char *profile = r.profile ? r.profile : r.operands && r.operands[0] ? r.operands[0] : call->config->profile;

	if (done == 0)
		done = libs_list(call, profile, r.lang, &all, err);
	if (done == 0)
		*ret = json_pack("{s:s,s:o}", "profile", profile, "libraries", all);
	json_release(fields, FIELD_COUNT, &r);
	return done;
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
}

static const struct option_row options[] = {
	VERB_USER_OPTION,
	{ 'p', "profile", "profile", OPTION_STRING, "NAME", "the profile" },
	{ 'l', "lang", "lang", OPTION_STRING, "LANG", "of this language only" },
	{ 0 },
};

const struct verb verb_libs = {
	.name = "libs", .operands = "[PROFILE]", .operand_member = "operands",
	.summary = "list the libraries that code of a profile can import", .options = options,
	.run = run, .show = show,
};
