// SPDX-License-Identifier: Apache-2.0
/* What sbx-jail is told: it trusts nobody, and what it accepts can be written and read again. */
#include "cleanup.h"
#include "spec.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec spec, again;
	struct err err = { 0 };
	size_t i;

	if (spec_decode((const char *)data, size, &spec, &err) < 0)
		return 0;
	if (!spec.argv[0] || spec.v != 1)
		abort();
	for (i = 0; i < spec.mount_count; i++)
		if (spec.mounts[i].target[0] != '/' || strstr(spec.mounts[i].target, "/../"))
			abort();
	AUTO_FREE char *text = spec_encode(&spec, &err);
	if (!text || spec_decode(text, strlen(text), &again, &err) < 0)
		abort();
	spec_done(&again);
	spec_done(&spec);
	return 0;
}
