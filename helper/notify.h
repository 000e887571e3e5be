// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_NOTIFY_H
#define SBX_NOTIFY_H

struct filter_set;
struct report;

/* Receives and answers one denied call; -1 when the listener is of no more use. */
int notify_answer(int listener, const struct filter_set *set, struct report *report);

#endif
