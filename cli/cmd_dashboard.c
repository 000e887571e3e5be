// SPDX-License-Identifier: Apache-2.0
#include "cleanup.h"
#include "config.h"
#include "history.h"
#include "io.h"
#include "rate.h"
#include "slot.h"
#include "stats.h"
#include "text.h"
#include "verb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * One page without any script or outer resource: what it shows is drawn here, as tables and SVG, so
 * it can be mailed, archived, and served under the strictest policy. All text is escaped by text().
 */

extern const struct verb verb_dashboard;

struct request {
	VERB_MEMBERS;
	char *output, *title;
	char **storage_of, **health;
	bool storage;
	int64_t refresh;
};

static const struct json_field fields[] = {
	VERB_FIELDS(request),
	JSON_FIELD(request, output, .kind = JSON_KIND_STRING, .min = 1, .max = 4095),
	JSON_FIELD(request, title, .kind = JSON_KIND_STRING, .min = 1, .max = 80),
	JSON_FIELD(request, storage_of, .kind = JSON_KIND_MAP, .max = 100000),
	JSON_FIELD(request, health, .kind = JSON_KIND_MAP, .max = 64),
	JSON_FIELD(request, storage, .kind = JSON_KIND_BOOL),
	JSON_FIELD(request, refresh, .kind = JSON_KIND_INT, .min = 0, .max = 86400),
};

enum {
	FIELD_COUNT = sizeof(fields) / sizeof(*fields),
	TOP = 10,
	WALK_MAX = 500000, /* files that are looked at for the storage of all users */
};

static const struct option_row options[] = {
	{ 'o', "output", "output", OPTION_STRING, "OUT",
	  "write the page there (default: to stdout)" },
	{ 0, "title", "title", OPTION_STRING, "TEXT", "its title (default: the name of the host)" },
	{ 0, "storage", "storage", OPTION_FLAG, NULL,
	  "look through the store for the bytes of each user" },
	{ 0, "storage-of", "storage_of", OPTION_MAP, "USER=BYTES",
	  "show these instead, may be repeated" },
	{ 0, "health", "health", OPTION_MAP, "LAYER=TEXT",
	  "a row of the health table; a text that begins with 'ok' is good" },
	{ 0, "refresh", "refresh", OPTION_INT, "SECONDS",
	  "the page loads itself again (default: 0, never)" },
	{ 0 },
};

/* What the page is made of. */
struct page {
	json_t *stats, *users, *storage, *isolation;
	int64_t running, waiting, now_ms;
	const struct request *request;
	const struct config *config;
	char host[65], last_run[32];
};

/* ---- pieces of HTML ---- */

static void text(FILE *out, const char *s)
{
	AUTO_FREE char *clean = malloc(strlen(s) + 1);
	const char *p;

	if (!clean)
		return;
	text_clean(s, clean, strlen(s) + 1);
	for (p = clean; *p; p++) {
		switch (*p) {
		case '&':
			(void)fputs("&amp;", out);
			break;
		case '<':
			(void)fputs("&lt;", out);
			break;
		case '>':
			(void)fputs("&gt;", out);
			break;
		case '"':
			(void)fputs("&quot;", out);
			break;
		case '\'':
			(void)fputs("&#39;", out);
			break;
		default:
			(void)putc(*p, out);
		}
	}
}

static long long count_of(json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

static double wall_of(json_t *stats, const char *name)
{
	return json_number_value(json_object_get(json_object_get(stats, "wall"), name));
}

static const char *amount(double n, char *buf)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t i = 0;

	while (n >= 1024 && i < 4) {
		n /= 1024;
		i++;
	}
	(void)snprintf(buf, 32, i ? "%.1f %s" : "%.0f %s", n, units[i]);
	return buf;
}

static const char *duration(double ms, char *buf)
{
	double n = ms < 1000 ? ms : ms < 60000 ? ms / 1000 : ms / 60000;
	const char *unit = ms < 1000 ? "ms" : ms < 60000 ? "s" : "min";

	(void)snprintf(buf, 32, "%.3g %s", n, unit);
	return buf;
}

static void card(FILE *out, const char *name, const char *value, const char *tone)
{
	(void)fprintf(out, "<div class=\"card %s\"><dt>%s</dt><dd>", tone, name);
	text(out, value);
	(void)fputs("</dd></div>\n", out);
}

