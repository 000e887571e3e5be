// SPDX-License-Identifier: Apache-2.0
#include "ids.h"

#include <string.h>
#include <uuid/uuid.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void id_new(char *ret)
{
	uuid_t raw;

	uuid_generate_random(raw);
	uuid_unparse_lower(raw, ret);
}

static int bit(const unsigned char *raw, int i)
{
	return raw[i / 8] >> (7 - i % 8) & 1;
}

/* Bits 48-51 are the version, 64-65 the variant (RFC 4122): they are fixed, not random. */
static bool is_fixed(int i)
{
	return (i >= 48 && i < 52) || i == 64 || i == 65;
}

void id_shorten(const char *id, char *ret)
{
	unsigned int digits[21] = { 0 };
	uuid_t raw;
	int i, n = 0;

	if (uuid_parse(id, raw) < 0)
		memset(raw, 0, sizeof(raw));
	for (i = 0; i < 128; i++) {
		if (is_fixed(i))
			continue;
		digits[n / 6] |= (unsigned int)bit(raw, i) << (5 - n % 6);
		n++;
	}
	for (i = 0; i < 21; i++)
		ret[i] = alphabet[digits[i]];
	ret[21] = 0;
}

static bool parse_short(const char *text, uuid_t raw)
{
	int i, n = 0;

	memset(raw, 0, 16);
	for (i = 0; i < 128; i++) {
		const char *p;

		if (is_fixed(i))
			continue;
		p = strchr(alphabet, text[n / 6]);
		if (!p)
			return false;
		if ((p - alphabet) >> (5 - n % 6) & 1)
			raw[i / 8] = (unsigned char)(raw[i / 8] | 1 << (7 - i % 8));
		n++;
	}
	/* 122 bits of 126: the last character has four spare bits, which must be zero */
	if (!strchr(alphabet, text[20]) || (strchr(alphabet, text[20]) - alphabet) & 15)
		return false;
	raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40);
	raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80);
	return true;
}

bool id_parse(const char *text, char *ret)
{
	size_t len = strlen(text);
	uuid_t raw;

	if (len == 21) {
		if (!parse_short(text, raw))
			return false;
	} else if (len != 36 || uuid_parse(text, raw) < 0 || raw[6] >> 4 != 4 || raw[8] >> 6 != 2) {
		return false;
	}
	uuid_unparse_lower(raw, ret);
	return true;
}

bool id_is(const char *text)
{
	char id[ID_SIZE];

	return id_parse(text, id);
}
