// SPDX-License-Identifier: Apache-2.0
/* Names of errors and signals: the libraries differ in what they offer. */
#include "probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define ROW(n) { n, #n }

static const struct {
	int value;
	const char *name;
} errors[] = {
	ROW(EPERM), ROW(ENOENT), ROW(ESRCH), ROW(EINTR), ROW(EIO), ROW(ENXIO), ROW(E2BIG),
	ROW(ENOEXEC), ROW(EBADF), ROW(ECHILD), ROW(EAGAIN), ROW(ENOMEM), ROW(EACCES), ROW(EFAULT),
	ROW(ENOTBLK), ROW(EBUSY), ROW(EEXIST), ROW(EXDEV), ROW(ENODEV), ROW(ENOTDIR), ROW(EISDIR),
	ROW(EINVAL), ROW(ENFILE), ROW(EMFILE), ROW(ENOTTY), ROW(ETXTBSY), ROW(EFBIG), ROW(ENOSPC),
	ROW(ESPIPE), ROW(EROFS), ROW(EMLINK), ROW(EPIPE), ROW(EDOM), ROW(ERANGE), ROW(EDEADLK),
	ROW(ENAMETOOLONG), ROW(ENOSYS), ROW(ENOTEMPTY), ROW(ELOOP), ROW(ENODATA), ROW(EPROTO),
	ROW(EOVERFLOW), ROW(EUSERS), ROW(ENOTSOCK), ROW(EDESTADDRREQ), ROW(EMSGSIZE),
	ROW(EPROTOTYPE), ROW(ENOPROTOOPT), ROW(EPROTONOSUPPORT), ROW(ESOCKTNOSUPPORT),
	ROW(EOPNOTSUPP), ROW(EPFNOSUPPORT), ROW(EAFNOSUPPORT), ROW(EADDRINUSE),
	ROW(EADDRNOTAVAIL), ROW(ENETDOWN), ROW(ENETUNREACH), ROW(ECONNABORTED), ROW(ECONNRESET),
	ROW(ENOBUFS), ROW(EISCONN), ROW(ENOTCONN), ROW(ETIMEDOUT), ROW(ECONNREFUSED),
	ROW(EHOSTDOWN), ROW(EHOSTUNREACH), ROW(EALREADY), ROW(EINPROGRESS), ROW(ESTALE),
	ROW(EDQUOT), ROW(ECANCELED), ROW(ENOKEY), ROW(EKEYEXPIRED), ROW(EKEYREVOKED),
	ROW(EKEYREJECTED), ROW(ENOPKG),
};

static const struct {
	int value;
	const char *name;
} signals[] = {
	ROW(SIGHUP), ROW(SIGINT), ROW(SIGQUIT), ROW(SIGILL), ROW(SIGTRAP), ROW(SIGABRT),
	ROW(SIGBUS), ROW(SIGFPE), ROW(SIGKILL), ROW(SIGUSR1), ROW(SIGSEGV), ROW(SIGUSR2),
	ROW(SIGPIPE), ROW(SIGALRM), ROW(SIGTERM), ROW(SIGXCPU), ROW(SIGXFSZ), ROW(SIGSYS),
};

const char *errno_name(int err, char buf[16])
{
	for (size_t i = 0; i < NELEM(errors); i++)
		if (errors[i].value == err)
			return errors[i].name;
	(void)snprintf(buf, 16, "E%d", err);
	return buf;
}

const char *signal_name(int sig, char buf[16])
{
	for (size_t i = 0; i < NELEM(signals); i++)
		if (signals[i].value == sig)
			return signals[i].name;
	(void)snprintf(buf, 16, "SIG%d", sig);
	return buf;
}
