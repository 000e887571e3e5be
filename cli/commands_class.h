// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_COMMANDS_CLASS_H
#define SBX_COMMANDS_CLASS_H

#include <stdbool.h>

struct command_class {
	const char *name;
	const char *const *patterns; /* of names, or of absolute paths */
};

extern const struct command_class command_classes[]; /* up to one without a name */
const struct command_class *command_class(const char *name); /* or NULL */
/* By the name of a program alone. */
bool command_class_has(const struct command_class *c, const char *leaf);

#endif
