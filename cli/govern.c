// SPDX-License-Identifier: Apache-2.0
#include "govern.h"

int govern_admit(struct call *call, int *ret_slot, int64_t *ret_wait_ms, struct err *err)
{
	(void)call;
	(void)err;
	*ret_slot = -1;
	*ret_wait_ms = 0;
	return 0;
}

int govern_rate(struct call *call, const char *verb, struct err *err)
{
	(void)call;
	(void)verb;
	(void)err;
	return 0;
}

void govern_run(struct call *call, struct exec *exec, json_t *answer, const struct err *err)
{
	(void)call;
	(void)exec;
	(void)answer;
	(void)err;
}

void govern_audit(struct call *call, const char *verb, json_t *request, json_t *answer, const struct err *err)
{
	(void)call;
	(void)verb;
	(void)request;
	(void)answer;
	(void)err;
}
