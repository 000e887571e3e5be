// SPDX-License-Identifier: Apache-2.0
#include "layers.h"

#include "cleanup.h"
#include "config.h"
#include "hash.h"
#include "io.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LOCK_MAX = 64 << 10, DEPTH_MAX = 24 };

#define S(m, hi) \
	JSON_FIELD(layer, m, .kind = JSON_KIND_STRING, .required = true, .min = 1, .max = (hi))
static const struct json_field lock_fields[] = {
	JSON_FIELD(layer, v, .kind = JSON_KIND_INT, .required = true, .min = 1, .max = 1),
	S(profile, 64),
	S(kind, 8),
	S(name, 200),
	S(version, 100),
	S(file, 255),
	S(sha256, 64),
	S(tree, 64),
	S(stamp, 64),
	S(added, 40),
	JSON_FIELD(layer, files, .kind = JSON_KIND_INT, .required = true, .max = 1000000),
	JSON_FIELD(layer, bytes, .kind = JSON_KIND_INT, .required = true, .max = (int64_t)1 << 44),
};
enum { LOCK_FIELDS = sizeof(lock_fields) / sizeof(lock_fields[0]) };

int layers_open(const struct config *config, const char *profile, bool make)
{
	AUTO_FD int all = -1;

	if (make)
		(void)call_make_path(config->layers, NULL); /* shows below */
	all = open(config->layers, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (all < 0 || !profile)
		return take_fd(&all);
	if (make && io_mkdir(all, profile) < 0)
		return -1;
	return io_open_dir(all, profile);
}

/* --- sums ------------------------------------------------------------------------------------ */
struct sums {
	struct sha256_ctx content, stamp;
	bool is_reading;
	int64_t files, bytes;
};

static int sum_file(struct sums *s, int dir, const char *leaf)
{
	AUTO_FD int fd = io_open_regular(dir, leaf, O_RDONLY);
	char buf[65536];
	ssize_t n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		sha256_update(&s->content, (size_t)n, (const uint8_t *)buf);
	return (int)n;
}

static int sum_dir(struct sums *s, int dir, int depth, struct err *err);

/* Nobody but the owner may have been able to write it, and nothing of it is a link or a device. */
static int sum_entry(struct sums *s, int dir, const char *leaf, int depth, struct err *err)
{
	char line[NAME_MAX + 200];
	struct stat st;
	int n;

	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, ERR_CORRUPT, "look at '%.100s'", leaf);
	if ((st.st_uid != geteuid() && st.st_uid != 0) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH | S_ISUID | S_ISGID)) ||
	    !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return err_set(err, ERR_CORRUPT, "'%.100s' has another owner, mode or type", leaf);
	n = snprintf(line, sizeof(line), "%d %s %o %lld\n", depth, leaf, st.st_mode,
		     S_ISREG(st.st_mode) ? (long long)st.st_size : 0);
	sha256_update(&s->content, (size_t)n + 1, (const uint8_t *)line);
	sha256_update(&s->stamp, (size_t)n + 1, (const uint8_t *)line);
	n = snprintf(line, sizeof(line), "%llu %u %lld.%09ld %lld.%09ld\n",
		     (unsigned long long)st.st_ino, st.st_uid, (long long)st.st_mtim.tv_sec,
		     st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	sha256_update(&s->stamp, (size_t)n, (const uint8_t *)line);
	if (S_ISREG(st.st_mode)) {
		s->files++;
		s->bytes += st.st_size;
		return !s->is_reading || sum_file(s, dir, leaf) == 0 ?
			       0 :
			       err_sys(err, ERR_CORRUPT, "read '%.100s'", leaf);
	}
	AUTO_FD int below = io_open_dir(dir, leaf);
	if (below < 0 || depth >= DEPTH_MAX)
		return err_sys(err, ERR_CORRUPT, "enter '%.100s'", leaf);
	return sum_dir(s, below, depth + 1, err);
}

static int sum_dir(struct sums *s, int dir, int depth, struct err *err)
{
	char **names = view_names(dir, ".");
	int failed = 0;
	size_t i;

	if (!names)
		return err_sys(err, ERR_CORRUPT, "read a directory");
	for (i = 0; !failed && names[i]; i++)
		failed = sum_entry(s, dir, names[i], depth, err);
	json_strings_free(names);
	return failed;
}

int layer_sums(int tree, char *sum, char *stamp, int64_t *ret_files, int64_t *ret_bytes,
	       struct err *err)
{
	struct sums s = { .is_reading = sum != NULL };

	sha256_init(&s.content);
	sha256_init(&s.stamp);
	if (sum_dir(&s, tree, 0, err) < 0)
		return -1;
	if (sum)
		hash_end(&s.content, sum);
	hash_end(&s.stamp, stamp);
	*ret_files = s.files;
	*ret_bytes = s.bytes;
	return 0;
}

