// SPDX-License-Identifier: Apache-2.0
#include "libraries.h"

#include "cleanup.h"
#include "view.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { METADATA_MAX = 2 << 20, DPKG_MAX = 64 << 20, NAME_SIZE = 160, LIBRARIES_MAX = 512 };

/* Where each language looks for libraries that are not its own. */
static const char *const python_places[] = { "/usr/lib/python3/dist-packages",
					     "/usr/lib/python3*/dist-packages",
					     "/usr/lib/python3*/site-packages",
					     "/usr/lib64/python3*/site-packages",
					     "/usr/local/lib/python3*/dist-packages",
					     "/usr/local/lib/python3*/site-packages",
					     "/usr/local/lib64/python3*/site-packages",
					     "/opt/sbx/lib/python3*/site-packages",
					     "/usr/share/python-wheels",
					     NULL };
static const char *const node_places[] = { "/usr/share/nodejs",
					   "/usr/lib/nodejs",
					   "/usr/lib/*/nodejs",
					   "/usr/lib/node_modules",
					   "/usr/local/lib/node_modules",
					   "/opt/sbx/node_modules",
					   NULL };
static const char *const r_places[] = { "/usr/lib/R/site-library", "/usr/local/lib/R/site-library",
					"/usr/lib64/R/site-library", NULL };

/* What Debian's node loads from there before any program runs. */
static const char *const node_own[] = { "acorn", "acorn-walk", "cjs-module-lexer", "undici", NULL };
static const char *const nothing[] = { NULL };

struct allowed;
struct ways {
	const char *lang;
	const char *const *places, *const *own;
	/* adds what one library that is allowed needs and brings */
	void (*close)(struct allowed *a, const char *name);
	bool (*fits)(const char *entry, const char *name);
};

/* Metadata of a distribution of Python. */
struct distribution {
	char *path, *name,
		*tops; /* its name as PEP 503 has it; tops: what it brings, a line each */
	bool is_taken;
};

struct allowed {
	const struct ways *ways;
	int root;
	char **places;
	char **names; /* what may be imported, and names of distributions */
	struct distribution *distributions;
	size_t distribution_count;
	char *dpkg; /* dpkg's list of packages */
};

/* --- Python ----------------------------------------------------------------------------------- */
/* As PEP 503 compares names of distributions. */
static void plain_name(const char *name, size_t len, char *ret, size_t size)
{
	size_t i, n = 0;

	for (i = 0; i < len && n + 1 < size; i++) {
		char c = name[i] == '_' || name[i] == '.' ? '-' :
							    (char)tolower((unsigned char)name[i]);

		if (c != '-' || (n && ret[n - 1] != '-'))
			ret[n++] = c;
	}
	ret[n] = 0;
}

static bool ends(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n > k && !strcmp(text + n - k, end);
}

/* Length of the distribution's name in the name of its metadata, 0: it is none. */
static size_t distribution(const char *entry)
{
	const char *p;

	if (!ends(entry, ".dist-info") && !ends(entry, ".egg-info"))
		return 0;
	for (p = entry; *p; p++)
		if (*p == '-' && isdigit((unsigned char)p[1]))
			return (size_t)(p - entry);
	return (size_t)(strrchr(entry, '.') - entry);
}

static bool same_distribution(const char *entry, size_t len, const char *name)
{
	char a[NAME_SIZE], b[NAME_SIZE];

	plain_name(entry, len, a, sizeof(a));
	plain_name(name, strlen(name), b, sizeof(b));
	return !strcmp(a, b);
}

/* NAME, NAME.py, NAME.cpython-311-*.so, NAME-1.2.dist-info, NAME-1.2-nspkg.pth */
static bool python_fits(const char *entry, const char *name)
{
	size_t n = strlen(name), k = distribution(entry);

	if (k)
		return same_distribution(entry, k, name);
	return !strncmp(entry, name, n) &&
	       (!entry[n] || !strcmp(entry + n, ".py") || !strcmp(entry + n, ".libs") ||
		(entry[n] == '.' && ends(entry, ".so")) ||
		(entry[n] == '-' && isdigit((unsigned char)entry[n + 1]) && ends(entry, ".pth")));
}

/* false: it was there already, or is no name */
static bool add_name(struct allowed *a, const char *name, size_t len)
{
	char text[NAME_SIZE];

	if (!len || len >= sizeof(text) || json_strings_count(a->names) >= LIBRARIES_MAX)
		return false;
	memcpy(text, name, len);
	text[len] = 0;
	if (text[0] == '.' || strstr(text, "..") || view_has(a->names, text))
		return false;
	return view_append(&a->names, text) == 0;
}

