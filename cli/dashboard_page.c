// SPDX-License-Identifier: Apache-2.0
/*
 * The page: its tables, its style, its order. No script and no outer resource, so it can be mailed,
 * archived, and served under the strictest policy.
 */
#include "dashboard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void users(FILE *out, const struct dashboard *page)
{
	json_t *row;
	double most = 1;
	size_t i;

	dashboard_section(out, "users", "Top users today, by CPU time", "");
	if (json_array_size(page->users) == 0)
		(void)fputs("<p class=\"none\">Nobody ran anything today.</p>\n", out);
	else
		dashboard_table_head(out, "Users by CPU time today", "User", "CPU, runs");
	json_array_foreach(page->users, i, row) {
		double cpu = (double)dashboard_count_of(row, "cpu_ms");
		char took[32], buf[80];

		most = cpu > most ? cpu : most;
		(void)snprintf(buf, sizeof(buf), "%s, %lld", dashboard_duration(cpu, took),
			       dashboard_count_of(row, "runs"));
		dashboard_table_row(out, json_string_value(json_object_get(row, "user")), buf,
				    cpu / most, "plain");
	}
	if (json_array_size(page->users) > 0)
		dashboard_table_end(out);
	dashboard_section_end(out);
}

static void storage(FILE *out, const struct dashboard *page)
{
	json_t *row;
	double most = 1;
	size_t i;

	if (!page->storage)
		return;
	dashboard_section(out, "storage", "Storage by user", "");
	dashboard_table_head(out, "Users by bytes stored", "User", "Stored");
	json_array_foreach(page->storage, i, row) {
		double bytes = (double)dashboard_count_of(row, "bytes");
		char buf[32];

		most = bytes > most ? bytes : most;
		dashboard_table_row(out, json_string_value(json_object_get(row, "user")),
				    dashboard_amount(bytes, buf), bytes / most, "plain");
	}
	dashboard_table_end(out);
	dashboard_section_end(out);
}

static void health_row(FILE *out, const char *name, const char *state, const char *tone)
{
	(void)fputs("<tr><th scope=\"row\">", out);
	dashboard_text(out, name);
	(void)fprintf(out, "</th><td><span class=\"mark %s\" aria-hidden=\"true\"></span>", tone);
	dashboard_text(out, state);
	(void)fputs("</td></tr>\n", out);
}

static void health_count(FILE *out, const char *name, long long n, const char *fine,
			 const char *wrong)
{
	char buf[100];

	(void)snprintf(buf, sizeof(buf), "%lld %s", n, wrong);
	health_row(out, name, n ? buf : fine, n ? "bad" : "good");
}

/* "a, b" of the strings in an array; NULL when out of memory. */
static char *words_of(json_t *array)
{
	char *text = NULL;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);
	json_t *v;

	if (!out)
		return NULL;
	json_array_foreach(array, i, v)
		if (json_is_string(v))
			(void)fprintf(out, "%s%s", i ? ", " : "", json_string_value(v));
	(void)fclose(out);
	return text;
}

static void layers(FILE *out, const struct dashboard *page)
{
	const char *name;
	json_t *v;

	json_object_foreach(page->isolation, name, v) {
		AUTO_FREE char *list = NULL;
		const char *value = json_string_value(v);
		bool is_weak;

		if (!value) {
			list = json_is_array(v) ? words_of(v) : json_dumps(v, JSON_ENCODE_ANY);
			value = list ? list : "?";
		}
		/* of capabilities and groups, none is what we want */
		is_weak = (!strcmp(value, "none") && strcmp(name, "caps") != 0) ||
			  !strcmp(value, "false") || !strcmp(value, "null");
		health_row(out, name, value, is_weak ? "fair" : "good");
	}
}

static void health(FILE *out, const struct dashboard *page)
{
	char *const *row = page->request->health;

	dashboard_section(out, "health", "Health", "rest");
	(void)fputs(
		"<table><caption class=\"hidden\">Health of each layer</caption><thead><tr><th scope=\"col\">Layer"
		"</th><th scope=\"col\">State</th></tr></thead><tbody>\n",
		out);
	for (; row && *row; row++) {
		const char *is = strchr(*row, '=');
		char name[80];

		(void)snprintf(name, sizeof(name), "%.*s", (int)(is - *row), *row);
		health_row(out, name, is + 1, strncmp(is + 1, "ok", 2) == 0 ? "good" : "bad");
	}
	health_count(out, "isolation", dashboard_count_of(page->stats, "isolation_failures"),
		     "no run was refused for it", "runs refused: the host could not isolate");
	health_count(out, "audit log", dashboard_count_of(page->stats, "audit_failures"),
		     "no verification failed", "verifications found it broken");
	layers(out, page);
	(void)fputs("</tbody></table>\n", out);
	if (page->isolation) {
		(void)fputs("<p class=\"none\">Layers as the last run had them, ", out);
		dashboard_text(out, page->last_run);
		(void)fputs("</p>\n", out);
	}
	dashboard_section_end(out);
}