/* --- locks ----------------------------------------------------------------------------------- */
static void layer_done(struct layer *layer)
{
	json_release(lock_fields, LOCK_FIELDS, layer);
	free(layer->id);
}

void layers_free(struct layer *layers, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		layer_done(&layers[i]);
	free(layers);
}

json_t *layer_json(const struct layer *layer)
{
	return json_pack("{s:s*,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I}", "layer", layer->id,
			 "profile", layer->profile, "kind", layer->kind, "name", layer->name,
			 "version", layer->version, "file", layer->file, "sha256", layer->sha256,
			 "added", layer->added, "files", (json_int_t)layer->files, "bytes",
			 (json_int_t)layer->bytes);
}

int layer_write_lock(int dir, const struct layer *layer, struct err *err)
{
	AUTO_JSON json_t *doc = layer_json(layer);

	(void)json_object_del(doc, "layer");
	(void)json_object_set_new(doc, "v", json_integer(1));
	(void)json_object_set_new(doc, "tree", json_string(layer->tree));
	(void)json_object_set_new(doc, "stamp", json_string(layer->stamp));
	AUTO_FREE char *text = json_dumps(doc, JSON_INDENT(2) | JSON_SORT_KEYS);
	if (!text || io_replace_file(dir, "lock.json", text, strlen(text), true) < 0)
		return err_sys(err, ERR_STORAGE, "write the lock of a layer");
	return 0;
}

static int is_kind(const char *kind)
{
	return !strcmp(kind, "wheel") || !strcmp(kind, "npm") || !strcmp(kind, "deb");
}

static int load_one(int all, const char *profile, const char *id, struct layer *ret,
		    struct err *err)
{
	char path[NAME_MAX + 16];
	size_t len;

	(void)snprintf(path, sizeof(path), "%.255s/lock.json", id);
	AUTO_FREE char *text = io_read_file(all, path, LOCK_MAX, &len);
	AUTO_JSON json_t *doc = text ? json_parse(text, len, err) : NULL;
	if (!doc || json_decode(doc, lock_fields, LOCK_FIELDS, ret, "", err) < 0 ||
	    !is_kind(ret->kind) || strcmp(ret->profile, profile) != 0)
		return err_set(err, ERR_CORRUPT, "the lock of layer '%.200s' cannot be read", id);
	ret->id = strdup(id);
	return ret->id ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
}

int layers_load(const struct config *config, const char *profile, struct layer **ret,
		size_t *ret_count, struct err *err)
{
	AUTO_FD int base = layers_open(config, NULL, false);
	/* a place that nobody gave us is no place with layers */
	bool is_none = base < 0 && (errno == ENOENT || errno == EACCES || errno == ENOTDIR);
	AUTO_FD int all = base < 0 ? -1 : io_open_dir(base, profile);
	is_none = is_none || (base >= 0 && all < 0 && errno == ENOENT);
	char **names = all < 0 ? NULL : view_names(all, ".");
	struct layer *layers;
	size_t n = 0, i;
	int failed = 0;

	if (!names && !is_none)
		return err_sys(err, ERR_STORAGE, "open '%s/%s'", config->layers, profile);
	layers = calloc(json_strings_count(names) + 1, sizeof(*layers));
	if (!layers) {
		json_strings_free(names);
		return err_sys(err, ERR_INTERNAL, "allocate");
	}
	for (i = 0; !failed && names && names[i]; i++)
		if (names[i][0] != '.')
			failed = load_one(all, profile, names[i], &layers[n++], err);
	json_strings_free(names);
	if (failed) {
		layers_free(layers, n);
		return -1;
	}
	*ret = layers;
	*ret_count = n;
	return 0;
}

static int is_other(const struct layer *layer, struct err *err)
{
	char why[sizeof(err->msg)];

	(void)snprintf(why, sizeof(why), "%.199s", err->msg);
	(void)err_set(err, ERR_CORRUPT, "layer '%s' of profile '%s' is not as it was added%s%s",
		      layer->id, layer->profile, why[0] ? ": " : "", why);
	return err_hint(
		err,
		"'sbx libs check %s' reads every byte; 'sbx libs rm' and 'sbx libs add' make it anew",
		layer->profile);
}

static int open_tree_of(const struct config *config, const struct layer *layer)
{
	char path[NAME_MAX + 16];
	AUTO_FD int all = layers_open(config, layer->profile, false);

	(void)snprintf(path, sizeof(path), "%.255s/tree", layer->id);
	return all < 0 ? -1 : io_open_dir(all, path);
}

static int check_stamp(const struct config *config, const struct layer *layer, struct err *err)
{
	AUTO_FD int tree = open_tree_of(config, layer);
	int64_t files, bytes;
	char stamp[65];

	if (tree < 0 || layer_sums(tree, NULL, stamp, &files, &bytes, err) < 0 || !layer->stamp ||
	    strcmp(stamp, layer->stamp) != 0)
		return is_other(layer, err);
	return 0;
}

