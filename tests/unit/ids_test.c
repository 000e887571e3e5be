// SPDX-License-Identifier: Apache-2.0
#include "ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests, failures;

static void ok(bool good, const char *what)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
	failures += !good;
}

static void test_round_trip(void)
{
	char id[ID_SIZE], brief[ID_SHORT_SIZE], back[ID_SIZE], again[ID_SHORT_SIZE];
	int i, good = 0;

	for (i = 0; i < 100000; i++) {
		id_new(id);
		id_shorten(id, brief);
		if (strlen(brief) == 21 && id_parse(brief, back) && !strcmp(back, id) &&
		    id_parse(id, back) && !strcmp(back, id)) {
			id_shorten(back, again);
			good += !strcmp(again, brief) && id_is(id) && id_is(brief);
		}
	}
	ok(good == 100000, "100000 ids survive both forms");
}

/* The 122 bits most significant first, four zero bits, base64url: worked out by hand. */
static void test_vectors(void)
{
	static const char *const known[][2] = {
		{ "00000000-0000-4000-8000-000000000000", "AAAAAAAAAAAAAAAAAAAAA" },
		{ "ffffffff-ffff-4fff-bfff-ffffffffffff", "____________________w" },
		{ "80000000-0000-4000-8000-000000000000", "gAAAAAAAAAAAAAAAAAAAA" },
		{ "00000000-0000-4000-8000-000000000001", "AAAAAAAAAAAAAAAAAAAAQ" },
		/* bits 48 to 51 are left out, so the low nibble of byte 6 follows byte 5 at once */
		{ "00000000-0000-4f00-8000-000000000000", "AAAAAAAA8AAAAAAAAAAAA" },
		{ "00000000-0000-4000-bfff-000000000000", "AAAAAAAAAA__wAAAAAAAA" },
		{ "01234567-89ab-4def-8123-456789abcdef", NULL },
	};
	char brief[ID_SHORT_SIZE], back[ID_SIZE];
	size_t i;
	int good = 0;

	for (i = 0; i < sizeof(known) / sizeof(known[0]) - 1; i++) {
		id_shorten(known[i][0], brief);
		good += !strcmp(brief, known[i][1]) && id_parse(known[i][1], back) && !strcmp(back, known[i][0]);
		if (strcmp(brief, known[i][1]) != 0)
			printf("# %s is %s, not %s\n", known[i][0], brief, known[i][1]);
	}
	ok(good == (int)i, "known ids have the known short forms");
}

static void test_spare_bits(void)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char text[22] = "AAAAAAAAAAAAAAAAAAAAA", id[ID_SIZE];
	int i, accepted = 0;

	for (i = 0; i < 64; i++) {
		text[20] = alphabet[i];
		accepted += id_parse(text, id);
	}
	ok(accepted == 4, "of the last character only the two top bits are free");
}

static void test_refused(void)
{
	static const char *const bad[] = {
		"", "x", "AAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAA+AAAAAAAAAA", "AAAAAAAAAA/AAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAA AAAAAAAAAA", "\xc3\xa9" "AAAAAAAAAAAAAAAAAAA",
		"00000000-0000-1000-8000-000000000000", "00000000-0000-4000-0000-000000000000",
		"00000000-0000-4000-c000-000000000000", "00000000-0000-5000-8000-000000000000",
		"00000000000040008000000000000000", "{00000000-0000-4000-8000-00000000000}",
		"00000000-0000-4000-8000-00000000000g", "00000000-0000-4000-8000-0000000000000",
		" 0000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-00000000000\n",
		"../../../../../../../../../../../../", "00000000_0000_4000_8000_000000000000",
	};
	char id[ID_SIZE];
	size_t i, refused = 0;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused += !id_parse(bad[i], id) && !id_is(bad[i]);
		if (id_is(bad[i]))
			printf("# taken for an id: %s\n", bad[i]);
	}
	ok(refused == i, "what is no UUIDv4 in either form is refused");
	ok(id_parse("ABCDEF01-2345-4789-ABCD-EF0123456789", id) && !strcmp(id, "abcdef01-2345-4789-abcd-ef0123456789"),
	   "capitals are read and made small");
}

int main(void)
{
	char a[ID_SIZE], b[ID_SIZE];

	test_round_trip();
	test_vectors();
	test_spare_bits();
	test_refused();
	id_new(a);
	id_new(b);
	ok(strcmp(a, b) != 0 && a[14] == '4' && strchr("89ab", a[19]) && strspn(a, "0123456789abcdef-") == 36,
	   "new ids are random, of version 4, in small letters");
	printf("1..%d\n", tests);
	return failures != 0;
}
