// SPDX-License-Identifier: Apache-2.0
#include "rootless.h"

#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

int rootless_check(struct err *err)
{
	if (getuid() != geteuid() || getgid() != getegid())
		return err_set(err, ERR_ISOLATION, "sbx must not be installed setuid or setgid");
	return 0;
}

int rootless_become(const struct config *config, struct err *err)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	errno = 0;
	pw = getpwnam(config->run_as);
	if (!pw || pw->pw_uid == 0) {
		(void)err_set(err, ERR_ISOLATION,
			      "no jail runs as root, and there is no user '%s' to become",
			      config->run_as);
		return err_hint(
			err,
			"run it as an ordinary user, or: useradd --system --home-dir /var/lib/sbx "
			"--create-home %s",
			config->run_as);
	}
	if (setgroups(0, NULL) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return err_sys(err, ERR_ISOLATION, "become user '%s'", config->run_as);
	if (setuid(0) == 0 || geteuid() == 0)
		return err_set(err, ERR_ISOLATION, "root's rights could not be given up");
	/* after a change of uid the kernel makes the process undumpable, and its /proc files root's */
	(void)prctl(PR_SET_DUMPABLE, 1);
	return 0;
}