/* "numpy (>=1.21); extra == 'x'": the name, unless it is needed for an extra only. */
static void add_requirement(struct allowed *a, const char *line, size_t len)
{
	const char *mark = memmem(line, len, "extra", 5);

	while (len && isspace((unsigned char)*line))
		line++, len--;
	if (mark && memchr(line, ';', len) && mark > (const char *)memchr(line, ';', len))
		return;
	(void)add_name(a, line,
		       strspn(line,
			      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"));
}

/* until: the first letter of a line that ends it, or "" for an empty line, or NULL. */
static void take_lines(struct allowed *a, const char *text, const char *head, const char *until)
{
	size_t k = strlen(head), len;

	for (; text && *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		if (until && (until[0] ? text[0] == until[0] : !len || text[0] == '\r'))
			break;
		if (len > k && !strncasecmp(text, head, k))
			add_requirement(a, text + k, len - k);
	}
}

static void take_tops(struct allowed *a, const char *tops)
{
	/* left in by accident, and no name by which anything else is allowed */
	static const char *const stray[] = { "debian", "build", "bin",     "doc",     "docs",
					     "test",   "tests", "example", "examples" };
	char name[NAME_SIZE];
	size_t len, i;

	for (; tops && *tops; tops += len + (tops[len] == '\n')) {
		len = strcspn(tops, "\n");
		(void)snprintf(name, sizeof(name), "%.*s", (int)(len < NAME_SIZE ? len : 0), tops);
		for (i = 0; i < sizeof(stray) / sizeof(stray[0]) && strcmp(stray[i], name) != 0;
		     i++)
			;
		if (i == sizeof(stray) / sizeof(stray[0]))
			(void)add_name(a, name, strlen(name));
	}
}

static void take_distribution(struct allowed *a, struct distribution *d)
{
	static const char *const heads[] = { "METADATA", "PKG-INFO", "" };
	char path[PATH_MAX];
	size_t i;

	d->is_taken = true;
	(void)add_name(a, d->name, strlen(d->name));
	for (i = 0; i < 3; i++) { /* some are one file, not a directory */
		(void)snprintf(path, sizeof(path), "%.3000s%s%s", d->path, *heads[i] ? "/" : "",
			       heads[i]);
		AUTO_FREE char *text = view_text(a->root, path, METADATA_MAX);
		take_lines(a, text, "Requires-Dist:", "");
	}
	(void)snprintf(path, sizeof(path), "%.3000s/requires.txt", d->path);
	AUTO_FREE char *requires = view_text(a->root, path, METADATA_MAX);
	take_lines(a, requires, "", "[");
	take_tops(a, d->tops);
}

static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line), len;

	for (; text && *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		if (len == n && !memcmp(text, line, n))
			return true;
	}
	return false;
}

static void read_distributions(struct allowed *a, const char *place)
{
	char **entries = view_names(a->root, place), path[PATH_MAX], name[NAME_SIZE];
	size_t i, len;

	for (i = 0; entries && entries[i]; i++) {
		struct distribution *d = distribution(entries[i]) ?
						 realloc(a->distributions,
							 (a->distribution_count + 1) * sizeof(*d)) :
						 NULL;

		if (!d)
			continue;
		a->distributions = d;
		d += a->distribution_count++;
		len = distribution(entries[i]);
		plain_name(entries[i], len, name, sizeof(name));
		(void)snprintf(path, sizeof(path), "%.3000s/%.255s/top_level.txt", place,
			       entries[i]);
		*d = (struct distribution){ .name = strdup(name),
					    .tops = view_text(a->root, path, METADATA_MAX) };
		*strrchr(path, '/') = 0;
		d->path = strdup(path);
	}
	json_strings_free(entries);
}

/* What a package python3-NAME has in a directory of libraries: python3-tz has pytz. */
static void take_owned(struct allowed *a, const char *name, size_t len)
{
	static const char place[] = "\n/usr/lib/python3/dist-packages/";
	/* a package that may be there for several has its own in the file's name */
	static const char *const arch[] = { "",      ":amd64",   ":arm64",   ":armhf",
					    ":i386", ":ppc64el", ":riscv64", ":s390x" };
	AUTO_FREE char *list = NULL;
	char path[PATH_MAX];
	const char *p;
	size_t i;

	for (i = 0; !list && i < sizeof(arch) / sizeof(arch[0]); i++) {
		(void)snprintf(path, sizeof(path), "/var/lib/dpkg/info/python3-%.*s%s.list",
			       (int)len, name, arch[i]);
		list = view_text(a->root, path, METADATA_MAX);
	}
	for (p = list; p && (p = strstr(p, place));) {
		p += strlen(place);
		len = strcspn(p, "/\n.-");
		if (p[len] != '-') /* metadata goes by the module's name, or brings it */
			(void)add_name(a, p, len);
		p += strcspn(p, "\n");
	}
}

