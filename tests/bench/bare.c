// SPDX-License-Identifier: Apache-2.0
/*
 * The way into a jail without Landlock, the filter and the proof, to measure what they cost: only tests/bench/layers
 * builds it, beside sbx-jail, and nothing installs it. sbx-jail itself has no way to leave a stage out.
 */
#include "../../helper/jail.h"

int bare_stage(struct jail *jail, struct err *err);
int bare_proof(struct jail *jail, struct err *err);
#define landlock_enter bare_stage
#define filter_enter bare_stage
#define proof_enter bare_proof
#include "../../helper/enter.c"

int bare_stage(struct jail *jail, struct err *err)
{
	(void)jail;
	(void)err;
	return 0;
}

/* What the supervisor waits for, and nothing read back. */
int bare_proof(struct jail *jail, struct err *err)
{
	struct note note = { .type = NOTE_PROOF };

	note.proof.no_new_privs = 1;
	note.proof.seccomp_mode = 2;
	note.proof.overlay = jail->overlay;
	note.proof.proc_fresh = jail->proc_fresh;
	return note_send(jail->note, &note, NULL, 0) < 0 ? err_sys(err, ERR_INTERNAL, "report") : 0;
}