int layer_check(const struct config *config, const struct layer *layer, struct err *err)
{
	AUTO_FD int tree = open_tree_of(config, layer);
	AUTO_FD int all = layers_open(config, layer->profile, false);
	AUTO_FD int dir = all < 0 ? -1 : io_open_dir(all, layer->id);
	char sum[65], stamp[65];
	struct layer now = *layer;
	int64_t files, bytes;

	if (tree < 0 || dir < 0 || layer_sums(tree, sum, stamp, &files, &bytes, err) < 0 ||
	    strcmp(sum, layer->tree) != 0)
		return is_other(layer, err);
	now.stamp = stamp;
	return !strcmp(stamp, layer->stamp) ? 0 : layer_write_lock(dir, &now, err);
}

/* --- in the jail ----------------------------------------------------------------------------- */
/* Appends dir to a variable that is a list with ':'. */
static int extend(struct spec *spec, const char *name, const char *dir, struct err *err)
{
	size_t len = strlen(name), i;
	char *text = NULL;

	for (i = 0; spec->env && spec->env[i]; i++)
		if (!strncmp(spec->env[i], name, len) && spec->env[i][len] == '=')
			break;
	if (spec->env && spec->env[i]) {
		if (asprintf(&text, "%s:%s", spec->env[i], dir) < 0)
			return err_sys(err, ERR_INTERNAL, "allocate");
		free(spec->env[i]);
		spec->env[i] = text;
		return 0;
	}
	AUTO_FREE char *first = asprintf(&text, "%s=%s", name, dir) < 0 ? NULL : text;
	return first && view_append(&spec->env, first) == 0 ?
		       0 :
		       err_sys(err, ERR_INTERNAL, "allocate");
}

/* What of a layer's tree is put where: a directory of it, and the variable that names such. */
static const struct {
	const char *kind, *below, *variable;
} seats[] = {
	{ "wheel", "", "PYTHONPATH" },
	{ "wheel", "bin", "PATH" },
	{ "deb", "usr/lib/python3/dist-packages", "PYTHONPATH" },
	{ "deb", "usr/bin", "PATH" },
	{ "deb", "usr/lib/*-linux-*", "LD_LIBRARY_PATH" },
	{ "deb", "usr/share/nodejs", "NODE_PATH" },
	{ "deb", "usr/share/perl5", "PERL5LIB" },
	{ "deb", "usr/lib/*-linux-*/perl5/5.*", "PERL5LIB" },
	{ "deb", "usr/lib/R/site-library", "R_LIBS" },
	{ "deb", "usr/lib/ruby/vendor_ruby", "RUBYLIB" },
};

static int extend_all(struct spec *spec, int tree, const struct layer *layer, const char *target,
		      struct err *err)
{
	char path[PATH_MAX];
	int failed = 0;
	size_t i, k;

	for (i = 0; i < sizeof(seats) / sizeof(seats[0]) && !failed; i++) {
		char **found = strcmp(seats[i].kind, layer->kind) ?
				       NULL :
				       view_find(tree, seats[i].below, S_IFDIR);

		for (k = 0; found && found[k] && !failed; k++) {
			(void)snprintf(path, sizeof(path), "%.2000s%s", target,
				       strcmp(found[k], "/") ? found[k] : "");
			failed = extend(spec, seats[i].variable, path, err);
		}
		json_strings_free(found);
	}
	return failed;
}

static int view_layer(struct exec *x, const struct layer *layer, struct err *err)
{
	char source[PATH_MAX], target[PATH_MAX];
	AUTO_FD int tree = open_tree_of(x->call->config, layer);

	if (tree < 0 || check_stamp(x->call->config, layer, err) < 0)
		return err->code ? -1 : is_other(layer, err);
	(void)snprintf(source, sizeof(source), "%.2000s/%s/%s/tree", x->call->config->layers,
		       layer->profile, layer->id);
	/* Node looks for node_modules in each directory up to the root, whatever asks */
	if (layer->kind && !strcmp(layer->kind, "npm"))
		(void)snprintf(target, sizeof(target), "/node_modules/%.200s", layer->name);
	else
		(void)snprintf(target, sizeof(target), "/run/sbx/libs/%.255s", layer->id);
	if (view_mount(&x->spec, source, target, VIEW_EXEC, err) < 0)
		return -1;
	return extend_all(&x->spec, tree, layer, target, err);
}

int layers_view(struct exec *x, struct err *err)
{
	struct layer *layers = NULL;
	size_t count = 0, i;
	int failed = 0;

	if (x->request->is_bare)
		return 0;
	if (layers_load(x->call->config, x->profile.name, &layers, &count, err) < 0)
		return -1;
	for (i = 0; i < count && !failed; i++)
		failed = view_layer(x, &layers[i], err);
	layers_free(layers, count);
	return failed;
}