static void refusals(FILE *out, const struct dashboard *page)
{
	static const struct {
		const char *member, *name;
	} rows[] = {
		{ "blocked", "Operations denied in a jail" },
		{ "rate_refused", "Rate or budget" },
		{ "busy_refused", "No slot in time" },
		{ "quota_refused", "Quota" },
		{ "policy_refused", "Policy" },
		{ "auth_failures", "Wrong key" },
	};
	AUTO_JSON json_t *object = json_object();
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		(void)json_object_set(object, rows[i].name,
				      json_object_get(page->stats, rows[i].member));
	dashboard_section(out, "refusals", "Denied and refused", "");
	dashboard_counts(out, object, "Denied and refused operations", "Reason", NULL,
			 "Nothing was denied or refused.");
	dashboard_section_end(out);
}

static void by_name(FILE *out, const struct dashboard *page, const char *member, const char *title,
		    const char *name, const char *(*tone)(const char *), const char *nothing)
{
	dashboard_section(out, member, title, "");
	dashboard_counts(out, json_object_get(page->stats, member), title, name, tone, nothing);
	dashboard_section_end(out);
}

static const char style[] =
	":root{color-scheme:light dark;--back:#f5f6f8;--panel:#fff;--ink:#1c2430;--soft:#5a6675;--line:#dde2e9;"
	"--good:#1f8a5b;--fair:#b97a00;--bad:#c2334a;--plain:#2f6fd0}\n"
	"@media (prefers-color-scheme:dark){:root{--back:#12161c;--panel:#1b2129;--ink:#e8ecf1;--soft:#9aa7b6;"
	"--line:#2e3742;--good:#4cc38a;--fair:#e6ad3c;--bad:#ff6b81;--plain:#6ea8ff}}\n"
	"*{box-sizing:border-box}body{margin:0;padding:1.5rem;background:var(--back);color:var(--ink);"
	"font:15px/1.45 system-ui,sans-serif;max-width:80rem;margin-inline:auto}\n"
	"h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:0 0 .75rem}header p{color:var(--soft);margin:.25rem 0 1rem}\n"
	".skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--panel);padding:.5rem}\n"
	".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem;margin:0 0 1rem}\n"
	".card,.panel{background:var(--panel);border:1px solid var(--line);border-radius:.6rem;padding:1rem;min-width:0}\n"
	".card{padding:.75rem 1rem;border-left:.3rem solid var(--line)}.card dt{color:var(--soft);font-size:.8rem}\n"
	".card dd{margin:0;font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
	".card.good{border-left-color:var(--good)}.card.fair{border-left-color:var(--fair)}"
	".card.bad{border-left-color:var(--bad)}.card.plain{border-left-color:var(--plain)}\n"
	"main{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));gap:1rem}\n"
	"@media (min-width:75rem){.rest{grid-column:span 2}}.rest tbody th{white-space:nowrap;"
	"width:1%;padding-right:1.5rem}"
	".scroll th{white-space:nowrap;overflow-wrap:normal}\n"
	".wide{grid-column:1/-1}.chart{overflow-x:auto}.chart svg{width:100%;min-width:36rem;height:auto;display:block}svg text{fill:var(--soft);font-size:12px}\n"
	"svg .small{font-size:11px}.grid{stroke:var(--line)}\n"
	"rect.good{fill:var(--good)}rect.fair{fill:var(--fair)}rect.bad{fill:var(--bad)}rect.plain{fill:var(--plain)}\n"
	"table{width:100%;border-collapse:collapse}th,td{text-align:left;padding:.3rem .6rem .3rem 0;"
	"border-bottom:1px solid var(--line);font-weight:400;overflow-wrap:anywhere}thead th{color:var(--soft);"
	"font-size:.8rem}\n"
	".number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}thead .number{text-align:right}\n"
	".bar{width:35%;padding-right:0}.bar svg{display:block;width:100%;height:.7rem}.bar rect{min-width:2px}\n"
	"span.good{background:var(--good)}span.fair{background:var(--fair)}span.bad{background:var(--bad)}"
	"span.plain{background:var(--plain)}\n"
	".mark,.legend span{display:inline-block;width:.7rem;height:.7rem;border-radius:50%;margin-right:.5rem}\n"
	".legend{color:var(--soft);margin:0 0 .5rem}.legend span{border-radius:.15rem;margin:0 .35rem 0 .8rem}"
	".legend span:first-child{margin-left:0}.legend b{color:var(--ink);margin-right:1rem}\n"
	".none{color:var(--soft);margin:.5rem 0 0}.scroll{max-height:18rem;overflow:auto}summary{cursor:pointer;"
	"color:var(--soft);margin-top:.5rem}\n"
	":focus-visible{outline:3px solid var(--plain);outline-offset:2px}\n"
	".hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}\n";

