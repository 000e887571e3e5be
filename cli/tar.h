// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_TAR_H
#define SBX_TAR_H

#include "store.h"

/* Writes a revision as a POSIX pax archive (pax(1)): names of any length, sizes beyond 8 GiB. */
int tar_write(const struct session *session, const struct revision *revision, int out, struct err *err);

#endif
