// SPDX-License-Identifier: Apache-2.0
/*
 * The reading part of filter_gen: profiles of profiles/seccomp/ become tables of calls with a
 * rule each. A rule is an ordered list of arms, an arm a list of conditions which must all hold;
 * the first arm that holds decides. A profile that extends another begins with a copy of its
 * table and replaces entries. Strict: what is unknown, stated twice or without effect is an error.
 */
#include "filter_gen.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct at in_key(const struct at *up, const char *key)
{
	return (struct at){ .up = up, .key = key };
}

static struct at in_index(const struct at *up, size_t index)
{
	return (struct at){ .up = up, .index = index };
}

/* Whether word stands in list, which separates words by single spaces. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *s = list; (s = strstr(s, word)); s += len) {
		if ((s == list || s[-1] == ' ') && (s[len] == ' ' || s[len] == '\0'))
			return true;
	}
	return false;
}

/* An object with all members of required and none but those and the ones of optional. */
static void want_object(const struct at *at, const json_t *obj, const char *required,
			const char *optional)
{
	char word[32];
	const char *key;
	json_t *val;

	if (!json_is_object(obj))
		die(at, "not an object");
	json_object_foreach((json_t *)obj, key, val) {
		struct at here = in_key(at, key);

		if (!has_word(required, key) && !has_word(optional, key))
			die(&here, "unknown member");
	}
	for (const char *s = required; sscanf(s, "%31s", word) == 1; s += strspn(s, " ")) {
		if (!json_object_get(obj, word))
			die(at, "member '%s' is missing", word);
		s += strcspn(s, " ");
	}
}

static const char *get_string(const struct at *at, const json_t *val)
{
	const char *s = json_string_value(val);

	if (!s || !*s)
		die(at, "not a string, or empty");
	return s;
}

static const char *member_string(const struct at *at, const json_t *obj, const char *key)
{
	struct at here = in_key(at, key);

	return get_string(&here, json_object_get(obj, key));
}

/* A number, or names joined by '|'. */
static uint32_t get_number(const struct at *at, const json_t *val)
{
	uint32_t sum = 0;

	if (json_is_integer(val)) {
		json_int_t i = json_integer_value(val);

		if (i < 0 || i > UINT32_MAX)
			die(at, "not in 32 bits");
		return (uint32_t)i;
	}
	for (const char *s = get_string(at, val);; s++) {
		size_t len = strcspn(s, "|");
		uint32_t value;

		if (!symbol_find(s, len, &value))
			die(at, "'%.*s' is not known", (int)len, s);
		sum |= value;
		s += len;
		if (!*s)
			return sum;
	}
}

static uint32_t get_action(const struct at *at, const json_t *val)
{
	static const char notify[] = "notify ";
	const char *s = get_string(at, val);
	bool is_notify = strncmp(s, notify, sizeof(notify) - 1) == 0;
	uint32_t err;

	if (strcmp(s, "allow") == 0)
		return SECCOMP_RET_ALLOW;
	if (is_notify)
		s += sizeof(notify) - 1;
	if (!symbol_find_errno(s, &err))
		die(at, "'%s' is neither 'allow' nor an errno that is known here", s);
	if (is_notify && err == 0)
		die(at, "a call that is told cannot be 'pretend'");
	return (is_notify ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ERRNO) | err;
}

static void add_value(const struct at *at, const json_t *val, struct cond *cond)
{
	uint32_t v = get_number(at, val);

	if (v & ~cond->mask)
		die(at, "has bits outside the mask, so it never holds");
	for (size_t i = 0; i < cond->n; i++) {
		if (cond->vals[i] == v)
			die(at, "stands here twice");
	}
	if (cond->n == VALS_MAX)
		die(at, "too many values");
	cond->vals[cond->n++] = v;
}