static void card_count(FILE *out, const char *name, long long n, const char *tone)
{
	char buf[32];

	(void)snprintf(buf, sizeof(buf), "%lld", n);
	card(out, name, buf, tone);
}

static void section(FILE *out, const char *id, const char *title, const char *kind)
{
	(void)fprintf(out,
		      "<section class=\"panel %s\" aria-labelledby=\"%s\"><h2 id=\"%s\">%s</h2>\n",
		      kind, id, id, title);
}

static void section_end(FILE *out)
{
	(void)fputs("</section>\n", out);
}

static void table_head(FILE *out, const char *caption, const char *name, const char *value)
{
	(void)fprintf(
		out,
		"<table><caption class=\"hidden\">%s</caption><thead><tr><th scope=\"col\">%s</th>"
		"<th scope=\"col\" class=\"number\">%s</th><td></td></tr></thead><tbody>\n",
		caption, name, value);
}

static void table_row(FILE *out, const char *name, const char *value, double part, const char *tone)
{
	(void)fputs("<tr><th scope=\"row\">", out);
	text(out, name);
	(void)fputs("</th><td class=\"number\">", out);
	text(out, value);
	(void)fputs("</td><td class=\"bar\" aria-hidden=\"true\">", out);
	if (part > 0)
		(void)fprintf(out, "<span class=\"%s\" style=\"width:%.1f%%\"></span>", tone,
			      part * 100);
	(void)fputs("</td></tr>\n", out);
}

static void table_end(FILE *out)
{
	(void)fputs("</tbody></table>\n", out);
}

static const char *tone_of(const char *status)
{
	if (!strcmp(status, "success"))
		return "good";
	return !strcmp(status, "error") || !strcmp(status, "signal") ? "fair" : "bad";
}

/* The rows of an object of counts, the largest first. */
static json_t *by_size(json_t *object)
{
	json_t *rows = json_array(), *v;
	const char *key;

	json_object_foreach(object, key, v) {
		size_t at = json_array_size(rows);

		while (at > 0 &&
		       count_of(json_array_get(rows, at - 1), "n") < json_integer_value(v))
			at--;
		(void)json_array_insert_new(rows, at, json_pack("{s:s,s:O}", "name", key, "n", v));
	}
	return rows;
}

/* Counts by name with bars of one scale. */
static void counts(FILE *out, json_t *object, const char *caption, const char *name,
		   const char *(*tone)(const char *), const char *nothing)
{
	AUTO_JSON json_t *rows = by_size(object);
	double most = (double)count_of(json_array_get(rows, 0), "n");
	json_t *row;
	size_t i;

	if (most <= 0) {
		(void)fprintf(out, "<p class=\"none\">%s</p>\n", nothing);
		return;
	}
	table_head(out, caption, name, "Count");
	json_array_foreach(rows, i, row) {
		const char *key = json_string_value(json_object_get(row, "name"));
		char buf[32];

		(void)snprintf(buf, sizeof(buf), "%lld", count_of(row, "n"));
		table_row(out, key, buf, (double)count_of(row, "n") / most,
			  tone ? tone(key) : "plain");
	}
	table_end(out);
}

/* ---- charts ---- */

/* The next of 1, 2, 5, 10, 20, ... that is not below n; at least 4 so that the scale has steps. */
static long long round_up(long long n)
{
	static const int steps[] = { 1, 2, 5 };
	long long ten = 1;
	size_t i;

	for (;; ten *= 10)
		for (i = 0; i < 3; i++)
			if (steps[i] * ten >= n && steps[i] * ten >= 4)
				return steps[i] * ten;
}

enum { CHART_W = 960, CHART_H = 220, LEFT = 48, TOP_EDGE = 12, BOTTOM = 28 };

static double y_of(double n, double most)
{
	return TOP_EDGE + (CHART_H - TOP_EDGE - BOTTOM) * (1 - n / most);
}

static void chart_start(FILE *out, const char *label, long long most)
{
	int i, step = most % 4 == 0 ? 4 : most % 5 == 0 ? 5 : 2;

	/* too narrow to read, it scrolls; so it can be reached by keyboard */
	(void)fprintf(
		out,
		"<div class=\"chart\" tabindex=\"0\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n",
		CHART_W, CHART_H, label);
	for (i = 0; i <= step; i++) {
		double n = (double)most * i / step, y = y_of(n, (double)most);

		(void)fprintf(out,
			      "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
			      "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n",
			      LEFT, CHART_W, y, y, LEFT - 8, y + 4, n);
	}
}

