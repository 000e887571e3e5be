// SPDX-License-Identifier: Apache-2.0
#ifndef SBX_DASHBOARD_H
#define SBX_DASHBOARD_H

#include "cleanup.h"
#include "config.h"
#include "history.h"
#include "io.h"
#include "rate.h"
#include "slot.h"
#include "stats.h"
#include "text.h"
#include "verb.h"

enum { DASHBOARD_TOP = 10 }; /* rows of a table of users */

/* The request of the verb; gathered data; and the pieces that the page is written with. */
struct dashboard_request {
	VERB_MEMBERS;
	char *output, *title;
	char **storage_of, **health;
	bool storage;
	int64_t refresh;
};

/* What the page is made of. */
struct dashboard {
	json_t *stats, *users, *storage, *isolation;
	int64_t running, waiting, now_ms;
	const struct dashboard_request *request;
	const struct config *config;
	char host[65], last_run[32];
};

void dashboard_text(FILE *out, const char *s);
long long dashboard_count_of(json_t *object, const char *name);
double dashboard_wall_of(json_t *stats, const char *name);
const char *dashboard_amount(double n, char *buf);
const char *dashboard_duration(double ms, char *buf);
const char *dashboard_tone_of(const char *status);
void dashboard_card(FILE *out, const char *name, const char *value, const char *tone);
void dashboard_card_count(FILE *out, const char *name, long long n, const char *tone);
void dashboard_section(FILE *out, const char *id, const char *title, const char *kind);
void dashboard_section_end(FILE *out);
void dashboard_table_head(FILE *out, const char *caption, const char *name, const char *value);
void dashboard_table_row(FILE *out, const char *name, const char *value, double part,
			 const char *tone);
void dashboard_table_end(FILE *out);
void dashboard_counts(FILE *out, json_t *object, const char *caption, const char *name,
		      const char *(*tone)(const char *), const char *nothing);
void dashboard_minutes(FILE *out, const struct dashboard *page);
void dashboard_durations(FILE *out, const struct dashboard *page);
void dashboard_body(FILE *out, const struct dashboard *page);

#endif
