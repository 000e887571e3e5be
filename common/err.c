// SPDX-License-Identifier: Apache-2.0
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int status;
	const char *meaning;
} codes[ERR_COUNT] = {
	[ERR_NONE] = { "OK", 0, "done" },
	[ERR_USAGE] = { "E_USAGE", 2, "the command line is wrong" },
	[ERR_REQUEST] = { "E_REQUEST", 64, "the request is wrong; pointer says where" },
	[ERR_LIMIT] = { "E_LIMIT", 64, "a limit above the profile's ceiling was asked for" },
	[ERR_NOT_FOUND] = { "E_NOT_FOUND", 66, "no such thing, or not yours" },
	[ERR_STORAGE] = { "E_STORAGE", 73, "the storage is full or cannot be written" },
	[ERR_QUOTA] = { "E_QUOTA", 73, "a quota of the session or the user is reached" },
	[ERR_BUSY] = { "E_BUSY", 75, "no slot is free, or the host is under pressure" },
	[ERR_RATE] = { "E_RATE", 75, "too many operations; retry_after_ms says when to come back" },
	[ERR_POLICY] = { "E_POLICY", 77, "the profile or the configuration forbids it" },
	[ERR_ISOLATION] = { "E_ISOLATION", 71, "this host cannot isolate as required" },
	[ERR_RUNTIME] = { "E_RUNTIME", 71, "the language's run-time is not installed" },
	[ERR_CONFIG] = { "E_CONFIG", 70, "a configuration or profile file is wrong" },
	[ERR_CORRUPT] = { "E_CORRUPT", 70, "the store or the audit log fails its check" },
	[ERR_INTERNAL] = { "E_INTERNAL", 70, "sbx itself or the system failed" },
};

static int fill(struct err *err, enum err_code code, int sys, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));
static int fill(struct err *err, enum err_code code, int sys, const char *fmt, va_list ap)
{
	if (!err)
		return -1;
	memset(err, 0, sizeof(*err));
	err->code = code;
	err->sys = sys;
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	return -1;
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fill(err, code, 0, fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys(struct err *err, enum err_code code, const char *fmt, ...)
{
	int sys = errno;
	size_t used;
	va_list ap;

	if (!err)
		return -1;
	/* of namespaces and mounts ENOSPC tells of a count, not of a disk */
	if ((sys == ENOSPC || sys == EDQUOT) && code != ERR_ISOLATION)
		code = ERR_STORAGE;
	va_start(ap, fmt);
	(void)fill(err, code, sys, fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	(void)snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(sys));
	return -1;
}

int err_ctx(struct err *err, const char *fmt, ...)
{
	char head[200], old[sizeof(err->msg)];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	(void)vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);
	memcpy(old, err->msg, sizeof(old));
	/* what does not fit is cut on purpose: a message, not data */
	if (snprintf(err->msg, sizeof(err->msg), "%s: %s", head, old) < 0)
		err->msg[0] = 0;
	return -1;
}

int err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	(void)vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	return -1;
}

int err_at(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err || err->pointer[0])
		return -1;
	va_start(ap, fmt);
	(void)vsnprintf(err->pointer, sizeof(err->pointer), fmt, ap);
	va_end(ap);
	return -1;
}

const char *err_name(enum err_code code)
{
	return code < ERR_COUNT ? codes[code].name : "E_INTERNAL";
}

int err_status(enum err_code code)
{
	return code < ERR_COUNT ? codes[code].status : 70;
}

const char *err_meaning(enum err_code code)
{
	return code < ERR_COUNT ? codes[code].meaning : "";
}

const char *err_errno(int sys)
{
	const char *name = strerrorname_np(sys);

	return name ? name : "E?";
}