static void bar(FILE *out, double x, double width, double from, double to, double most,
		const char *tone)
{
	if (to > from)
		(void)fprintf(
			out,
			"<rect class=\"%s\" x=\"%.1f\" width=\"%.1f\" y=\"%.1f\" height=\"%.1f\"/>\n",
			tone, x, width, y_of(to, most), y_of(from, most) - y_of(to, most));
}

static void minute_bars(FILE *out, json_t *minutes, long long most)
{
	const double step = (double)(CHART_W - LEFT) / (double)json_array_size(minutes);
	json_t *row;
	size_t i;

	json_array_foreach(minutes, i, row) {
		double runs = (double)count_of(row, "runs"), bad = (double)count_of(row, "failed");
		double refused = (double)count_of(row, "refused"), x = LEFT + step * (double)i;
		long long at = count_of(row, "at_ms");
		char when[32];

		(void)text_time(at, when);
		if (runs + refused > 0) {
			(void)fprintf(
				out,
				"<g><title>%.5s UTC: %.0f runs, %.0f of them not successful, %.0f refused"
				"</title>",
				when + 11, runs, bad, refused);
			bar(out, x, step - 1, 0, runs - bad, (double)most, "good");
			bar(out, x, step - 1, runs - bad, runs, (double)most, "fair");
			bar(out, x, step - 1, runs, runs + refused, (double)most, "bad");
			(void)fputs("</g>\n", out);
		}
		if (at / 60000 % 15 == 0)
			(void)fprintf(
				out,
				"<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.5s</text>\n",
				x + step / 2, CHART_H - 8, when + 11);
	}
}

static void minutes_table(FILE *out, json_t *minutes)
{
	json_t *row;
	size_t i;

	(void)fputs(
		"<details><summary>As a table</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
		"aria-label=\"Runs by minute\"><table><thead><tr><th scope=\"col\">Minute (UTC)</th>"
		"<th scope=\"col\" class=\"number\">Runs</th><th scope=\"col\" class=\"number\">Not successful"
		"</th><th scope=\"col\" class=\"number\">Refused</th><th scope=\"col\" class=\"number\">Denied "
		"operations</th></tr></thead><tbody>\n",
		out);
	json_array_foreach(minutes, i, row) {
		char when[32];

		if (count_of(row, "runs") + count_of(row, "refused") == 0)
			continue;
		(void)fprintf(
			out,
			"<tr><th scope=\"row\">%.5s</th><td class=\"number\">%lld</td><td class=\"number\">"
			"%lld</td><td class=\"number\">%lld</td><td class=\"number\">%lld</td></tr>\n",
			text_time(count_of(row, "at_ms"), when) + 11, count_of(row, "runs"),
			count_of(row, "failed"), count_of(row, "refused"),
			count_of(row, "blocked"));
	}
	(void)fputs("</tbody></table></div></details>\n", out);
}

static void minutes(FILE *out, const struct page *page)
{
	json_t *rows = json_object_get(page->stats, "minutes"), *row;
	long long most = 0, all = 0;
	char label[160];
	size_t i;

	json_array_foreach(rows, i, row) {
		long long n = count_of(row, "runs") + count_of(row, "refused");

		most = n > most ? n : most;
		all += n;
	}
	section(out, "minutes", "Runs by minute, last two hours", "wide");
	(void)fputs(
		"<p class=\"legend\"><span class=\"good\"></span>success <span class=\"fair\"></span>not successful "
		"<span class=\"bad\"></span>refused</p>\n",
		out);
	(void)snprintf(label, sizeof(label),
		       "Bar chart: %lld runs and refusals in two hours, at most %lld a minute", all,
		       most);
	chart_start(out, label, round_up(most));
	minute_bars(out, rows, round_up(most));
	(void)fputs("</svg></div>\n", out);
	minutes_table(out, rows);
	section_end(out);
}

