// SPDX-License-Identifier: Apache-2.0
/*
 * The compiling part of filter_gen: a table of calls becomes a graph of decisions without cycles,
 * equal parts shared. All of it is one shape: a number (the architecture, the call, an argument)
 * is loaded and looked up in a binary tree of ranges. So the path through the program grows with
 * the logarithm of the list, and a call that is allowed whatever its arguments is decided by its
 * number alone, which lets the kernel remember the answer. The graph is written from its leaves
 * backwards, since BPF jumps forward only.
 *
 * Arguments are compared by their low 32 bits: those checked here are ints for the kernel, which
 * drops the rest. A comparison of all 64 would be a way past the filter.
 */
#include "filter_gen.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>

enum {
	SEGS_MAX = 2 * CALLS_MAX + 8,
	NODES_MAX = 4096,
	X32_BIT = 0x40000000,
};

enum kind { NODE_RET, NODE_LOAD, NODE_GE, NODE_EQ };

struct node {
	enum kind kind;
	uint32_t k;			/* action; offset to load from; number to compare with */
	uint32_t mask;			/* of what is loaded */
	size_t yes, no;			/* what follows; LOAD has yes only */
};

struct prog {
	bool can_notify;
	size_t nodes_n;
	struct node nodes[NODES_MAX];
	size_t pos[NODES_MAX];		/* of a node's first instruction, once written */
	size_t n;			/* instructions, the last one first */
	struct sock_filter insns[BPF_MAXINSNS];
};

struct seg {				/* from this number up to the next segment: that node */
	uint32_t from;
	size_t node;
};

struct segs {
	size_t n;
	struct seg seg[SEGS_MAX];
};

static size_t intern(struct prog *p, struct node node)
{
	for (size_t i = 0; i < p->nodes_n; i++) {
		const struct node *o = &p->nodes[i];

		if (o->kind == node.kind && o->k == node.k && o->mask == node.mask
		    && o->yes == node.yes && o->no == node.no)
			return i;
	}
	if (p->nodes_n == NODES_MAX)
		die(NULL, "more than %d decisions in a program", NODES_MAX);
	p->nodes[p->nodes_n] = node;
	return p->nodes_n++;
}

static size_t node_ret(struct prog *p, uint32_t act)
{
	if (act_is_notify(act)) {
		if (p->can_notify)
			act = SECCOMP_RET_USER_NOTIF;	/* who listens has the errno in a table */
		else
			act = SECCOMP_RET_ERRNO | (act & SECCOMP_RET_DATA);
	}
	return intern(p, (struct node){ .kind = NODE_RET, .k = act });
}

static void seg_push(struct segs *s, uint32_t from, size_t node)
{
	if (s->n > 0 && s->seg[s->n - 1].node == node)
		return;
	if (s->n == SEGS_MAX)
		die(NULL, "more than %d ranges", SEGS_MAX);
	s->seg[s->n++] = (struct seg){ from, node };
}

static size_t tree(struct prog *p, const struct seg *s, size_t n)
{
	struct node node = { .kind = NODE_GE };
	size_t half = n / 2;

	if (n == 1)
		return s[0].node;
	if (n == 3 && s[0].node == s[2].node && s[2].from - s[1].from == 1) {
		node = (struct node){ NODE_EQ, s[1].from, 0, s[1].node, s[0].node };
		return intern(p, node);
	}
	node.k = s[half].from;
	node.no = tree(p, s, half);
	node.yes = tree(p, s + half, n - half);
	return intern(p, node);
}

static size_t lookup(struct prog *p, size_t offset, uint32_t mask, const struct segs *s)
{
	struct node load = { .kind = NODE_LOAD, .k = (uint32_t)offset, .mask = mask };

	if (s->n == 1)
		return s->seg[0].node;
	load.yes = tree(p, s->seg, s->n);
	return intern(p, load);
}

static const struct cond *find_cond(const struct arm *arm, const struct cond *key)
{
	for (size_t i = 0; i < arm->n; i++) {
		if (arm->conds[i].arg == key->arg && arm->conds[i].mask == key->mask)
			return &arm->conds[i];
	}
	return NULL;
}

static bool cond_holds(const struct cond *cond, const uint32_t *val)
{
	for (size_t i = 0; val && i < cond->n; i++) {
		if (cond->vals[i] == *val)
			return true;
	}
	return false;
}

/* The rule that is left once the question of key has the answer val; NULL: none of those that
 * the rule names. */
static void narrow(const struct rule *rule, const struct cond *key, const uint32_t *val,
		   struct rule *ret)
{
	*ret = (struct rule){ .otherwise = rule->otherwise };
	for (size_t i = 0; i < rule->n; i++) {
		const struct arm *from = &rule->arms[i];
		const struct cond *cond = find_cond(from, key);
		struct arm *to = &ret->arms[ret->n];

		if (cond && !cond_holds(cond, val))
			continue;
		to->act = from->act;
		for (size_t j = 0; j < from->n; j++) {
			if (&from->conds[j] != cond)
				to->conds[to->n++] = from->conds[j];
		}
		ret->n++;
	}
}

