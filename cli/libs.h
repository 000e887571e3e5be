// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_LIBS_H
#define SBX_LIBS_H

#include "profile.h"
#include "verb.h"

/*
 * What the languages of a profile can import, asked of each one's own tool inside the jail:
 * {"python":[{"name","version","import"},...],...}. only: one language, NULL: all.
 */
int libs_list(struct call *call, const char *profile, const char *only, json_t **ret,
	      struct err *err);
/* Whether a language's run-time is really there: on the host, or in the image. */
bool libs_has_language(struct call *call, const struct profile *profile,
		       const struct language *language);

#endif
