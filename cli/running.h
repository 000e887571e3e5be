// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_RUNNING_H
#define SBX_RUNNING_H

#include "profile.h"

#include <sys/types.h>

struct call;

/* What runs now, a file each in the state: for ps, kill and top. */
int running_add(struct call *call, const char *exec, const char *session, pid_t supervisor,
		const struct limits *limits, const char *lang, struct err *err);
void running_remove(struct call *call, const char *exec);

#endif
