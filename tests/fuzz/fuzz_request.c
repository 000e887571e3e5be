// SPDX-License-Identifier: Apache-2.0
/* A request of exec, as it comes from whoever may speak to sbx: decoded whole or refused, with an error that says so. */
#include "cleanup.h"
#include "config.h"
#include "exec.h"
#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	struct call call = { .config = &config, .is_request = true, .is_json = true, .storage = -1, .state = -1 };
	struct exec_request request;
	struct err err = { 0 };
	AUTO_JSON json_t *doc = json_parse((const char *)data, size, &err);

	if (doc && exec_decode(&call, doc, &request, &err) == 0) {
		/* a file would be the caller's to open: never from a request */
		if (request.file || request.stdin_file || (!request.argv && (!request.lang || !request.code)))
			abort();
		exec_release(&request);
	} else if (err.code == ERR_NONE || !err.msg[0] || strlen(err.pointer) >= sizeof(err.pointer)) {
		abort();
	}
	return 0;
}
