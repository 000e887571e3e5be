// SPDX-License-Identifier: Apache-2.0
/*
 * The job, second layer behind the mounts: what may be read, written and executed is said once more
 * by Landlock, in the words of the ABI that the kernel has. Needs no_new_privs.
 */
#include "cleanup.h"
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights newer than the headers of Debian 12, from include/uapi/linux/landlock.h of Linux 6.12. */
#define FS_REFER (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_ALL 3ULL /* ABI 4: bind and connect of TCP */
#define SCOPE_ALL 3ULL /* ABI 6: abstract sockets and signals */

struct ruleset {
	uint64_t fs, net, scoped;
};

#define READS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	/* a container may answer EPERM, a kernel ENOSYS or EOPNOTSUPP: all mean that it is not there */
	return abi < 0 ? 0 : (int)abi;
}

static uint64_t known_rights(int abi)
{
	uint64_t all = (1ULL << 13) - 1;

	if (abi >= 2)
		all |= FS_REFER;
	if (abi >= 3)
		all |= FS_TRUNCATE;
	if (abi >= 5)
		all |= FS_IOCTL_DEV;
	return all;
}

static int allow(int ruleset, const char *path, uint64_t rights)
{
	AUTO_FD int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) /* a file takes no rights of directories */
		rule.allowed_access &= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				       LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static int add_rules(const struct spec *spec, int ruleset, uint64_t all)
{
	/* nothing may make a device, and a socket is no file that is kept */
	uint64_t writes = all & ~(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				  LANDLOCK_ACCESS_FS_MAKE_BLOCK | FS_IOCTL_DEV);
	static const char *const writable[] = { "/mnt/data", "/tmp", "/dev/shm" };
	size_t i;

	if (spec->exec_writable)
		writes |= LANDLOCK_ACCESS_FS_EXECUTE;
	if (allow(ruleset, "/", READS & all) < 0 ||
	    allow(ruleset, "/dev", (READS | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE) & all) < 0)
		return -1;
	for (i = 0; i < sizeof(writable) / sizeof(writable[0]); i++)
		if (allow(ruleset, writable[i], writes & all) < 0)
			return -1;
	for (i = 0; i < spec->mount_count; i++)
		if (spec->mounts[i].exec && !spec->exec_listed &&
		    allow(ruleset, spec->mounts[i].target,
			  (READS | LANDLOCK_ACCESS_FS_EXECUTE) & all) < 0)
			return -1;
	for (i = 0; spec->exec_paths && spec->exec_paths[i]; i++)
		if (allow(ruleset, spec->exec_paths[i],
			  (READS | LANDLOCK_ACCESS_FS_EXECUTE) & all) < 0)
			return -1;
	return 0;
}

int landlock_enter(struct jail *jail, struct err *err)
{
	int abi = landlock_abi();
	struct ruleset rules = { .fs = known_rights(abi) };
	size_t size = sizeof(rules.fs);

	if (abi < 2) { /* ABI 1 forbids every rename between directories: it counts as none */
		if (jail->spec->landlock_min == 0)
			return 0;
		(void)err_set(err, ERR_ISOLATION, "Landlock is not available (ABI %d)", abi);
		return err_hint(
			err,
			"boot with lsm=landlock,... (Linux 5.19 or newer), or drop \"landlock\" "
			"from \"require\"");
	}
	if (abi < jail->spec->landlock_min)
		return err_set(err, ERR_ISOLATION, "Landlock has ABI %d, and %d is required", abi,
			       (int)jail->spec->landlock_min);
	if (abi >= 4 && !strcmp(jail->spec->seccomp, "strict")) {
		rules.net = NET_ALL;
		size = offsetof(struct ruleset, scoped);
	}
	if (abi >= 6) {
		rules.scoped = SCOPE_ALL;
		size = sizeof(rules);
	}
	AUTO_FD int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (ruleset < 0)
		return err_sys(err, ERR_ISOLATION, "make the Landlock rules");
	if (add_rules(jail->spec, ruleset, rules.fs) < 0)
		return err_sys(err, ERR_ISOLATION, "add a Landlock rule");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_sys(err, ERR_ISOLATION, "enforce the Landlock rules");
	jail->landlock_abi = abi;
	return 0;
}
