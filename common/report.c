// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include "io.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int report_write(int fd, const struct report *report)
{
	struct report out = *report;

	out.magic = REPORT_MAGIC;
	out.size = sizeof(out);
	return io_write_all(fd, &out, sizeof(out));
}

int report_read(int fd, struct report *ret, struct err *err)
{
	size_t have = 0;

	while (have < sizeof(*ret)) {
		ssize_t n = read(fd, (char *)ret + have, sizeof(*ret) - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	if (have != sizeof(*ret) || ret->magic != REPORT_MAGIC || ret->size != sizeof(*ret))
		return err_set(err, ERR_INTERNAL, "sbx-jail ended without a report");
	ret->stage[sizeof(ret->stage) - 1] = 0;
	ret->err.msg[sizeof(ret->err.msg) - 1] = 0;
	ret->err.hint[sizeof(ret->err.hint) - 1] = 0;
	ret->err.pointer[sizeof(ret->err.pointer) - 1] = 0;
	if (ret->blocked_count < 0 || ret->blocked_count > REPORT_BLOCKED_MAX)
		ret->blocked_count = 0;
	return 0;
}