static void read_cond(const struct at *at, const json_t *doc, struct cond *ret)
{
	const json_t *mask, *is;
	struct at here = in_key(at, "arg");

	want_object(at, doc, "arg is", "mask");
	ret->arg = get_number(&here, json_object_get(doc, "arg"));
	if (ret->arg > 5)
		die(&here, "a call has six arguments, 0 to 5");
	here = in_key(at, "mask");
	mask = json_object_get(doc, "mask");
	ret->mask = mask ? get_number(&here, mask) : UINT32_MAX;
	here = in_key(at, "is");
	is = json_object_get(doc, "is");
	if (!json_is_array(is)) {
		add_value(&here, is, ret);
		return;
	}
	for (size_t i = 0; i < json_array_size(is); i++) {
		struct at item = in_index(&here, i);

		add_value(&item, json_array_get(is, i), ret);
	}
	if (ret->n == 0)
		die(&here, "is empty");
}

static void read_arm(const struct at *at, const json_t *doc, struct arm *ret)
{
	struct at here = in_key(at, "if");
	struct at act = in_key(at, "do");
	const json_t *conds;

	want_object(at, doc, "if do", "");
	conds = json_object_get(doc, "if");
	ret->n = json_array_size(conds);
	if (ret->n == 0 || ret->n > CONDS_MAX)
		die(&here, "not a list of 1 to %d conditions", CONDS_MAX);
	for (size_t i = 0; i < ret->n; i++) {
		struct at item = in_index(&here, i);

		read_cond(&item, json_array_get(conds, i), &ret->conds[i]);
		for (size_t j = 0; j < i; j++) {
			if (ret->conds[j].arg == ret->conds[i].arg
			    && ret->conds[j].mask == ret->conds[i].mask)
				die(&item, "asks the same as the one at %zu", j);
		}
	}
	ret->act = get_action(&act, json_object_get(doc, "do"));
}

bool act_is_notify(uint32_t act)
{
	return (act & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF;
}

bool rule_allows(const struct rule *rule)
{
	bool allows = rule->otherwise == SECCOMP_RET_ALLOW;

	for (size_t i = 0; i < rule->n; i++)
		allows |= rule->arms[i].act == SECCOMP_RET_ALLOW;
	return allows;
}

uint32_t rule_notify(const struct rule *rule)
{
	for (size_t i = 0; i < rule->n; i++) {
		if (act_is_notify(rule->arms[i].act))
			return rule->arms[i].act;
	}
	return act_is_notify(rule->otherwise) ? rule->otherwise : 0;
}

static struct rule *new_rule(struct profile *p, uint32_t otherwise)
{
	struct rule *rule = alloc(sizeof(*rule));

	rule->otherwise = otherwise;
	rule->next = p->rules;
	p->rules = rule;
	return rule;
}

static const struct rule *read_check(const struct at *at, const json_t *doc, struct profile *p)
{
	struct rule *rule = new_rule(p, 0);
	struct at here = in_key(at, "cases");
	struct at act = in_key(at, "else");
	const json_t *cases;

	want_object(at, doc, "calls cases else why", "");
	cases = json_object_get(doc, "cases");
	rule->n = json_array_size(cases);
	if (rule->n == 0 || rule->n > ARMS_MAX)
		die(&here, "not a list of 1 to %d cases", ARMS_MAX);
	for (size_t i = 0; i < rule->n; i++) {
		struct at item = in_index(&here, i);

		read_arm(&item, json_array_get(cases, i), &rule->arms[i]);
	}
	rule->otherwise = get_action(&act, json_object_get(doc, "else"));
	if (!rule_allows(rule))
		die(at, "allows nothing, so it belongs to 'deny'");
	for (size_t i = 0; i < rule->n; i++) {
		if (act_is_notify(rule->arms[i].act) && rule->arms[i].act != rule_notify(rule))
			die(&here, "one call, two answers for the supervisor");
	}
	if (act_is_notify(rule->otherwise) && rule->otherwise != rule_notify(rule))
		die(&act, "one call, two answers for the supervisor");
	return rule;
}

static int resolve(const struct at *at, const char *name, const struct profile *p,
		   const struct arch *arch)
{
	int nr = seccomp_syscall_resolve_name_arch(arch->scmp, name);
	const json_t *newer = json_object_get(json_object_get(p->doc, "newer"), name);

	if (newer) {
		int given = (int)json_integer_value(newer);

		if (nr >= 0 && nr != given)
			die(at, "'newer' gives %d for '%s', libseccomp %d", given, name, nr);
		return given;
	}
	if (nr == __NR_SCMP_ERROR)
		die(at, "no call is named '%s'", name);
	return nr < 0 ? -1 : nr;	/* below: a call of other architectures */
}

static struct call *find_call(struct profile *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->calls[i].name, name) == 0)
			return &p->calls[i];
	}
	return NULL;
}

