// SPDX-License-Identifier: Apache-2.0
/* What /proc tells of the host, and its switches. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHUT "EACCES|EPERM|ENOENT|EROFS"
#define MASKED "nothing|" SHUT

/* kernel.* of the own namespaces: open to whoever is mapped to their root. */
static int run_sysctl(struct attempt *t)
{
	if (ns_own(t, (int)t->probe->a[0]) < 0)
		return BROKEN;
	return answer(open(t->probe->path, O_WRONLY | O_CLOEXEC));
}

/* An address in the first column that is not zero. */
static int run_kallsyms(struct attempt *t)
{
	char text[4096];

	if (slurp(t->probe->path, text, sizeof(text)) < 0)
		return errno;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strtoull(line, NULL, 16) != 0)
			return 0;
	return NOTHING;
}

/* Only keys that may be seen are listed, so one is made first where that is possible. */
static int run_keys(struct attempt *t)
{
	(void)syscall(SYS_add_key, "user", "sbx-probe", "x", 1UL, (long)KEY_SPEC_PROCESS_KEYRING);
	return run_read(t);
}

static int run_uid_map(struct attempt *t)
{
	if (ns_own(t, 0) < 0)
		return BROKEN;
	char text[64];
	if (slurp("/proc/self/uid_map", text, sizeof(text)) < 0)
		return errno;
	/* Entering a namespace wrote the map; then that it was possible is the answer. */
	if (strncmp(text, "         0", 10) == 0 && !strstr(text, "4294967295"))
		return 0;
	return spit("/proc/self/uid_map", "0 0 1\n");
}

static int run_oom(struct attempt *t)
{
	(void)t;
	return spit("/proc/self/oom_score_adj", "-1000");
}

#define READ(label, file, outside, why)                                                            \
	{ label, NULL, MASKED, outside, why, .run = run_read, .path = file }
#define WRITE(label, file, why)                                                                    \
	{ label, "S0-30", SHUT, NEEDS_ROOT, why, .run = run_open_write, .path = file }
#define SYSCTL(label, file, flags, why)                                                            \
	{ label, "S0-30", SHUT, DONE, why, .run = run_sysctl, .path = file, .a = { flags } }

static const struct probe probes[] = {
	{ "proc-keys", NULL, MASKED, DONE, "keys of the host's users, or a new one",
	  .run = run_keys, .path = "/proc/keys" },
	READ("proc-key-users", "/proc/key-users", DONE, "which users hold keys"),
	READ("proc-kernel-cmdline", "/proc/cmdline", DONE, "how the host was started"),
	READ("proc-modules", "/proc/modules", NEEDS_ROOT, "modules of the host, where it has any"),
	READ("proc-diskstats", "/proc/diskstats", DONE, "disks of the host"),
	READ("proc-partitions", "/proc/partitions", DONE, "disks of the host"),
	READ("proc-config", "/proc/config.gz", DIFFERS, "how the kernel was built"),
	READ("proc-kmsg", "/proc/kmsg", NEEDS_ROOT, "messages of the kernel"),
	READ("proc-kcore", "/proc/kcore", NEEDS_ROOT, "memory of the kernel"),
	READ("proc-timer-list", "/proc/timer_list", NEEDS_ROOT, "timers with addresses"),
	READ("proc-vmallocinfo", "/proc/vmallocinfo", NEEDS_ROOT, "addresses of the kernel"),
	READ("proc-kpagecount", "/proc/kpagecount", NEEDS_ROOT, "use of physical pages"),
	READ("proc-slabinfo", "/proc/slabinfo", NEEDS_ROOT, "objects of the kernel"),
	{ "proc-kallsyms", NULL, MASKED, NEEDS_ROOT, "addresses of symbols", .run = run_kallsyms,
	  .path = "/proc/kallsyms" },
	{ "proc-iomem", NULL, MASKED, NEEDS_ROOT, "physical addresses", .run = run_kallsyms,
	  .path = "/proc/iomem" },
	WRITE("proc-sysrq-trigger", "/proc/sysrq-trigger", "a crash by one letter"),
	WRITE("sysctl-core-pattern", "/proc/sys/kernel/core_pattern", "a program run as root"),
	WRITE("sysctl-modprobe", "/proc/sys/kernel/modprobe", "a program run as root"),
	WRITE("sysctl-drop-caches", "/proc/sys/vm/drop_caches", "a host-wide flush"),
	WRITE("sysctl-binfmt", "/proc/sys/fs/binfmt_misc/register", "an interpreter for all"),
	SYSCTL("sysctl-shmmax", "/proc/sys/kernel/shmmax", CLONE_NEWIPC, "kernel.shmmax"),
	SYSCTL("sysctl-mqueue", "/proc/sys/fs/mqueue/msg_max", CLONE_NEWIPC, "fs.mqueue"),
	SYSCTL("sysctl-forward", "/proc/sys/net/ipv4/ip_forward", CLONE_NEWNET, "net.ipv4"),
	SYSCTL("sysctl-user-max", "/proc/sys/user/max_user_namespaces", 0,
	       "the own limit on namespaces"),
	{ "proc-uid-map", "S0-35", SHUT "|EINVAL", DONE, "a new map of users",
	  .run = run_uid_map },
	{ "proc-oom-score", NULL, SHUT, NEEDS_ROOT, "escape from the killer of last resort",
	  .run = run_oom },
};

GROUP(group_procinfo, "proc-host", "S0-31", probes);
