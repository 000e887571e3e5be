// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_SLOT_H
#define SBX_SLOT_H

#include "err.h"

#include <stdint.h>

struct config;

/*
 * How many may run at once: config->slots_total on this host, config->slots_user of a user (0: no
 * limit). A slot is a pair of byte-range locks of an open file in <state>/slots: the kernel frees
 * it when the last holder of the descriptor is gone, however it went.
 *
 * Who finds none waits up to config->wait_ms among at most config->queue others, polling every 5 to
 * 50 ms. Users take turns: of those whose own slots allow it, the user with the fewest turns since
 * the queue was last empty goes next, and within a user the one who came first. When the queue is
 * full, the user with most waiters gives way to one who has fewer by at least two.
 *
 * *ret_fd is close-on-exec and holds the slot until it is closed. *ret_wait_ms may be NULL.
 * ERR_BUSY with retry_ms otherwise; also when more of the host's memory is in use than
 * config->pressure_percent for all that time.
 */
int slot_take(int state, const struct config *config, const char *user, int *ret_fd,
	      int64_t *ret_wait_ms, struct err *err);

/* How many run and how many wait at this moment. */
int slot_count(int state, int64_t *ret_running, int64_t *ret_waiting, struct err *err);

#endif