/*
 * Debian takes the requirements out of a library's own metadata: they are those of its package.
 * "Depends: python3-numpy (>= 1:1.22), python3:any"
 */
static void take_package(struct allowed *a, const char *plain)
{
	char head[NAME_SIZE + 40];
	const char *p, *end;
	size_t len;

	(void)snprintf(head, sizeof(head), "\nPackage: python3-%s\n", plain);
	p = strstr(a->dpkg, head);
	end = p ? strstr(p + 1, "\n\n") : NULL;
	p = end ? memmem(p, (size_t)(end - p), "\nDepends: ", 10) : NULL;
	for (end = p ? strchr(p + 1, '\n') : NULL; p && (p = strstr(p, "python3-")) && p < end;) {
		p += strlen("python3-");
		len = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789.-+");
		if (add_name(a, p, len))
			take_owned(a, p, len);
	}
}

static void python_close(struct allowed *a, const char *name)
{
	char plain[NAME_SIZE];
	size_t i;

	if (!a->dpkg) { /* the first one */
		for (i = 0; a->places[i]; i++)
			read_distributions(a, a->places[i]);
		a->dpkg = view_text(a->root, "/var/lib/dpkg/status", DPKG_MAX);
		if (!a->dpkg)
			a->dpkg = strdup("");
	}
	plain_name(name, strlen(name), plain, sizeof(plain));
	for (i = 0; i < a->distribution_count; i++) {
		struct distribution *d = &a->distributions[i];

		if (!d->is_taken && (!strcmp(d->name, plain) || has_line(d->tops, name)))
			take_distribution(a, d);
	}
	if (a->dpkg && *a->dpkg)
		take_package(a, plain);
}

/* --- Node and R ------------------------------------------------------------------------------- */
static bool node_fits(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(entry, name, n) &&
	       (!entry[n] || !strcmp(entry + n, ".js") || !strcmp(entry + n, ".json"));
}

static void node_close(struct allowed *a, const char *library)
{
	char path[PATH_MAX];
	size_t i;

	for (i = 0; a->places[i]; i++) {
		const char *name;
		json_t *v;

		(void)snprintf(path, sizeof(path), "%.3000s/%s/package.json", a->places[i],
			       library);
		AUTO_FREE char *text = view_text(a->root, path, METADATA_MAX);
		AUTO_JSON json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
		json_object_foreach(json_object_get(doc, "dependencies"), name, v)
			(void)add_name(a, name, strlen(name));
	}
}

static bool same(const char *entry, const char *name)
{
	return !strcmp(entry, name);
}

/* "R (>= 3.5), Rcpp (>= 1.0), methods" over several lines */
static void take_r_list(struct allowed *a, const char *text, const char *member)
{
	const char *p = strstr(text, member);

	if (!p || (p != text && p[-1] != '\n'))
		return;
	for (p += strlen(member); *p;) {
		size_t len;

		p += strspn(p, " \t\n,");
		len = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.");
		(void)add_name(a, p, len);
		p += strcspn(p, ",\n");
		if (*p == '\n' && p[1] != ' ' && p[1] != '\t')
			break;
	}
}

static void r_close(struct allowed *a, const char *name)
{
	static const char *const members[] = { "Depends:", "Imports:", "LinkingTo:" };
	char path[PATH_MAX];
	size_t i, k;

	for (i = 0; a->places[i]; i++) {
		(void)snprintf(path, sizeof(path), "%.3000s/%s/DESCRIPTION", a->places[i], name);
		AUTO_FREE char *text = view_text(a->root, path, METADATA_MAX);
		for (k = 0; text && k < 3; k++)
			take_r_list(a, text, members[k]);
	}
}

static const struct ways all_ways[] = {
	{ "python", python_places, nothing, python_close, python_fits },
	{ "javascript", node_places, node_own, node_close, node_fits },
	{ "r", r_places, nothing, r_close, same },
};
enum { WAYS = sizeof(all_ways) / sizeof(all_ways[0]) };

