// SPDX-License-Identifier: Apache-2.0
/*
 * A layer is made of a file that nobody has read. It is unpacked in a jail by a script that refuses
 * what an honest package does not have; out of the jail come descriptors of regular files only,
 * whose names are checked once more here. Nothing stands in its place before all of it is there.
 */
#include "cleanup.h"
#include "config.h"
#include "harvest.h"
#include "hash.h"
#include "image.h"
#include "io.h"
#include "layers.h"
#include "names.h"
#include "text.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PACKAGE_MAX = 1 << 30, SCRIPT_MAX = 1 << 20 };

static const struct limits unpack_limits = {
	.wall_ms = 300000,
	.cpu_ms = 300000,
	.compile_ms = 1000,
	.memory_bytes = 1 << 30,
	.processes = 16,
	.open_files = 64,
	.file_bytes = 1 << 30,
	.stack_bytes = 8 << 20,
	.scratch_bytes = 1 << 30,
	.scratch_files = 60000,
	.stdout_bytes = 4096,
	.stderr_bytes = 4096,
};

struct unpack {
	struct exec x;
	struct exec_request request;
	int tree; /* where files go */
	char sha256[65];
	bool is_good; /* the script said so by its status */
	int64_t files, bytes;
};

static int make_parents(int dir, char *name)
{
	char *slash;

	for (slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		int failed;

		*slash = 0;
		failed = mkdirat(dir, name, 0755) < 0 && errno != EEXIST;
		if (!failed)
			failed = fchmodat(dir, name, 0755, 0) < 0; /* whatever the umask is */
		*slash = '/';
		if (failed)
			return -1;
	}
	return 0;
}

/* Programs and scripts can be executed; a mode of the package is not asked. */
static mode_t mode_of(const char *head, ssize_t len)
{
	return (len >= 4 && !memcmp(head, "\177ELF", 4)) || (len >= 3 && !memcmp(head, "#!/", 3)) ?
		       0555 :
		       0444;
}

