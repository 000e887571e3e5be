// SPDX-License-Identifier: Apache-2.0
/* sbx does not load filters; it tells which one was loaded, from the same generated table. */
#include "filter_hash.h"

#include "filter_data.h"
#include "filters.inc"

#include <stdio.h>
#include <string.h>

const char *filter_describe(const char *name, int notify)
{
	static char text[100];
	size_t i;

	for (i = 0; i < FILTER_SETS_N; i++)
		if (!strcmp(filter_sets[i].name, name)) {
			(void)snprintf(text, sizeof(text), "%u:%s", filter_sets[i].calls,
				       notify ? filter_sets[i].notify_sha256 :
						filter_sets[i].plain_sha256);
			return text;
		}
	return "unknown";
}

int filter_is(const char *name)
{
	return strcmp(filter_describe(name, 0), "unknown") != 0;
}