/* --- the list of a profile ------------------------------------------------------------------- */
static const struct ways *ways_of(const char *lang)
{
	size_t i;

	for (i = 0; i < WAYS; i++)
		if (!strcmp(all_ways[i].lang, lang))
			return &all_ways[i];
	return NULL;
}

static bool is_library_name(const char *name)
{
	return *name && strlen(name) < NAME_SIZE && *name != '.' && *name != '/' &&
	       !strstr(name, "..") &&
	       strspn(name,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@/") ==
		       strlen(name);
}

int libraries_check(json_t *libraries, struct err *err)
{
	const char *lang;
	json_t *list, *v;
	size_t i;

	if (libraries && !json_is_object(libraries))
		return err_set(err, ERR_CONFIG, "/libraries: must be an object");
	json_object_foreach(libraries, lang, list) {
		if (!ways_of(lang))
			return err_set(
				err, ERR_CONFIG,
				"/libraries/%.40s: can be enforced for python, javascript and r",
				lang);
		if (!json_is_array(list) || json_array_size(list) > LIBRARIES_MAX)
			return err_set(err, ERR_CONFIG,
				       "/libraries/%s: must be a list of at most %d names", lang,
				       LIBRARIES_MAX);
		json_array_foreach(list, i, v)
			if (!json_is_string(v) || !is_library_name(json_string_value(v)))
				return err_set(err, ERR_CONFIG,
					       "/libraries/%s/%zu: no name of a library", lang, i);
	}
	return 0;
}

static char **places_of(const struct ways *ways, int root)
{
	char **all = calloc(1, sizeof(*all));
	size_t i, k;

	for (i = 0; ways->places[i]; i++) {
		char **some = view_find(root, ways->places[i], S_IFDIR);

		for (k = 0; some && some[k]; k++)
			if (!view_has(all, some[k]))
				(void)view_append(&all, some[k]);
		json_strings_free(some);
	}
	return all;
}

static void find_allowed(struct allowed *a, json_t *list)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		(void)add_name(a, json_string_value(v), strlen(json_string_value(v)));
	for (i = 0; a->ways->own[i]; i++)
		(void)add_name(a, a->ways->own[i], strlen(a->ways->own[i]));
	for (i = 0; a->names && a->names[i];
	     i++) /* what is needed comes behind, and has its turn */
		a->ways->close(a, a->names[i]);
}

static bool is_allowed(const struct allowed *a, const char *entry)
{
	size_t i;

	for (i = 0; a->names && a->names[i]; i++)
		if (a->ways->fits(entry, a->names[i]))
			return true;
	return false;
}

static int put_back(const struct allowed *a, const char *path, unsigned int flags,
		    struct spec *spec, struct err *err)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstatat(a->root, path + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(a->root, path + 1, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		return n > 0 ? view_file(spec, path, NULL, target, false, err) : 0;
	}
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return 0;
	return view_mount(spec, path, NULL,
			  flags | VIEW_EXEC | (S_ISREG(st.st_mode) ? VIEW_FILE : 0), err);
}

/* One directory of libraries: covered, and what is allowed once more. below: "@scope" of Node. */
static int view_place(const struct allowed *a, const char *place, const char *below,
		      unsigned int flags, struct spec *spec, struct err *err)
{
	char dir[PATH_MAX], path[2 * PATH_MAX], entry[600];
	char **entries;
	int failed = 0;
	size_t i;

	(void)snprintf(dir, sizeof(dir), "%.3000s%s%.255s", place, *below ? "/" : "", below);
	entries = view_names(a->root, dir);
	for (i = 0; entries && entries[i] && !failed; i++) {
		(void)snprintf(entry, sizeof(entry), "%.255s%s%.255s", below, *below ? "/" : "",
			       entries[i]);
		(void)snprintf(path, sizeof(path), "%.3000s/%.520s", place, entry);
		if (entries[i][0] == '@' && !*below)
			failed = view_place(a, place, entries[i], flags, spec, err);
		else if (is_allowed(a, entry))
			failed = put_back(a, path, flags, spec, err);
	}
	json_strings_free(entries);
	return failed;
}

static void allowed_done(struct allowed *a)
{
	size_t i;

	for (i = 0; i < a->distribution_count; i++) {
		free(a->distributions[i].path);
		free(a->distributions[i].name);
		free(a->distributions[i].tops);
	}
	free(a->distributions);
	json_strings_free(a->places);
	json_strings_free(a->names);
	free(a->dpkg);
}

