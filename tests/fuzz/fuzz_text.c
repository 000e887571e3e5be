// SPDX-License-Identifier: Apache-2.0
/* Any bytes to text and back: what comes out is valid, in bounds, and JSON takes it. */
#include "cleanup.h"
#include "ids.h"
#include "json.h"
#include "names.h"
#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data;
	size_t n = 0, open = text_unfinished(s, size);
	AUTO_FREE char *utf8 = text_utf8(s, size, &n), *zero = strndup(s, size);
	AUTO_JSON json_t *v = json_text(s, size), *doc = json_parse(s, size, NULL);
	char clean[64], ext[16], id[ID_SIZE], brief[ID_SHORT_SIZE];
	int64_t number;

	if (!utf8 || !zero)
		return 0;
	if (!text_is_utf8(utf8, n) || n > size * 3 || open > 3 || open > size || !v || json_string_length(v) != n)
		abort();
	if (text_is_utf8(s, size) && (n != size || memcmp(utf8, s, n) != 0 || open))
		abort();
	text_clean(zero, clean, sizeof(clean));
	if (!text_is_utf8(clean, strlen(clean)) || strpbrk(clean, "\n\r\t\x1b\x7f"))
		abort();
	name_extension(zero, ext, sizeof(ext));
	if (!ext[0] || strspn(ext, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(ext))
		abort();
	if (!name_fault(s, size) && (strstr(zero, "..") == zero && (zero[2] == 0 || zero[2] == '/')))
		abort();
	if (id_parse(zero, id)) {
		id_shorten(id, brief);
		if (!id_is(brief))
			abort();
	}
	if (text_duration(zero, 0, INT64_MAX, &number) && number < 0)
		abort();
	(void)text_size(zero, 0, INT64_MAX, &number);
	return 0;
}
