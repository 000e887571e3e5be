// SPDX-License-Identifier: Apache-2.0
/* doctor: what this host can isolate, what not, why, and the command that mends it. */
#include "cgroup.h"
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "io.h"
#include "landlock_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/utsname.h>

struct request {
	VERB_MEMBERS;
};

static const struct json_field fields[] = { VERB_FIELDS(request) };

struct doctor {
	struct call *call;
	json_t *checks;
	bool is_ill;
};

/* ok: it is there. A missing one with a remedy; needed ones make the host unfit. */
static void say(struct doctor *d, const char *name, bool ok, bool needed, const char *what,
		const char *remedy)
{
	json_t *v = json_pack("{s:s,s:b,s:b,s:o}", "name", name, "ok", ok, "needed", needed, "what",
			      json_text(what, strlen(what)));

	if (!ok && remedy && *remedy)
		(void)json_object_set_new(v, "remedy", json_text(remedy, strlen(remedy)));
	(void)json_array_append_new(d->checks, v);
	d->is_ill = d->is_ill || (!ok && needed);
}

static int64_t sysctl_value(const char *path)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[32] = "";

	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) <= 0)
		return -1;
	return strtoll(buf, NULL, 10);
}

static void check_kernel(struct doctor *d)
{
	char text[200];
	struct utsname u;
	int abi = landlock_abi_here();

	(void)uname(&u);
	(void)snprintf(text, sizeof(text), "Linux %.80s", u.release);
	say(d, "kernel", true, true, text, "");
	if (sysctl_value("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		say(d, "userns", false, true, "kernel.unprivileged_userns_clone is 0",
		    "sysctl -w kernel.unprivileged_userns_clone=1");
	else if (sysctl_value("/proc/sys/user/max_user_namespaces") == 0)
		say(d, "userns", false, true, "user.max_user_namespaces is 0",
		    "sysctl -w user.max_user_namespaces=10000");
	(void)snprintf(text, sizeof(text), "Landlock ABI %d", abi);
	say(d, "landlock", abi >= 2, false, text,
	    "boot with lsm=landlock added to the kernel's list (Linux 5.19 or newer)");
}

static void check_programs(struct doctor *d)
{
	static const char *const names[] = { "sbx-jail", "sbx-type", "sbx-probe" };
	char path[PATH_MAX], text[PATH_MAX + 40];
	size_t i;

	for (i = 0; i < 3; i++) {
		bool there;

		(void)snprintf(path, sizeof(path), "%s/%s", d->call->config->libexec, names[i]);
		there = access(path, X_OK) == 0;
		(void)snprintf(text, sizeof(text), "%s", path);
		say(d, names[i], there, i == 0, text, "install sbx with 'make install'");
	}
}

static void check_places(struct doctor *d)
{
	struct err err = { 0 };
	int fd = call_storage(d->call, &err);

	say(d, "storage", fd >= 0, true, fd >= 0 ? d->call->config->storage : err.msg, err.hint);
	memset(&err, 0, sizeof(err));
	fd = call_state(d->call, &err);
	say(d, "state", fd >= 0, true, fd >= 0 ? d->call->config->state : err.msg, err.hint);
}

static void check_jail(struct doctor *d)
{
	char program[] = "/usr/bin/true", never[] = "never";
	char *argv[] = { program, NULL };
	struct exec_request r = { .argv = argv, .commit = never };
	AUTO_JSON json_t *answer = NULL;
	struct err err = { 0 };
	json_t *iso;

	if (exec_aside(d->call, &r, &answer, &err) < 0) {
		say(d, "jail", false, true, err.msg, err.hint);
		if (sysctl_value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
			say(d, "apparmor", false, true,
			    "AppArmor lets only programs with a profile use user namespaces",
			    "install sbx with 'make install', which loads its profile, or: apparmor_parser -r "
			    "/etc/apparmor.d/sbx-jail");
		return;
	}
	iso = json_object_get(answer, "isolation");
	say(d, "jail", true, true, "a jail was made, checked from inside, and ran a program", "");
	say(d, "seccomp", json_is_string(json_object_get(iso, "seccomp")), true,
	    "the filter is loaded", "");
	say(d, "workspace",
	    !strcmp(json_string_value(json_object_get(iso, "workspace")), "overlay"), false,
	    "overlay of the session's files",
	    "Linux 6.6 or newer has overlays on tmpfs in user namespaces; files are copied meanwhile");
	say(d, "proc", !strcmp(json_string_value(json_object_get(iso, "proc")), "fresh"), false,
	    "a fresh /proc", "give the outer container an unmasked /proc");
	say(d, "groups", json_integer_value(json_object_get(iso, "groups")) == 0, false,
	    "no supplementary groups", "run sbx from a service account that is in no other group");
	exec_forget_session(d->call, answer);
}

static void check_cgroup(struct doctor *d)
{
	struct limits limits = { .memory_bytes = 64 << 20, .processes = 16 };
	struct cgroup c = { .base = -1, .job = -1 };
	struct err err = { 0 };
	char id[ID_SIZE];

	id_new(id);
	if (cgroup_make("auto", id, &limits, &c, &err) < 0) {
		say(d, "cgroup", false, false, err.msg, err.hint);
		return;
	}
	say(d, "cgroup", strcmp(c.method, "none") != 0, false,
	    strcmp(c.method, "none") != 0 ? c.method : c.why,
	    "log in through systemd with a user manager, or run as a service with Delegate=yes; limits are "
	    "kept by prlimit and a watchdog meanwhile");
	cgroup_done(&c);
}

static void check_languages(struct doctor *d)
{
	struct profile p;
	struct err err = { 0 };
	const char *name;
	json_t *v;

	if (profile_load(d->call->config, d->call->config->profile, &p, &err) < 0) {
		say(d, "profile", false, true, err.msg, err.hint);
		return;
	}
	json_object_foreach(p.languages, name, v) {
		struct language l;
		char label[48], version[80];

		if (profile_language(&p, name, &l, &err) < 0)
			continue;
		(void)snprintf(label, sizeof(label), "lang %.32s", name);
		language_version(d->call, &p, &l, version, sizeof(version));
		say(d, label, version[0] != 0, false,
		    version[0] ? version : "its run-time is not installed",
		    "install it, or leave the language out");
		language_done(&l);
	}
	profile_done(&p);
}

static int run(struct call *call, json_t *request, json_t **ret, struct err *err)
{
	struct doctor d = { .call = call, .checks = json_array() };
	struct request r = { 0 };

	if (json_decode(request, fields, sizeof(fields) / sizeof(fields[0]), &r, "", err) < 0)
		return -1;
	json_release(fields, sizeof(fields) / sizeof(fields[0]), &r);
	check_kernel(&d);
	check_programs(&d);
	check_places(&d);
	check_jail(&d);
	check_cgroup(&d);
	check_languages(&d);
	*ret = json_pack("{s:b,s:o}", "fit", !d.is_ill, "checks", d.checks);
	call->status = d.is_ill ? err_status(ERR_ISOLATION) : 0;
	return 0;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	json_t *v;
	size_t i;

	(void)call;
	json_array_foreach(json_object_get(answer, "checks"), i, v) {
		const char *remedy = json_string_value(json_object_get(v, "remedy"));
		bool ok = json_is_true(json_object_get(v, "ok"));

		(void)fprintf(out, "%-4s %-18s %s\n",
			      ok                                         ? "ok" :
			      json_is_true(json_object_get(v, "needed")) ? "NO" :
									   "-",
			      json_string_value(json_object_get(v, "name")),
			      json_string_value(json_object_get(v, "what")));
		if (remedy)
			(void)fprintf(out, "     %-18s %s\n", "", remedy);
	}
}

static const struct option_row no_options[] = { { 0 } };

const struct verb verb_doctor = { .name = "doctor",
				  .summary = "what this host can isolate, and how to mend the rest",
				  .options = no_options,
				  .is_quiet = true,
				  .run = run,
				  .show = show };