static void durations(FILE *out, const struct page *page)
{
	json_t *rows = json_object_get(json_object_get(page->stats, "wall"), "buckets"), *row;
	const double step = (double)(CHART_W - LEFT) / (double)json_array_size(rows);
	long long most = 0;
	char label[200], p50[32], p95[32], p99[32];
	size_t i;

	json_array_foreach(rows, i, row)
		most = count_of(row, "count") > most ? count_of(row, "count") : most;
	most = round_up(most);
	(void)snprintf(label, sizeof(label),
		       "Histogram of durations: half of the runs take at most %s, 95 percent %s, "
		       "99 percent %s",
		       duration(wall_of(page->stats, "p50_ms"), p50),
		       duration(wall_of(page->stats, "p95_ms"), p95),
		       duration(wall_of(page->stats, "p99_ms"), p99));
	section(out, "durations", "Durations", "wide");
	(void)fprintf(out, "<p class=\"legend\">p50 <b>%s</b> p95 <b>%s</b> p99 <b>%s</b></p>\n",
		      p50, p95, p99);
	chart_start(out, label, most);
	json_array_foreach(rows, i, row) {
		json_t *le = json_object_get(row, "le_ms");
		double x = LEFT + step * (double)i;
		char upper[32] = "more";

		if (json_is_integer(le))
			(void)duration((double)json_integer_value(le), upper);
		(void)fprintf(out, "<g><title>%s%s: %lld runs</title>",
			      json_is_integer(le) ? "up to " : "", upper, count_of(row, "count"));
		bar(out, x + 3, step - 6, 0, (double)count_of(row, "count"), (double)most, "plain");
		(void)fprintf(
			out,
			"</g><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"small\">%s</text>\n",
			x + step / 2, CHART_H - 8, upper);
	}
	(void)fputs("</svg></div>\n", out);
	section_end(out);
}

/* ---- tables ---- */

static void users(FILE *out, const struct page *page)
{
	json_t *row;
	double most = 1;
	size_t i;

	section(out, "users", "Top users today, by CPU time", "");
	if (json_array_size(page->users) == 0)
		(void)fputs("<p class=\"none\">Nobody ran anything today.</p>\n", out);
	else
		table_head(out, "Users by CPU time today", "User", "CPU, runs");
	json_array_foreach(page->users, i, row) {
		double cpu = (double)count_of(row, "cpu_ms");
		char took[32], buf[80];

		most = cpu > most ? cpu : most;
		(void)snprintf(buf, sizeof(buf), "%s, %lld", duration(cpu, took),
			       count_of(row, "runs"));
		table_row(out, json_string_value(json_object_get(row, "user")), buf, cpu / most,
			  "plain");
	}
	if (json_array_size(page->users) > 0)
		table_end(out);
	section_end(out);
}

static void storage(FILE *out, const struct page *page)
{
	json_t *row;
	double most = 1;
	size_t i;

	if (!page->storage)
		return;
	section(out, "storage", "Storage by user", "");
	table_head(out, "Users by bytes stored", "User", "Stored");
	json_array_foreach(page->storage, i, row) {
		double bytes = (double)count_of(row, "bytes");
		char buf[32];

		most = bytes > most ? bytes : most;
		table_row(out, json_string_value(json_object_get(row, "user")), amount(bytes, buf),
			  bytes / most, "plain");
	}
	table_end(out);
	section_end(out);
}

static void health_row(FILE *out, const char *name, const char *state, const char *tone)
{
	(void)fputs("<tr><th scope=\"row\">", out);
	text(out, name);
	(void)fprintf(out, "</th><td><span class=\"mark %s\" aria-hidden=\"true\"></span>", tone);
	text(out, state);
	(void)fputs("</td></tr>\n", out);
}

static void health_count(FILE *out, const char *name, long long n, const char *fine,
			 const char *wrong)
{
	char buf[100];

	(void)snprintf(buf, sizeof(buf), "%lld %s", n, wrong);
	health_row(out, name, n ? buf : fine, n ? "bad" : "good");
}

static void layers(FILE *out, const struct page *page)
{
	const char *name;
	json_t *v;

	json_object_foreach(page->isolation, name, v) {
		AUTO_FREE char *list = NULL;
		const char *value = json_string_value(v);
		bool is_weak;

		if (!value) {
			list = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
			value = list ? list : "?";
		}
		/* of capabilities and groups, none is what we want */
		is_weak = (!strcmp(value, "none") && strcmp(name, "caps") != 0) ||
			  !strcmp(value, "false") || !strcmp(value, "null");
		health_row(out, name, value, is_weak ? "fair" : "good");
	}
}

