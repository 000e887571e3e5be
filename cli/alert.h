// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_ALERT_H
#define SBX_ALERT_H

#include "err.h"

struct config;

/*
 * Tells an operator: a line of level "alert" to syslog (and so to the journal), and config->alert_command,
 * if there is one, started without a shell, with nothing of ours open and one JSON document on its
 * standard input:
 *
 *   {"v":1,"alert":"isolation"|"audit","message":"...","time":"...","host":"...","suppressed":N}
 *
 * Never waits for it: a process of its own ends it after ALERT_MS. Of each kind at most one alert in
 * ALERT_PAUSE_MS goes out; the next one tells how many did not. state is the descriptor of the state.
 */
enum { ALERT_MS = 30000, ALERT_PAUSE_MS = 60000 };

int alert_raise(const struct config *config, int state, const char *what, const char *message,
		struct err *err);

#endif
