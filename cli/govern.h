// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_GOVERN_H
#define SBX_GOVERN_H

#include "err.h"
#include "json.h"

struct call;
struct exec;

/* Before a run: pressure of the host, budget, slot. *ret_slot is held until it is closed. */
int govern_admit(struct call *call, int *ret_slot, int64_t *ret_wait_ms, struct err *err);
/* Before any verb that serves a user: its rate. */
int govern_rate(struct call *call, const char *verb, struct err *err);
/* After a run, answered or failed: counters, history, budget. */
void govern_run(struct call *call, struct exec *exec, json_t *answer, const struct err *err);
/* After any verb: the audit log. answer may be NULL. */
void govern_audit(struct call *call, const char *verb, json_t *request, json_t *answer,
		  const struct err *err);

#endif
