// SPDX-License-Identifier: Apache-2.0
/* Pieces of HTML: all text from outside is escaped by dashboard_text(). */
#include "dashboard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void dashboard_text(FILE *out, const char *s)
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

long long dashboard_count_of(json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

double dashboard_wall_of(json_t *stats, const char *name)
{
	return json_number_value(json_object_get(json_object_get(stats, "wall"), name));
}

const char *dashboard_amount(double n, char *buf)
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

const char *dashboard_duration(double ms, char *buf)
{
	double n = ms < 1000 ? ms : ms < 60000 ? ms / 1000 : ms / 60000;
	const char *unit = ms < 1000 ? "ms" : ms < 60000 ? "s" : "min";

	(void)snprintf(buf, 32, "%.3g %s", n, unit);
	return buf;
}

void dashboard_card(FILE *out, const char *name, const char *value, const char *tone)
{
	(void)fprintf(out, "<div class=\"card %s\"><dt>%s</dt><dd>", tone, name);
	dashboard_text(out, value);
	(void)fputs("</dd></div>\n", out);
}

void dashboard_card_count(FILE *out, const char *name, long long n, const char *tone)
{
	char buf[32];

	(void)snprintf(buf, sizeof(buf), "%lld", n);
	dashboard_card(out, name, buf, tone);
}

void dashboard_section(FILE *out, const char *id, const char *title, const char *kind)
{
	(void)fprintf(out,
		      "<section class=\"panel %s\" aria-labelledby=\"%s\"><h2 id=\"%s\">%s</h2>\n",
		      kind, id, id, title);
}

void dashboard_section_end(FILE *out)
{
	(void)fputs("</section>\n", out);
}

void dashboard_table_head(FILE *out, const char *caption, const char *name, const char *value)
{
	(void)fprintf(
		out,
		"<table><caption class=\"hidden\">%s</caption><thead><tr><th scope=\"col\">%s</th>"
		"<th scope=\"col\" class=\"number\">%s</th><td></td></tr></thead><tbody>\n",
		caption, name, value);
}

void dashboard_table_row(FILE *out, const char *name, const char *value, double part,
			 const char *tone)
{
	(void)fputs("<tr><th scope=\"row\">", out);
	dashboard_text(out, name);
	(void)fputs("</th><td class=\"number\">", out);
	dashboard_text(out, value);
	(void)fputs("</td><td class=\"bar\" aria-hidden=\"true\">", out);
	if (part > 0)
		/* no style attribute: a strict policy would refuse it */
		(void)fprintf(out,
			      "<svg><rect class=\"%s\" width=\"%.1f%%\" height=\"100%%\" rx=\"3\"/>"
			      "</svg>",
			      tone, part * 100);
	(void)fputs("</td></tr>\n", out);
}

void dashboard_table_end(FILE *out)
{
	(void)fputs("</tbody></table>\n", out);
}

const char *dashboard_tone_of(const char *status)
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

		while (at > 0 && dashboard_count_of(json_array_get(rows, at - 1), "n") <
					 json_integer_value(v))
			at--;
		(void)json_array_insert_new(rows, at, json_pack("{s:s,s:O}", "name", key, "n", v));
	}
	return rows;
}

/* Counts by name with bars of one scale. */
void dashboard_counts(FILE *out, json_t *object, const char *caption, const char *name,
		      const char *(*tone)(const char *), const char *nothing)
{
	AUTO_JSON json_t *rows = by_size(object);
	double most = (double)dashboard_count_of(json_array_get(rows, 0), "n");
	json_t *row;
	size_t i;

	if (most <= 0) {
		(void)fprintf(out, "<p class=\"none\">%s</p>\n", nothing);
		return;
	}
	dashboard_table_head(out, caption, name, "Count");
	json_array_foreach(rows, i, row) {
		const char *key = json_string_value(json_object_get(row, "name"));
		char buf[32];

		(void)snprintf(buf, sizeof(buf), "%lld", dashboard_count_of(row, "n"));
		dashboard_table_row(out, key, buf, (double)dashboard_count_of(row, "n") / most,
				    tone ? tone(key) : "plain");
	}
	dashboard_table_end(out);
}