static int view_language(const struct ways *ways, json_t *list, int root, unsigned int flags,
			 struct spec *spec, struct err *err)
{
	struct allowed a = { .ways = ways, .root = root, .places = places_of(ways, root) };
	int failed = 0;
	size_t i;

	if (!a.places)
		return err_sys(err, ERR_INTERNAL, "allocate");
	find_allowed(&a, list);
	/* all covers first: a place may be beneath another */
	for (i = 0; !failed && a.places[i]; i++)
		failed = view_mount(spec, a.places[i], NULL, VIEW_EMPTY, err);
	for (i = 0; !failed && a.places[i]; i++)
		failed = view_place(&a, a.places[i], "", flags, spec, err);
	allowed_done(&a);
	return failed;
}

int libraries_view(const struct profile *profile, int root, bool is_image, struct spec *spec,
		   struct err *err)
{
	const char *lang;
	json_t *list;

	json_object_foreach(profile->libraries, lang, list) {
		const struct ways *ways = ways_of(lang);

		if (!ways)
			return err_set(err, ERR_CONFIG, "/libraries/%.40s: cannot be enforced",
				       lang);
		if (view_language(ways, list, root, is_image ? VIEW_IMAGE : 0, spec, err) < 0)
			return -1;
	}
	return 0;
}

/* --- why an import failed -------------------------------------------------------------------- */
static const struct {
	const char *lang, *says, *until;
} complaints[] = {
	{ "python", "ModuleNotFoundError: No module named '", "'." },
	{ "python", "ERROR: No matching distribution found for ", "\n" },
	{ "javascript", "Cannot find module '", "'" },
	{ "javascript", "npm error notcached: not there: ", " \n" },
	{ "javascript", "Cannot find package '", "'" },
	{ "r", "there is no package called \xe2\x80\x98", "\xe2" },
};

/* The library's name in a complaint: of Node without the path behind it. */
static bool name_of(const char *lang, const char *at, const char *until, char *ret, size_t size)
{
	size_t len = strcspn(at, until);
	char *slash;

	if (!len || len >= size)
		return false;
	memcpy(ret, at, len);
	ret[len] = 0;
	slash = strcmp(lang, "javascript") ? NULL : strchr(ret, '/');
	if (slash && ret[0] == '@')
		slash = strchr(slash + 1, '/');
	if (slash)
		*slash = 0;
	return is_library_name(ret);
}

static bool is_in_root(const struct ways *ways, int root, const char *name)
{
	char **places = places_of(ways, root), path[PATH_MAX];
	bool is_there = false;
	size_t i, k;

	for (i = 0; places && places[i] && !is_there; i++) {
		char **entries = name[0] == '@' ? NULL : view_names(root, places[i]);
		struct stat st;

		(void)snprintf(path, sizeof(path), "%.3000s/%s", places[i], name);
		is_there = name[0] == '@' && fstatat(root, path + 1, &st, AT_SYMLINK_NOFOLLOW) == 0;
		for (k = 0; entries && entries[k] && !is_there; k++)
			is_there = ways->fits(entries[k], name);
		json_strings_free(entries);
	}
	json_strings_free(places);
	return is_there;
}

static void tell(const struct profile *profile, const struct ways *ways, int root, const char *name,
		 char *ret, size_t size)
{
	json_t *list = json_object_get(profile->libraries, ways->lang);

	if (list && is_in_root(ways, root, name))
		(void)snprintf(
			ret, size,
			"'%s' is installed, and the profile '%s' does not allow it: 'sbx libs %s' lists "
			"the libraries that it allows",
			name, profile->name, profile->name);
	else
		(void)snprintf(
			ret, size,
			"'%s' is not there: 'sbx libs %s' lists the libraries that are, and nothing can be "
			"downloaded",
			name, profile->name);
}

bool libraries_hint(const struct profile *profile, int root, const char *errors, char *ret,
		    size_t size)
{
	const char *last = NULL;
	char name[NAME_SIZE];
	size_t i, which = 0;

	for (i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++) {
		const char *p = errors;

		while ((p = strstr(p, complaints[i].says))) {
			p += strlen(complaints[i].says);
			if (p > last) {
				last = p;
				which = i;
			}
		}
	}
	if (!last ||
	    !name_of(complaints[which].lang, last, complaints[which].until, name, sizeof(name)))
		return false;
	const struct ways *ways = ways_of(complaints[which].lang);
	if (ways)
		tell(profile, ways, root, name, ret, size);
	return ways != NULL;
}