static void state_call(const struct at *at, const json_t *val, const struct rule *rule,
		       struct profile *p, const struct arch *arch)
{
	const char *name = get_string(at, val);
	struct call *call = find_call(p, name);

	if (call && call->profile == p->name)
		die(at, "'%s' stands in this profile twice", name);
	if (call && call->rule->n == 0 && rule->n == 0
	    && call->rule->otherwise == rule->otherwise)
		die(at, "'%s' is so in '%s' already", name, call->profile);
	if (!call) {
		if (p->n == CALLS_MAX)
			die(at, "more than %d calls", CALLS_MAX);
		call = &p->calls[p->n++];
	}
	*call = (struct call){ name, resolve(at, name, p, arch), rule, p->name };
}

/* Member 'calls' of an entry. */
static void state_calls(const struct at *at, const json_t *doc, const struct rule *rule,
			struct profile *p, const struct arch *arch)
{
	struct at here = in_key(at, "calls");
	const json_t *calls = json_object_get(doc, "calls");

	(void)member_string(at, doc, "why");
	if (json_array_size(calls) == 0)
		die(&here, "not a list, or empty");
	for (size_t i = 0; i < json_array_size(calls); i++) {
		struct at item = in_index(&here, i);

		state_call(&item, json_array_get(calls, i), rule, p, arch);
	}
}

static void read_allow(const struct at *at, const json_t *doc, struct profile *p,
		       const struct arch *arch)
{
	const struct rule *rule = new_rule(p, SECCOMP_RET_ALLOW);

	if (json_is_string(doc)) {
		state_call(at, doc, rule, p, arch);
		return;
	}
	want_object(at, doc, "calls why", "");
	state_calls(at, doc, rule, p, arch);
}

static void read_checked(const struct at *at, const json_t *doc, struct profile *p,
			 const struct arch *arch)
{
	const struct rule *rule = read_check(at, doc, p);

	state_calls(at, doc, rule, p, arch);
}

static void read_deny(const struct at *at, const json_t *doc, struct profile *p,
		      const struct arch *arch)
{
	struct at here = in_key(at, "answer");
	uint32_t act;

	want_object(at, doc, "calls answer why", "");
	act = get_action(&here, json_object_get(doc, "answer"));
	if (act == SECCOMP_RET_ALLOW)
		die(&here, "'deny' allows");
	state_calls(at, doc, new_rule(p, act), p, arch);
}

/* The members allow, check and deny of a group, or of a profile that extends another. */
static void read_lists(const struct at *at, const json_t *doc, struct profile *p,
		       const struct arch *arch)
{
	static const struct {
		const char *key;
		void (*read)(const struct at *, const json_t *, struct profile *,
			     const struct arch *);
	} lists[] = {
		{ "allow", read_allow }, { "check", read_checked }, { "deny", read_deny },
	};

	for (size_t l = 0; l < COUNT(lists); l++) {
		struct at here = in_key(at, lists[l].key);
		const json_t *list = json_object_get(doc, lists[l].key);

		if (list && json_array_size(list) == 0)
			die(&here, "not a list, or empty");
		for (size_t i = 0; i < json_array_size(list); i++) {
			struct at item = in_index(&here, i);

			lists[l].read(&item, json_array_get(list, i), p, arch);
		}
	}
}

