// SPDX-License-Identifier: Apache-2.0
#include "listing.h"

#include "exec.h"
#include "text.h"

json_t *listing_entry(const struct call *call, const struct entry *e)
{
	char time[32];
	json_t *v = json_pack("{s:o,s:s,s:I,s:s,s:s,s:s,s:s,s:b}", "id", id_json(call, e->id),
			      "name", e->name, "size", (json_int_t)e->size, "mime", e->mime,
			      "sha256", e->sha256, "origin", e->is_run ? "run" : "upload",
			      "created", text_time(e->created, time), "read_only", e->read_only);

	if (e->exec[0])
		(void)json_object_set_new(v, "exec_id", id_json(call, e->exec));
	return v;
}

void listing_show(json_t *files, FILE *out)
{
	json_t *v;
	size_t i;

	json_array_foreach(files, i, v)
		(void)fprintf(out, "%s  %10lld  %-6s  %-28s  %s\n",
			      json_string_value(json_object_get(v, "id")),
			      json_integer_value(json_object_get(v, "size")),
			      json_string_value(json_object_get(v, "origin")),
			      json_string_value(json_object_get(v, "mime")),
			      json_string_value(json_object_get(v, "name")));
}
