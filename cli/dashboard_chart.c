// SPDX-License-Identifier: Apache-2.0
/* Charts as SVG, drawn here: the page has no script. */
#include "dashboard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
		double runs = (double)dashboard_count_of(row, "runs"),
		       bad = (double)dashboard_count_of(row, "failed");
		double refused = (double)dashboard_count_of(row, "refused"),
		       x = LEFT + step * (double)i;
		long long at = dashboard_count_of(row, "at_ms");
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

		if (dashboard_count_of(row, "runs") + dashboard_count_of(row, "refused") == 0)
			continue;
		(void)fprintf(
			out,
			"<tr><th scope=\"row\">%.5s</th><td class=\"number\">%lld</td><td class=\"number\">"
			"%lld</td><td class=\"number\">%lld</td><td class=\"number\">%lld</td></tr>\n",
			text_time(dashboard_count_of(row, "at_ms"), when) + 11,
			dashboard_count_of(row, "runs"), dashboard_count_of(row, "failed"),
			dashboard_count_of(row, "refused"), dashboard_count_of(row, "blocked"));
	}
	(void)fputs("</tbody></table></div></details>\n", out);
}

void dashboard_minutes(FILE *out, const struct dashboard *page)
{
	json_t *rows = json_object_get(page->stats, "minutes"), *row;
	long long most = 0, all = 0;
	char label[160];
	size_t i;

	json_array_foreach(rows, i, row) {
		long long n = dashboard_count_of(row, "runs") + dashboard_count_of(row, "refused");

		most = n > most ? n : most;
		all += n;
	}
	dashboard_section(out, "minutes", "Runs by minute, last two hours", "wide");
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
	dashboard_section_end(out);
}

void dashboard_durations(FILE *out, const struct dashboard *page)
{
	json_t *rows = json_object_get(json_object_get(page->stats, "wall"), "buckets"), *row;
	const double step = (double)(CHART_W - LEFT) / (double)json_array_size(rows);
	long long most = 0;
	char label[200], p50[32], p95[32], p99[32];
	size_t i;

	json_array_foreach(rows, i, row)
		most = dashboard_count_of(row, "count") > most ? dashboard_count_of(row, "count") :
								 most;
	most = round_up(most);
	(void)snprintf(label, sizeof(label),
		       "Histogram of durations: half of the runs take at most %s, 95 percent %s, "
		       "99 percent %s",
		       dashboard_duration(dashboard_wall_of(page->stats, "p50_ms"), p50),
		       dashboard_duration(dashboard_wall_of(page->stats, "p95_ms"), p95),
		       dashboard_duration(dashboard_wall_of(page->stats, "p99_ms"), p99));
	dashboard_section(out, "durations", "Durations", "wide");
	(void)fprintf(out, "<p class=\"legend\">p50 <b>%s</b> p95 <b>%s</b> p99 <b>%s</b></p>\n",
		      p50, p95, p99);
	chart_start(out, label, most);
	json_array_foreach(rows, i, row) {
		json_t *le = json_object_get(row, "le_ms");
		double x = LEFT + step * (double)i;
		char upper[32] = "more";

		if (json_is_integer(le))
			(void)dashboard_duration((double)json_integer_value(le), upper);
		(void)fprintf(out, "<g><title>%s%s: %lld runs</title>",
			      json_is_integer(le) ? "up to " : "", upper,
			      dashboard_count_of(row, "count"));
		bar(out, x + 3, step - 6, 0, (double)dashboard_count_of(row, "count"), (double)most,
		    "plain");
		(void)fprintf(
			out,
			"</g><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"small\">%s</text>\n",
			x + step / 2, CHART_H - 8, upper);
	}
	(void)fputs("</svg></div>\n", out);
	dashboard_section_end(out);
}