static void head(FILE *out, const struct dashboard *page)
{
	const char *title = page->request->title ? page->request->title : page->host;
	char when[32];

	(void)fputs(
		"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
		"'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n",
		out);
	if (page->request->refresh > 0)
		(void)fprintf(out, "<meta http-equiv=\"refresh\" content=\"%lld\">\n",
			      (long long)page->request->refresh);
	(void)fputs("<title>", out);
	dashboard_text(out, title);
	(void)fprintf(
		out,
		"</title><style>\n%s</style></head><body>\n<a class=\"skip\" href=\"#main\">To the charts</a>"
		"<header><h1>",
		style);
	dashboard_text(out, title);
	(void)fprintf(out,
		      "</h1><p>Sandboxed runs on this host. Written <time>%s</time>, counted since ",
		      text_time(page->now_ms, when));
	dashboard_text(out, json_string_value(json_object_get(page->stats, "since")));
	(void)fputs("</p></header>\n", out);
}

/* Runs and refusals a minute, over the last five whole minutes. */
static double rate_of(json_t *stats)
{
	enum { SPAN = 5 };
	json_t *minutes = json_object_get(stats, "minutes"), *row;
	size_t n = json_array_size(minutes), i;
	long long sum = 0;

	for (i = n > SPAN ? n - 1 - SPAN : 0; i + 1 < n; i++) {
		row = json_array_get(minutes, i);
		sum += dashboard_count_of(row, "runs") + dashboard_count_of(row, "refused");
	}
	return (double)sum / SPAN;
}

static void cards(FILE *out, const struct dashboard *page)
{
	json_t *s = page->stats;
	long long all = dashboard_count_of(s, "executions"),
		  denied = dashboard_count_of(s, "blocked");
	long long refused =
		dashboard_count_of(s, "rate_refused") + dashboard_count_of(s, "busy_refused") +
		dashboard_count_of(s, "quota_refused") + dashboard_count_of(s, "policy_refused");
	double good = (double)dashboard_count_of(json_object_get(s, "by_status"), "success");
	char buf[32];

	(void)fputs("<dl class=\"cards\">\n", out);
	dashboard_card_count(out, "Running now", page->running, "plain");
	dashboard_card_count(out, "Waiting", page->waiting, page->waiting ? "fair" : "plain");
	dashboard_card_count(out, "Runs", all, "plain");
	(void)snprintf(buf, sizeof(buf), "%.1f", rate_of(s));
	dashboard_card(out, "Runs per minute", buf, "plain");
	(void)snprintf(buf, sizeof(buf), "%.1f %%", all ? good * 100 / (double)all : 0);
	dashboard_card(out, "Success", all ? buf : "none yet", "good");
	dashboard_card(out, "p50", dashboard_duration(dashboard_wall_of(s, "p50_ms"), buf),
		       "plain");
	dashboard_card(out, "p95", dashboard_duration(dashboard_wall_of(s, "p95_ms"), buf),
		       "plain");
	dashboard_card(out, "p99", dashboard_duration(dashboard_wall_of(s, "p99_ms"), buf),
		       "plain");
	dashboard_card_count(out, "Timeouts", dashboard_count_of(s, "timeouts"),
			     dashboard_count_of(s, "timeouts") ? "fair" : "plain");
	dashboard_card_count(out, "Denied operations", denied, denied ? "bad" : "plain");
	dashboard_card_count(out, "Refused", refused, refused ? "fair" : "plain");
	dashboard_card(out, "Memory peak",
		       dashboard_amount((double)dashboard_count_of(s, "memory_peak_bytes_max"),
					buf),
		       "plain");
	(void)fputs("</dl>\n", out);
}

void dashboard_body(FILE *out, const struct dashboard *page)
{
	head(out, page);
	cards(out, page);
	(void)fputs("<main id=\"main\">\n", out);
	dashboard_minutes(out, page);
	by_name(out, page, "by_status", "How runs ended", "Status", dashboard_tone_of,
		"No run yet.");
	by_name(out, page, "limits_hit", "Limits that were hit", "Limit", NULL,
		"No limit was hit.");
	refusals(out, page);
	dashboard_durations(out, page);
	users(out, page);
	storage(out, page);
	by_name(out, page, "by_lang", "Languages", "Language", NULL, "No run yet.");
	by_name(out, page, "errors", "Errors by code", "Code", NULL, "No operation failed.");
	health(out, page);
	(void)fputs("</main></body></html>\n", out);
}