static int put_file(struct unpack *u, char *name, int from, struct err *err)
{
	char buf[65536];
	mode_t mode = 0;
	ssize_t n;

	if (make_parents(u->tree, name) < 0)
		return err_sys(err, ERR_STORAGE, "make the directories of '%.200s'", name);
	AUTO_FD int fd = io_open(u->tree, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(err, ERR_STORAGE, "make '%.200s'", name);
	while ((n = read(from, buf, sizeof(buf))) > 0) {
		mode = mode ? mode : mode_of(buf, n);
		u->bytes += n;
		if (u->bytes > unpack_limits.scratch_bytes)
			return err_set(err, ERR_REQUEST, "the package has more than %lld bytes",
				       (long long)unpack_limits.scratch_bytes);
		if (io_write_all(fd, buf, (size_t)n) < 0)
			return err_sys(err, ERR_STORAGE, "write '%.200s'", name);
	}
	u->files++;
	if (n < 0 || fchmod(fd, mode ? mode : 0444) < 0)
		return err_sys(err, ERR_STORAGE, "write '%.200s'", name);
	return 0;
}

static int take(void *taker, char type, char why, const char *name, size_t len, int fd,
		struct err *err)
{
	AUTO_FD int mine = fd;
	struct unpack *u = taker;
	struct harvest_status status;
	char text[HARVEST_NAME_MAX + 1];
	const char *fault;
	struct stat st;

	(void)why;
	if (type == HARVEST_STATUS) {
		if (len != sizeof(status))
			return err_set(err, ERR_INTERNAL, "a packet of the wrong size");
		memcpy(&status, name, sizeof(status));
		u->is_good = !status.is_killed && status.wait_status == 0;
		return 0;
	}
	if (!u->is_good || type == HARVEST_OPAQUE || len <= 4 || memcmp(name, "out/", 4) != 0)
		return 0;
	fault = name_fault(name + 4, len - 4);
	if (fault || type != HARVEST_FILE || mine < 0 || fstat(mine, &st) < 0 ||
	    !S_ISREG(st.st_mode))
		return err_set(err, ERR_REQUEST, "the package has %s",
			       fault ? fault : "something that is no regular file");
	(void)snprintf(text, sizeof(text), "%.*s", (int)len - 4, name + 4);
	return put_file(u, text, mine, err);
}

/* The bytes go into the jail's input and are hashed on the way: locked is what was read. */
static int bring(struct unpack *u, int in, const char *file, struct err *err)
{
	AUTO_FD int from = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	AUTO_FD int to = io_open(in, "package", O_WRONLY | O_CREAT | O_EXCL, 0600);
	struct sha256_ctx hash;
	char buf[65536];
	int64_t sum = 0;
	struct stat st;
	ssize_t n;

	if (from < 0 || fstat(from, &st) < 0)
		return err_sys(err, ERR_NOT_FOUND, "open '%.200s'", file);
	if (!S_ISREG(st.st_mode) || to < 0)
		return err_set(err, ERR_REQUEST, "'%.200s' is no regular file", file);
	sha256_init(&hash);
	while ((n = read(from, buf, sizeof(buf))) > 0 && (sum += n) <= PACKAGE_MAX) {
		sha256_update(&hash, (size_t)n, (const uint8_t *)buf);
		if (io_write_all(to, buf, (size_t)n) < 0)
			return err_sys(err, ERR_STORAGE, "copy the package");
	}
	if (n < 0 || sum > PACKAGE_MAX)
		return err_set(err, ERR_REQUEST,
			       "'%.200s' cannot be read, or has more than %d bytes", file,
			       PACKAGE_MAX);
	hash_end(&hash, u->sha256);
	u->x.stage.input_bytes = sum;
	return 0;
}

/* The root is that of the profile; what it allows and denies is not asked for this one run. */
static int open_root(struct unpack *u, const char *profile, struct err *err)
{
	struct exec *x = &u->x;

	if (profile_load(x->call->config, profile, &x->profile, err) < 0)
		return -1;
	json_decref(x->profile.libraries);
	json_decref(x->profile.commands);
	x->profile.libraries = x->profile.commands = NULL;
	x->profile.exec_writable = false;
	if (!strcmp(x->profile.root, "host"))
		return 0;
	x->run.root = image_open(x->call->config, x->profile.root, err);
	return x->run.root < 0 ? -1 : 0;
}

static int set_language(struct unpack *u, const char *kind, const char *leaf, struct err *err)
{
	static const char *const run[] = { "/usr/bin/python3", "-I", "-B", "{file}", NULL };
	const char *const args[] = { kind, "package", leaf, NULL };
	char path[PATH_MAX];
	size_t i;

	(void)snprintf(path, sizeof(path), "%.4000s/inside/unpack.py", u->x.call->config->profiles);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	u->request.code = fd < 0 ? NULL : io_read_all(fd, SCRIPT_MAX, NULL);
	if (!u->request.code)
		return err_sys(err, ERR_CONFIG, "read '%s'", path);
	u->x.language.name = strdup("unpacking");
	u->x.language.file = strdup("unpack.py");
	for (i = 0; run[i]; i++)
		(void)view_append(&u->x.language.run, run[i]);
	for (i = 0; args[i]; i++)
		(void)view_append(&u->request.args, args[i]);
	return u->x.language.name && u->x.language.file &&
			       json_strings_count(u->request.args) == 3 &&
			       json_strings_count(u->x.language.run) == 4 ?
		       0 :
		       err_sys(err, ERR_INTERNAL, "allocate");
}

static int adopt(struct jail_run *run, void *arg, struct err *err)
{
	struct exec *x = arg;

	return cgroup_adopt(&x->cgroup, run->pid, err);
}

static int run_jail(struct unpack *u, struct err *err)
{
	struct exec *x = &u->x;

	x->limits = unpack_limits;
	id_new(x->stage.exec);
	if (cgroup_make(x->call->config->cgroup, x->stage.exec, &x->limits, &x->cgroup, err) < 0 ||
	    exec_spec(x, err) < 0)
		return -1;
	x->run.spec = &x->spec;
	x->run.libexec = x->call->config->libexec;
	x->run.input = x->stage.dir;
	x->run.cgroup = x->cgroup.job;
	x->run.take = take;
	x->run.taker = u;
	x->run.ready = adopt;
	x->run.ready_arg = x;
	x->run.out.cap = (size_t)x->limits.stdout_bytes;
	x->run.err.cap = (size_t)x->limits.stderr_bytes;
	x->run.output_kill = 1 << 20;
	return jail_run(&x->run, err);
}

/* The last line that the script said: the reason. */
static int refuse(struct unpack *u, const char *file, struct err *err)
{
	size_t len;
	bool cut;
	AUTO_FREE char *text = sink_text(&u->x.run.err, &len, &cut);
	const char *reason = text ? strstr(text, "refused: ") : NULL;
	char line[200], clean[200];

	if (reason && reason != text && reason[-1] != '\n')
		reason = NULL;
	if (!reason)
		return err_set(err, ERR_REQUEST, "'%.200s' could not be unpacked within its limits",
			       file);
	reason += strlen("refused: ");
	(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(reason, "\n"), reason);
	text_clean(line, clean, sizeof(clean));
	return err_set(err, ERR_REQUEST, "'%.200s' is refused: %s", file, clean);
}

static bool is_plain(const char *text, const char *more)
{
	const char *p;

	for (p = text; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		      (*p >= '0' && *p <= '9') || strchr(more, *p)))
			return false;
	return *text && *text != '.' && *text != '-' && !strstr(text, "..") && strlen(text) <= 100;
}

