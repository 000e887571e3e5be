// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_COMMANDS_H
#define SBX_COMMANDS_H

#include "profile.h"
#include "spec.h"

/*
 * Which programs a profile lets be started: "commands": {"deny": ["network", "/usr/bin/x"], "allow": [...]}.
 * What is denied is covered by mounts, so it can be neither executed, copied nor given to the dynamic
 * loader; with "allow" the directories of programs have nothing but what is listed, and Landlock
 * lets nothing else be executed, wherever it stands.
 */

/* Only known classes and absolute paths. 0, or ERR_CONFIG. */
int commands_check(json_t *commands, struct err *err);
/*
 * Adds covers, mounts and execute rights to spec, whose argv and compile are set: ERR_POLICY when they
 * are denied (is_language: they are the profile's own, which "allow" need not name), ERR_CONFIG when a cover would take a program that must stay.
 */
int commands_view(const struct profile *profile, int root, bool is_image, bool is_language,
		  struct spec *spec, struct err *err);
/* Whether a class is denied, or not among those that are allowed. */
bool commands_deny_class(const struct profile *profile, const char *name);
/* Whether a failed run's errors tell of a program that is denied; with the reason. */
bool commands_hint(const struct profile *profile, int root, const char *errors, char *ret,
		   size_t size);

#endif