static void read_base(const struct at *at, const json_t *doc, struct profile *p,
		      const struct arch *arch)
{
	struct at here = in_key(at, "default");
	struct at answer = in_key(&here, "answer");
	const json_t *part = json_object_get(doc, "default");
	const char *key;
	json_t *val;

	want_object(at, doc, "v name about default foreign groups", "newer");
	want_object(&here, part, "answer why", "");
	(void)member_string(&here, part, "why");
	p->fallback = get_action(&answer, json_object_get(part, "answer"));
	if ((p->fallback & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO)
		die(&answer, "must be an errno");

	here = in_key(at, "foreign");
	part = json_object_get(doc, "foreign");
	want_object(&here, part, "answer why", "");
	(void)member_string(&here, part, "why");
	if (strcmp(member_string(&here, part, "answer"), "kill") != 0)
		die(&here, "nothing but 'kill' is safe");

	here = in_key(at, "groups");
	if (!json_is_object(json_object_get(doc, "groups")))
		die(&here, "not an object");
	json_object_foreach(json_object_get(doc, "groups"), key, val) {
		struct at group = in_key(&here, key);

		want_object(&group, val, "about", "allow check deny");
		(void)member_string(&group, val, "about");
		read_lists(&group, val, p, arch);
	}
}

static void read_child(const struct at *at, const json_t *doc, struct profile *p,
		       const struct profile *known, size_t n, const struct arch *arch)
{
	struct at here = in_key(at, "extends");
	const char *parent = member_string(at, doc, "extends");
	struct profile own = *p;

	want_object(at, doc, "v name about extends", "newer allow check deny");
	while (n > 0 && strcmp(known[n - 1].name, parent) != 0)
		n--;
	if (n == 0)
		die(&here, "no profile '%s' was read before", parent);
	own.fallback = known[n - 1].fallback;
	own.n = known[n - 1].n;
	memcpy(own.calls, known[n - 1].calls, sizeof(own.calls));
	*p = own;
	read_lists(at, doc, p, arch);
}

static void check_newer(const struct at *at, const json_t *newer)
{
	struct at here = in_key(at, "newer");
	const char *key;
	json_t *val;

	if (newer && !json_is_object(newer))
		die(&here, "not an object");
	json_object_foreach((json_t *)newer, key, val) {
		struct at item = in_key(&here, key);

		/* From 424 on, all architectures give a call the same number. */
		if (!json_is_integer(val) || json_integer_value(val) < 424
		    || json_integer_value(val) > 4095)
			die(&item, "not a number between 424 and 4095");
	}
}

/* Names end up as identifiers of C. */
static void check_name(const struct at *at, const char *name, const struct profile *known, size_t n)
{
	struct at here = in_key(at, "name");

	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name)
	    || strlen(name) > 31)
		die(&here, "not a name of up to 31 lower-case letters, digits and underscores");
	for (size_t i = 0; i < n; i++) {
		if (strcmp(known[i].name, name) == 0)
			die(&here, "'%s' was read before", name);
	}
}

void profile_read(const char *path, struct profile *known, size_t n, const struct arch *arch)
{
	struct profile *p = &known[n];
	struct at at = { .key = path };
	json_error_t why;

	p->doc = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	if (!p->doc)
		die(NULL, "%s:%d:%d: %s", path, why.line, why.column, why.text);
	if (!json_is_object(p->doc) || !json_is_integer(json_object_get(p->doc, "v"))
	    || json_integer_value(json_object_get(p->doc, "v")) != 1)
		die(&at, "not an object with member 'v' of 1");
	p->name = member_string(&at, p->doc, "name");
	check_name(&at, p->name, known, n);
	(void)member_string(&at, p->doc, "about");
	check_newer(&at, json_object_get(p->doc, "newer"));
	if (json_object_get(p->doc, "extends"))
		read_child(&at, p->doc, p, known, n, arch);
	else
		read_base(&at, p->doc, p, arch);
}

void profile_done(struct profile *p)
{
	while (p->rules) {
		struct rule *rule = p->rules;

		p->rules = rule->next;
		free(rule);
	}
	json_decref(p->doc);
}
