// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_VERBS_H
#define SBX_VERBS_H

#include "verb.h"

/* Every verb there is, in the order of the help; NULL at the end. */
extern const struct verb *const verbs[];

#endif
