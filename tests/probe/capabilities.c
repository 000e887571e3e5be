// SPDX-License-Identifier: Apache-2.0
/*
 * Capabilities and identities. Where something is empty by nature for an ordinary user, the probe
 * first tries to get it by a user namespace: outside that works, in a jail it does not.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set_caps(bool inheritable)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	const unsigned int admin = 1U << CAP_SYS_ADMIN;

	data[0].effective = data[0].permitted = admin;
	data[0].inheritable = inheritable ? admin : 0;
	return answer(syscall(SYS_capset, &head, data));
}

static int run_set_empty(struct attempt *t)
{
	char text[64];
	const char *key = t->probe->path;

	if (!self_status(key, text, sizeof(text)))
		return broken(t, "no /proc/self/status");
	if (strtoull(text, NULL, 16) != 0)
		return 0;
	if (ns_own(t, 0) < 0)
		return BROKEN;
	(void)set_caps(true);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0);
	if (!self_status(key, text, sizeof(text)))
		return broken(t, "no /proc/self/status");
	return strtoull(text, NULL, 16) != 0 ? 0 : NOTHING;
}

static int run_capset(struct attempt *t)
{
	if (ns_own(t, 0) < 0)
		return BROKEN;
	return set_caps(false);
}

static int run_ambient(struct attempt *t)
{
	if (ns_own(t, 0) < 0)
		return BROKEN;
	(void)set_caps(true);
	return answer(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
}

static int run_prctl(struct attempt *t)
{
	const long *a = t->probe->a;

	if (a[4] && ns_own(t, 0) < 0)
		return BROKEN;
	return answer(prctl((int)a[0], a[1], a[2], a[3], 0));
}

static int run_capbset(struct attempt *t)
{
	bool any = false;

	(void)t;
	for (unsigned long cap = 0; cap < 64 && !any; cap++)
		any = prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1;
	return any ? 0 : NOTHING;
}

/* Something is wrong if the field is not what it has to be. */
static int field_differs(struct attempt *t, const char *key, const char *want)
{
	char text[64];

	if (!self_status(key, text, sizeof(text)))
		return broken(t, "no /proc/self/status");
	return strcmp(text, want) == 0 ? NOTHING : 0;
}

static int run_no_new_privs(struct attempt *t)
{
	return field_differs(t, "NoNewPrivs", "1");
}

static int run_seccomp_mode(struct attempt *t)
{
	return field_differs(t, "Seccomp", "2");
}

static int run_setuid(struct attempt *t)
{
	if (ns_own(t, 0) < 0)
		return BROKEN;
	return answer(syscall(t->probe->nr, 0L, 0L, 0L));
}

/* Success that changes nothing is no success: these answer with the old id. */
static int run_setfsuid(struct attempt *t)
{
	if (ns_own(t, 0) < 0)
		return BROKEN;
	errno = 0;
	(void)setfsuid(0);
	if (errno)
		return errno;
	return setfsuid((uid_t)-1) == 0 ? 0 : NOTHING;
}

static int run_setgroups(struct attempt *t)
{
	(void)t;
	return answer(setgroups(0, NULL));
}

#define SET(label, field, why)                                                                     \
	{ "cap-" label, NULL, "nothing", DONE, why, .run = run_set_empty, .path = field }
#define SETID(label, number)                                                                       \
	{ label "-0", NULL, "EPERM|EINVAL|ENOSYS", DONE, "become number 0 by " label,              \
	  .run = run_setuid, .nr = number }
#define W_PRCTL "EPERM|EINVAL|ENOSYS"

static const struct probe probes[] = {
	SET("inheritable", "CapInh", "the inheritable set is not empty, or can be filled"),
	SET("permitted", "CapPrm", "the permitted set is not empty, or can be filled"),
	SET("effective", "CapEff", "the effective set is not empty, or can be filled"),
	SET("ambient", "CapAmb", "the ambient set is not empty, or can be filled"),
	SET("bounding", "CapBnd", "the bounding set is not empty"),
	{ "cap-bounding-read", NULL, "nothing", DONE, "the bounding set by prctl",
	  .run = run_capbset },
	{ "capset", NULL, W_CALL, DONE, "capset", .run = run_capset },
	{ "cap-ambient-raise", NULL, W_PRCTL, DONE, "an ambient capability", .run = run_ambient },
	{ "securebits", NULL, W_PRCTL, DONE, "securebits changed", .run = run_prctl,
	  .a = { PR_SET_SECUREBITS, SECBIT_KEEP_CAPS, 0, 0, 1 } },
	{ "keepcaps", NULL, W_PRCTL, DONE, "capabilities kept over setuid", .run = run_prctl,
	  .a = { PR_SET_KEEPCAPS, 1 } },
	{ "no-new-privs", NULL, "nothing", DONE, "no_new_privs is not set",
	  .run = run_no_new_privs },
	{ "seccomp-mode", NULL, "nothing", DIFFERS, "no filter is set", .run = run_seccomp_mode },
	SETID("setuid", SYS_setuid),
	SETID("setgid", SYS_setgid),
	SETID("setresuid", SYS_setresuid),
	SETID("setresgid", SYS_setresgid),
	SETID("setreuid", SYS_setreuid),
	{ "setfsuid-0", NULL, "nothing|EPERM|ENOSYS", DONE, "become number 0 for files",
	  .run = run_setfsuid },
	{ "setgroups", NULL, W_CALL, NEEDS_ROOT, "groups dropped that may deny",
	  .run = run_setgroups },
};

GROUP(group_capabilities, "capabilities", "S3-09", probes);