/* What the package says of itself is hostile, too: it becomes part of a path. */
static int name_layer(struct unpack *u, struct layer *l, struct err *err)
{
	size_t len;
	bool cut;
	char *p;
	AUTO_FREE char *text = sink_text(&u->x.run.out, &len, &cut);
	AUTO_JSON json_t *doc = text ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *name = json_string_value(json_object_get(doc, "name"));
	const char *version = json_string_value(json_object_get(doc, "version"));
	const char *bare = name && *name == '@' && !strcmp(l->kind, "npm") && strchr(name, '/') ?
				   strchr(name, '/') + 1 :
				   name;

	if (!name || !version || !is_plain(version, "._+-~:!") || !is_plain(bare, "._+-") ||
	    (bare != name && !is_plain(name + 1, "._+-/")) ||
	    json_integer_value(json_object_get(doc, "files")) != u->files)
		return err_set(err, ERR_REQUEST, "the package has no plain name and version");
	l->name = strdup(name);
	l->version = strdup(version);
	if (asprintf(&l->id, "%s-%s", l->kind, name) < 0)
		l->id = NULL;
	for (p = l->id; p && *p; p++)
		if (*p == '/')
			*p = '+';
	return l->name && l->version && l->id ? 0 : err_sys(err, ERR_INTERNAL, "allocate");
}

/* Sums, lock, and only then its place: nobody sees half of it. */
static int settle(struct unpack *u, struct layer *l, int all, const char *temporary, int dir,
		  struct err *err)
{
	char sum[65], stamp[65], time[32];

	if (layer_sums(u->tree, sum, stamp, &l->files, &l->bytes, err) < 0)
		return -1;
	l->sha256 = strdup(u->sha256);
	l->tree = strdup(sum);
	l->stamp = strdup(stamp);
	l->added = strdup(text_time(text_now_ms(), time));
	if (!l->sha256 || !l->tree || !l->stamp || !l->added)
		return err_sys(err, ERR_INTERNAL, "allocate");
	if (layer_write_lock(dir, l, err) < 0)
		return -1;
	if (renameat2(all, temporary, all, l->id, RENAME_NOREPLACE) == 0)
		return fsync(all) == 0 ? 0 : err_sys(err, ERR_STORAGE, "keep the layer");
	if (errno != EEXIST)
		return err_sys(err, ERR_STORAGE, "keep the layer");
	(void)err_set(err, ERR_REQUEST, "profile '%s' has a layer '%s' already", l->profile, l->id);
	return err_hint(err, "'sbx libs rm %s %s' takes it away", l->profile, l->id);
}

static int make(struct unpack *u, struct layer *l, const char *file, int all, const char *temporary,
		struct err *err)
{
	AUTO_FD int dir = io_mkdir(all, temporary) < 0 ? -1 : io_open_dir(all, temporary);

	if (dir < 0 || io_mkdir(dir, "in") < 0 || io_mkdir(dir, "dirs") < 0 ||
	    io_mkdir(dir, "tree") < 0)
		return err_sys(err, ERR_STORAGE, "make a directory for the layer");
	AUTO_FD int in = io_open_dir(dir, "in");
	AUTO_FD int tree = io_open_dir(dir, "tree");
	if (in < 0 || tree < 0 || fchmod(tree, 0755) < 0)
		return err_sys(err, ERR_STORAGE, "make a directory for the layer");
	u->tree = tree;
	u->x.stage.dir = dir;
	if (bring(u, in, file, err) < 0 || open_root(u, l->profile, err) < 0 ||
	    set_language(u, l->kind, l->file, err) < 0 || run_jail(u, err) < 0)
		return -1;
	if (!u->is_good || u->x.run.report.end != REPORT_EXITED || u->x.run.report.code != 0)
		return refuse(u, file, err);
	if (name_layer(u, l, err) < 0 || io_remove_tree(dir, "in") < 0 ||
	    io_remove_tree(dir, "dirs") < 0)
		return err->code ? -1 : err_sys(err, ERR_STORAGE, "clean up");
	return settle(u, l, all, temporary, dir, err);
}