static void health(FILE *out, const struct page *page)
{
	char *const *row = page->request->health;

	section(out, "health", "Health", "");
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
	health_count(out, "isolation", count_of(page->stats, "isolation_failures"),
		     "no run was refused for it", "runs refused: the host could not isolate");
	health_count(out, "audit log", count_of(page->stats, "audit_failures"),
		     "no verification failed", "verifications found it broken");
	layers(out, page);
	(void)fputs("</tbody></table>\n", out);
	if (page->isolation) {
		(void)fputs("<p class=\"none\">Layers as the last run had them, ", out);
		text(out, page->last_run);
		(void)fputs("</p>\n", out);
	}
	section_end(out);
}

static void refusals(FILE *out, const struct page *page)
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
	section(out, "refusals", "Denied and refused", "");
	counts(out, object, "Denied and refused operations", "Reason", NULL,
	       "Nothing was denied or refused.");
	section_end(out);
}

static void by_name(FILE *out, const struct page *page, const char *member, const char *title,
		    const char *name, const char *(*tone)(const char *), const char *nothing)
{
	section(out, member, title, "");
	counts(out, json_object_get(page->stats, member), title, name, tone, nothing);
	section_end(out);
}

/* ---- the page ---- */

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
	".wide{grid-column:1/-1}.chart{overflow-x:auto}svg{width:100%;min-width:36rem;height:auto;display:block}svg text{fill:var(--soft);font-size:12px}\n"
	"svg .small{font-size:11px}.grid{stroke:var(--line)}\n"
	"rect.good{fill:var(--good)}rect.fair{fill:var(--fair)}rect.bad{fill:var(--bad)}rect.plain{fill:var(--plain)}\n"
	"table{width:100%;border-collapse:collapse}th,td{text-align:left;padding:.3rem .6rem .3rem 0;"
	"border-bottom:1px solid var(--line);font-weight:400;overflow-wrap:anywhere}thead th{color:var(--soft);"
	"font-size:.8rem}\n"
	".number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}thead .number{text-align:right}\n"
	".bar{width:35%;padding-right:0}.bar span{display:block;height:.7rem;border-radius:.2rem;min-width:2px}\n"
	"span.good{background:var(--good)}span.fair{background:var(--fair)}span.bad{background:var(--bad)}"
	"span.plain{background:var(--plain)}\n"
	".mark,.legend span{display:inline-block;width:.7rem;height:.7rem;border-radius:50%;margin-right:.5rem}\n"
	".legend{color:var(--soft);margin:0 0 .5rem}.legend span{border-radius:.15rem;margin:0 .35rem 0 .8rem}"
	".legend span:first-child{margin-left:0}.legend b{color:var(--ink);margin-right:1rem}\n"
	".none{color:var(--soft);margin:.5rem 0 0}.scroll{max-height:18rem;overflow:auto}summary{cursor:pointer;"
	"color:var(--soft);margin-top:.5rem}\n"
	":focus-visible{outline:3px solid var(--plain);outline-offset:2px}\n"
	".hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}\n";

static void head(FILE *out, const struct page *page)
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
	text(out, title);
	(void)fprintf(
		out,
		"</title><style>\n%s</style></head><body>\n<a class=\"skip\" href=\"#main\">To the charts</a>"
		"<header><h1>",
		style);
	text(out, title);
	(void)fprintf(out,
		      "</h1><p>Sandboxed runs on this host. Written <time>%s</time>, counted since ",
		      text_time(page->now_ms, when));
	text(out, json_string_value(json_object_get(page->stats, "since")));
	(void)fputs("</p></header>\n", out);
}

static void cards(FILE *out, const struct page *page)
{
	json_t *s = page->stats;
	long long all = count_of(s, "executions"), denied = count_of(s, "blocked");
	long long refused = count_of(s, "rate_refused") + count_of(s, "busy_refused") +
			    count_of(s, "quota_refused") + count_of(s, "policy_refused");
	double good = (double)count_of(json_object_get(s, "by_status"), "success");
	char buf[32];

	(void)fputs("<dl class=\"cards\">\n", out);
	card_count(out, "Running now", page->running, "plain");
	card_count(out, "Waiting", page->waiting, page->waiting ? "fair" : "plain");
	card_count(out, "Runs", all, "plain");
	(void)snprintf(buf, sizeof(buf), "%.1f %%", all ? good * 100 / (double)all : 0);
	card(out, "Success", all ? buf : "none yet", "good");
	card(out, "p50", duration(wall_of(s, "p50_ms"), buf), "plain");
	card(out, "p95", duration(wall_of(s, "p95_ms"), buf), "plain");
	card(out, "p99", duration(wall_of(s, "p99_ms"), buf), "plain");
	card_count(out, "Timeouts", count_of(s, "timeouts"),
		   count_of(s, "timeouts") ? "fair" : "plain");
	card_count(out, "Denied operations", denied, denied ? "bad" : "plain");
	card_count(out, "Refused", refused, refused ? "fair" : "plain");
	card(out, "Memory peak", amount((double)count_of(s, "memory_peak_bytes_max"), buf),
	     "plain");
	(void)fputs("</dl>\n", out);
}

