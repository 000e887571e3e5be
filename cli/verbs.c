// SPDX-License-Identifier: Apache-2.0
#include "verbs.h"

#define VERBS(V) \
	V(upload) \
	V(exec) V(ls) V(sessions) V(stat) V(get) V(rm) V(diff) V(undo) V(fork) V(export) V(import) \
		V(gc) V(fsck) V(doctor) V(attack) V(config) V(profile) V(audit) V(history) V(show) \
			V(replay) V(stats) V(dashboard) V(ps) V(kill) V(top) V(image) V(libs) \
				V(prompt) V(render) V(tool)

#define DECLARE(name) extern const struct verb verb_##name;
#define ROW(name) &verb_##name,

VERBS(DECLARE)

const struct verb *const verbs[] = { VERBS(ROW) NULL };
