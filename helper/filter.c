// SPDX-License-Identifier: Apache-2.0
/*
 * The job, last stage: loads the filter, ready BPF that was compiled from profiles/seccomp when sbx
 * was built. With a listener the supervisor hears of denied attacks and answers with the same errno
 * that the plain filter gives.
 */
#include "cleanup.h"
#include "filter_data.h"
#include "jail.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filters.inc"

const struct filter_set *filter_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(filter_sets) / sizeof(filter_sets[0]); i++)
		if (!strcmp(filter_sets[i].name, name))
			return &filter_sets[i];
	return NULL;
}

static int load(const struct sock_filter *insns, size_t count, unsigned int flags)
{
	struct sock_fprog program = { .len = (unsigned short)count,
				      .filter = (struct sock_filter *)(uintptr_t)insns };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

int filter_enter(struct jail *jail, struct err *err)
{
	const struct filter_set *set = filter_find(jail->spec->seccomp);
	struct note note = { .type = NOTE_LISTENER };

	if (!set)
		return err_set(err, ERR_CONFIG, "no seccomp filter is called '%s'", jail->spec->seccomp);
	if (jail->spec->notify) {
		AUTO_FD int listener = load(set->notify_insns, set->notify_n,
					    SECCOMP_FILTER_FLAG_NEW_LISTENER);

		if (listener >= 0) {
			jail->notify = 1;
			if (note_send(jail->note, &note, &listener, 1) < 0)
				return err_sys(err, ERR_INTERNAL, "hand on the listener");
			return 0;
		}
		/* EBUSY: an outer sandbox listens already; the plain filter denies the same */
		if (errno != EBUSY && errno != EINVAL)
			return err_sys(err, ERR_ISOLATION, "load the seccomp filter");
	}
	if (load(set->plain_insns, set->plain_n, 0) < 0)
		return err_sys(err, ERR_ISOLATION, "load the seccomp filter");
	return 0;
}
