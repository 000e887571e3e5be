// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_LIBRARIES_H
#define SBX_LIBRARIES_H

#include "profile.h"
#include "spec.h"

/*
 * Which libraries a profile allows, by language: "libraries": {"python": ["pandas"]}. Enforced by what
 * is mounted: the directories of libraries are covered, and what is allowed, with all that it needs
 * by its own metadata, is put back into them one by one.
 */

/* Only what can be enforced: known languages, lists of names. 0, or ERR_CONFIG. */
int libraries_check(json_t *libraries, struct err *err);
/* Adds the covers and mounts to spec; root is the root's descriptor, is_image: not the host's. */
int libraries_view(const struct profile *profile, int root, bool is_image, struct spec *spec,
		   struct err *err);
/*
 * What stderr of a failed run says was not found, told with the reason: it is not there, or the
 * profile does not allow it. false: nothing was missing.
 */
bool libraries_hint(const struct profile *profile, int root, const char *errors, char *ret,
		    size_t size);

#endif
