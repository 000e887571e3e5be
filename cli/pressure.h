// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_PRESSURE_H
#define SBX_PRESSURE_H

#include "err.h"

struct config;

/*
 * Is there room for one more run? 0; or ERR_BUSY with the reason and retry_ms, when more memory of
 * the host, or of a cgroup above this process that is limited, is in use than
 * config->pressure_percent, or when for ten seconds all that ran was mostly waiting for memory.
 * It does not wait: who wants to asks again, up to config->wait_ms.
 */
int pressure_check(const struct config *config, struct err *err);

#endif
