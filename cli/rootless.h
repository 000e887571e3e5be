// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_ROOTLESS_H
#define SBX_ROOTLESS_H

#include "err.h"

struct config;

/* Refuses to go on when this program was given rights that its caller has not. */
int rootless_check(struct err *err);

/*
 * Started by root: becomes the configured run_as user, without supplementary groups, before anything
 * of the store is touched; refuses when there is none. Anybody else stays who they are.
 */
int rootless_become(const struct config *config, struct err *err);

#endif
