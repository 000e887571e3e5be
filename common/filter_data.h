// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_FILTER_DATA_H
#define SBX_FILTER_DATA_H

#include <linux/filter.h>
#include <stddef.h>

/*
 * What filter_gen writes into filters.inc. Include this header first, then filters.inc; that
 * file defines filter_sets[], FILTER_SETS_N, FILTER_ARCH and FILTER_AUDIT_ARCH. Everything is
 * constant and lives for ever.
 */

/* What to say to a call that the notifying program passes on: always fail it with err. */
struct filter_answer {
	int nr;
	int err;
	const char *name;
};

/* One profile. The two programs differ only in this: where the first notifies, the second
 * answers with the errno by itself, for kernels and containers that give no listener. */
struct filter_set {
	const char *name;
	unsigned calls; /* calls let through, whole or by their arguments */
	const struct sock_filter *notify_insns;
	unsigned short notify_n;
	const char *notify_sha256; /* lower-case hex, of the bytes of notify_insns */
	const struct sock_filter *plain_insns;
	unsigned short plain_n;
	const char *plain_sha256;
	const struct filter_answer *answers; /* sorted by nr, one a call */
	size_t answers_n;
};

#endif