static void body(FILE *out, const struct page *page)
{
	head(out, page);
	cards(out, page);
	(void)fputs("<main id=\"main\">\n", out);
	minutes(out, page);
	by_name(out, page, "by_status", "How runs ended", "Status", tone_of, "No run yet.");
	by_name(out, page, "limits_hit", "Limits that were hit", "Limit", NULL,
		"No limit was hit.");
	refusals(out, page);
	durations(out, page);
	users(out, page);
	storage(out, page);
	by_name(out, page, "by_lang", "Languages", "Language", NULL, "No run yet.");
	by_name(out, page, "errors", "Errors by code", "Code", NULL, "No operation failed.");
	health(out, page);
	(void)fputs("</main></body></html>\n", out);
}

/* ---- gathering ---- */

/* Keeps the TOP largest, the largest first. */
static void put_sorted(json_t *rows, const char *user, int64_t bytes)
{
	size_t at = json_array_size(rows);

	while (at > 0 && count_of(json_array_get(rows, at - 1), "bytes") < bytes)
		at--;
	(void)json_array_insert_new(rows, at,
				    json_pack("{s:o,s:I}", "user", json_text(user, strlen(user)),
					      "bytes", (json_int_t)bytes));
	if (json_array_size(rows) > TOP)
		(void)json_array_remove(rows, TOP);
}

static json_t *storage_given(char *const *list)
{
	json_t *rows = json_array();

	for (; *list; list++) {
		const char *is = strchr(*list, '=');
		int64_t bytes;
		char user[80];

		(void)snprintf(user, sizeof(user), "%.*s", (int)(is - *list), *list);
		if (text_count(is + 1, 0, INT64_MAX, &bytes))
			put_sorted(rows, user, bytes);
	}
	return rows;
}

static DIR *dir_at(int fd, const char *name)
{
	int dir = io_open_dir(fd, name);
	DIR *d = dir < 0 ? NULL : fdopendir(dir);

	if (!d && dir >= 0)
		(void)close(dir);
	return d;
}