static void init(struct unpack *u, struct call *call)
{
	memset(u, 0, sizeof(*u));
	u->request.is_bare = true;
	u->x.call = call;
	u->x.request = &u->request;
	u->x.run.stdin_fd = u->x.run.root = u->x.run.cgroup = -1;
	u->x.run.out.fd = u->x.run.err.fd = u->x.run.out.live = u->x.run.err.live = -1;
	u->x.cgroup.base = u->x.cgroup.job = -1;
}

static void done(struct unpack *u)
{
	cgroup_done(&u->x.cgroup);
	sink_done(&u->x.run.out);
	sink_done(&u->x.run.err);
	spec_done(&u->x.spec);
	cleanup_fd(&u->x.run.root);
	language_done(&u->x.language);
	profile_done(&u->x.profile);
	free(u->request.code);
	json_strings_free(u->request.args);
}

/* What a crash has left: nothing takes an hour. */
static void sweep(int all)
{
	char **names = view_names(all, ".");
	struct stat st;
	size_t i;

	for (i = 0; names && names[i]; i++)
		if (!strncmp(names[i], ".new-", 5) &&
		    fstatat(all, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ctim.tv_sec < text_now_ms() / 1000 - 3600)
			(void)io_remove_tree(all, names[i]);
	json_strings_free(names);
}

int layer_add(struct call *call, const char *profile, const char *kind, const char *file,
	      json_t **ret, struct err *err)
{
	const char *leaf = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	struct layer l = { .profile = (char *)(uintptr_t)profile,
			   .kind = (char *)(uintptr_t)kind,
			   .file = (char *)(uintptr_t)leaf };
	char temporary[ID_SIZE + 8] = ".new-";
	struct profile p;
	struct unpack *u;
	int failed;

	if (profile_load(call->config, profile, &p, err) <
	    0) /* before a directory of its name is made */
		return -1;
	profile_done(&p);
	AUTO_FD int all = layers_open(call->config, profile, true);
	if (all < 0)
		return err_sys(err, ERR_STORAGE, "make '%s/%s'", call->config->layers, profile);
	sweep(all);
	u = malloc(sizeof(*u));
	if (!u)
		return err_sys(err, ERR_INTERNAL, "allocate");
	init(u, call);
	id_new(temporary + 5);
	failed = make(u, &l, file, all, temporary, err);
	if (failed)
		(void)io_remove_tree(all, temporary);
	else
		*ret = json_pack("{s:s,s:o}", "profile", profile, "layer", layer_json(&l));
	done(u);
	free(u);
	free(l.name);
	free(l.version);
	free(l.id);
	free(l.sha256);
	free(l.tree);
	free(l.stamp);
	free(l.added);
	return failed;
}

int layer_remove(struct call *call, const char *profile, const char *name, json_t **ret,
		 struct err *err)
{
	AUTO_FD int all = layers_open(call->config, profile, false);
	const struct layer *found = NULL;
	struct layer *layers = NULL;
	size_t count = 0, i, matches = 0;
	int failed = 0;

	if (all >= 0 && is_plain(name, "._+-@") &&
	    faccessat(all, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		/* by its directory: also when its lock cannot be read any more */
		if (io_remove_tree(all, name) < 0)
			return err_sys(err, ERR_STORAGE, "remove '%s'", name);
		*ret = json_pack("{s:s,s:s}", "profile", profile, "removed", name);
		return 0;
	}
	if (layers_load(call->config, profile, &layers, &count, err) < 0)
		return -1;
	for (i = 0; i < count; i++)
		if (!strcmp(layers[i].id, name) || !strcmp(layers[i].name, name)) {
			found = &layers[i];
			matches++;
		}
	if (!found || matches > 1)
		failed = err_set(err, matches ? ERR_REQUEST : ERR_NOT_FOUND,
				 matches ? "several layers of '%s' are of '%.200s'" :
					   "profile '%s' has no layer '%.200s'",
				 profile, name);
	else if (io_remove_tree(all, found->id) < 0)
		failed = err_sys(err, ERR_STORAGE, "remove '%s'", found->id);
	else
		*ret = json_pack("{s:s,s:s}", "profile", profile, "removed", found->id);
	layers_free(layers, count);
	return failed;
}