static int by_value(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* All values that a rule compares with where it asks what key asks. */
static size_t collect(const struct rule *rule, const struct cond *key, uint32_t *ret_vals)
{
	size_t n = 0;

	for (size_t i = 0; i < rule->n; i++) {
		const struct cond *cond = find_cond(&rule->arms[i], key);

		for (size_t j = 0; cond && j < cond->n; j++)
			ret_vals[n++] = cond->vals[j];
	}
	qsort(ret_vals, n, sizeof(*ret_vals), by_value);
	return n;
}

static size_t decide(struct prog *p, const struct rule *rule)
{
	const struct cond *key = &rule->arms[0].conds[0];
	uint32_t vals[ARMS_MAX * VALS_MAX];
	struct segs s = { .n = 0 };
	struct rule rest;
	uint64_t next = 0;
	size_t n, other;

	if (rule->n == 0)
		return node_ret(p, rule->otherwise);
	if (rule->arms[0].n == 0)
		return node_ret(p, rule->arms[0].act);
	n = collect(rule, key, vals);
	narrow(rule, key, NULL, &rest);
	other = decide(p, &rest);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && vals[i] == vals[i - 1])
			continue;
		if (vals[i] != next)
			seg_push(&s, (uint32_t)next, other);
		narrow(rule, key, &vals[i], &rest);
		seg_push(&s, vals[i], decide(p, &rest));
		next = (uint64_t)vals[i] + 1;
	}
	if (next <= UINT32_MAX)
		seg_push(&s, (uint32_t)next, other);
	/* All architectures here are little-endian: the low half comes first. */
	return lookup(p, offsetof(struct seccomp_data, args) + key->arg * sizeof(uint64_t),
		      key->mask, &s);
}

/* The whole decision; calls are sorted by number, those that do not exist here first. */
static size_t build(struct prog *p, const struct profile *profile, const struct arch *arch)
{
	struct segs s = { .n = 0 };
	struct segs top = { .n = 0 };
	size_t kill = node_ret(p, SECCOMP_RET_KILL_PROCESS);
	size_t other = node_ret(p, profile->fallback);
	uint32_t next = 0;

	for (size_t i = 0; i < profile->n; i++) {
		const struct call *call = &profile->calls[i];

		if (call->nr < 0)
			continue;
		if ((uint32_t)call->nr != next)
			seg_push(&s, next, other);
		seg_push(&s, (uint32_t)call->nr, decide(p, call->rule));
		next = (uint32_t)call->nr + 1;
	}
	seg_push(&s, next, other);
	if (arch->has_x32) {
		seg_push(&s, X32_BIT, kill);
		seg_push(&s, UINT32_MAX, other);	/* -1: no call anywhere, and some try it */
	}
	seg_push(&top, 0, kill);
	seg_push(&top, arch->audit, lookup(p, offsetof(struct seccomp_data, nr), UINT32_MAX, &s));
	seg_push(&top, arch->audit + 1, kill);
	return lookup(p, offsetof(struct seccomp_data, arch), UINT32_MAX, &top);
}

/* ---- Instructions, written backwards ---- */

static void put(struct prog *p, unsigned code, size_t jt, size_t jf, uint32_t k)
{
	if (p->n == BPF_MAXINSNS)
		die(NULL, "more than %d instructions", BPF_MAXINSNS);
	p->insns[p->n++] = (struct sock_filter){
		(uint16_t)code, (uint8_t)jt, (uint8_t)jf, k
	};
}

/* Makes sure that the jump written next, or the one after it, can reach a node; says where it
 * has to go. A distant answer is cheaper to repeat than to jump to. */
static size_t reach(struct prog *p, size_t node)
{
	size_t distance = p->n - p->pos[node] - 1;

	/* One less than fits: another instruction may come between. */
	if (distance < UINT8_MAX)
		return p->pos[node];
	if (p->nodes[node].kind == NODE_RET) {
		put(p, BPF_RET | BPF_K, 0, 0, p->nodes[node].k);
		p->pos[node] = p->n - 1;
	} else {
		put(p, BPF_JMP | BPF_JA, 0, 0, (uint32_t)distance);
	}
	return p->n - 1;
}

static void emit(struct prog *p, size_t id)
{
	const struct node *node = &p->nodes[id];
	size_t yes, no;

	if (p->pos[id] != SIZE_MAX)
		return;
	switch (node->kind) {
	case NODE_RET:
		put(p, BPF_RET | BPF_K, 0, 0, node->k);
		break;
	case NODE_LOAD:
		emit(p, node->yes);
		if (p->pos[node->yes] != p->n - 1)
			put(p, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(p->n - p->pos[node->yes] - 1));
		if (node->mask != UINT32_MAX)
			put(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, node->mask);
		put(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, node->k);
		break;
	case NODE_GE:
	case NODE_EQ:
		emit(p, node->no);
		emit(p, node->yes);
		no = reach(p, node->no);
		yes = reach(p, node->yes);
		put(p, BPF_JMP | (node->kind == NODE_GE ? BPF_JGE : BPF_JEQ) | BPF_K,
		    p->n - yes - 1, p->n - no - 1, node->k);
		break;
	}
	p->pos[id] = p->n - 1;
}

struct sock_filter *program_compile(const struct profile *profile, bool can_notify,
				    const struct arch *arch, size_t *ret_n)
{
	struct prog *p = alloc(sizeof(*p));
	struct sock_filter *ret;

	p->can_notify = can_notify;
	for (size_t i = 0; i < NODES_MAX; i++)
		p->pos[i] = SIZE_MAX;
	emit(p, build(p, profile, arch));
	ret = alloc(p->n * sizeof(*ret));
	for (size_t i = 0; i < p->n; i++)
		ret[i] = p->insns[p->n - 1 - i];
	*ret_n = p->n;
	free(p);
	return ret;
}