static int64_t session_bytes(int user, const char *session, int64_t *left)
{
	AUTO_DIR DIR *d = dir_at(user, session);
	struct dirent *de;
	int64_t sum = 0;

	while (d && *left > 0 && (de = readdir(d))) {
		struct stat st;

		if (de->d_name[0] == '.' ||
		    fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		(*left)--;
		sum += S_ISREG(st.st_mode) ? st.st_size : 0;
	}
	return sum;
}

static int64_t user_bytes(int store, const char *user, int64_t *left)
{
	AUTO_DIR DIR *d = dir_at(store, user);
	struct dirent *de;
	int64_t sum = 0;

	while (d && *left > 0 && (de = readdir(d)))
		if (de->d_name[0] != '.')
			sum += session_bytes(dirfd(d), de->d_name, left);
	return sum;
}

static json_t *storage_found(struct call *call, struct err *err)
{
	int store = call_storage(call, err);
	AUTO_DIR DIR *d = store < 0 ? NULL : dir_at(store, ".");
	int64_t left = WALK_MAX;
	struct dirent *de;
	json_t *rows;

	if (store < 0)
		return NULL;
	rows = json_array();
	while (d && left > 0 && (de = readdir(d)))
		if (de->d_name[0] != '.')
			put_sorted(rows, de->d_name, user_bytes(dirfd(d), de->d_name, &left));
	return rows;
}

/* The isolation of the newest run of the users of today. */
static void last_isolation(int state, struct page *page)
{
	static const struct history_filter newest = { .limit = 1 };
	json_t *row;
	size_t i;

	json_array_foreach(page->users, i, row) {
		AUTO_JSON json_t *runs = NULL;
		const char *user = json_string_value(json_object_get(row, "user")), *when;
		json_t *run, *isolation;

		if (!user || history_list(state, user, &newest, &runs, NULL) < 0)
			continue;
		run = json_array_get(runs, 0);
		when = json_string_value(json_object_get(run, "time"));
		isolation = json_object_get(run, "isolation");
		if (!when || !json_is_object(isolation) || strcmp(when, page->last_run) <= 0)
			continue;
		json_decref(page->isolation);
		page->isolation = json_incref(isolation);
		(void)snprintf(page->last_run, sizeof(page->last_run), "%s", when);
	}
}

static void page_done(struct page *page)
{
	json_decref(page->stats);
	json_decref(page->users);
	json_decref(page->storage);
	json_decref(page->isolation);
}

static int gather(struct call *call, int state, struct page *page, struct err *err)
{
	const struct request *r = page->request;

	page->now_ms = text_now_ms();
	if (gethostname(page->host, sizeof(page->host) - 1) < 0)
		(void)snprintf(page->host, sizeof(page->host), "sbx");
	page->stats = stats_json(state, err);
	page->users = page->stats ? budget_list(state, page->now_ms, TOP, err) : NULL;
	if (!page->users || slot_count(state, &page->running, &page->waiting, err) < 0)
		return -1;
	if (r->storage_of)
		page->storage = storage_given(r->storage_of);
	else if (r->storage && !(page->storage = storage_found(call, err)))
		return -1;
	last_isolation(state, page);
	return 0;
}

/* The page replaces an older one as a whole and keeps its mode, so that a server may read it. */
static int write_page(const char *path, const char *html, size_t len, struct err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	AUTO_FREE char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) :
					 strdup(".");
	AUTO_FD int dir = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct stat st;
	bool is_there;
	char clean[200];

	text_clean(path, clean, sizeof(clean));
	if (dir < 0)
		return err_sys(err, ERR_NOT_FOUND, "open the directory of '%s'", clean);
	is_there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (is_there && !S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, "'%s' is no regular file", clean);
	if (io_replace_file(dir, name, html, len, false) < 0 ||
	    (is_there && fchmodat(dir, name, st.st_mode & 0777, 0) < 0))
		return err_sys(err, ERR_STORAGE, "write '%s'", clean);
	return 0;
}

static int render(struct call *call, const struct page *page, json_t **ret, struct err *err)
{
	const char *path = page->request->output;
	AUTO_FREE char *html = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&html, &len);
	int bad;

	if (!out)
		return err_sys(err, ERR_INTERNAL, "make the page");
	body(out, page);
	bad = ferror(out);
	if (fclose(out) != 0 || bad)
		return err_set(err, ERR_INTERNAL, "make the page: out of memory");
	if (path && write_page(path, html, len, err) < 0)
		return -1;
	if (path) {
		*ret = json_pack("{s:o,s:I}", "output", json_text(path, strlen(path)), "bytes",
				 (json_int_t)len);
		return 0;
	}
	if (call->is_json) {
		*ret = json_pack("{s:o}", "html", json_text(html, len));
		return 0;
	}
	call->is_done = true;
	return fwrite(html, 1, len, stdout) == len ? 0 :
						     err_sys(err, ERR_INTERNAL, "write the page");
}

static int run(struct call *call, json_t *request, json_t **ret_answer, struct err *err)
{
	struct request r = { 0 };
	struct page page = { .request = &r, .config = call->config };
	int got = json_decode(request, fields, FIELD_COUNT, &r, "", err);
	int state = got < 0 ? -1 : call_state(call, err);

	got = state < 0 || gather(call, state, &page, err) < 0 ?
		      -1 :
		      render(call, &page, ret_answer, err);
	page_done(&page);
	json_release(fields, FIELD_COUNT, &r);
	return got;
}

static void show(const struct call *call, json_t *answer, FILE *out)
{
	char clean[300];

	(void)call;
	text_clean(json_string_value(json_object_get(answer, "output")), clean, sizeof(clean));
	(void)fprintf(out, "%s\n", clean);
}

const struct verb verb_dashboard = {
	.name = "dashboard",
	.summary = "write a page that shows the state of this host",
	.options = options,
	.is_quiet = true,
	.run = run,
	.show = show,
};
