// SPDX-License-Identifier: Apache-2.0
#include "names.h"

#include "config.h"
#include "text.h"

#include <string.h>

static bool has_control(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 32 || c == 127)
			return true;
		/* C1 (U+0080 to U+009F), and U+2028, U+2029, U+202A to U+202E, U+2066 to U+2069,
		 * which make a name look like another one */
		if (c == 0xc2 && i + 1 < len && (unsigned char)s[i + 1] < 0xa0)
			return true;
		if (c == 0xe2 && i + 2 < len && (unsigned char)s[i + 1] == 0x80 &&
		    (unsigned char)s[i + 2] >= 0xa8 && (unsigned char)s[i + 2] <= 0xae)
			return true;
		if (c == 0xe2 && i + 2 < len && (unsigned char)s[i + 1] == 0x81 &&
		    (unsigned char)s[i + 2] >= 0xa6 && (unsigned char)s[i + 2] <= 0xa9)
			return true;
	}
	return false;
}

static const char *part_fault(const char *part, size_t len)
{
	if (len == 0)
		return "an empty part";
	if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
		return "a '.' or '..' part";
	return len > NAME_PART_BYTES ? "a part too long" : NULL;
}

const char *name_fault(const char *name, size_t len)
{
	size_t start = 0, i;
	int depth = 0;

	if (len == 0)
		return "an empty name";
	if (len > NAME_BYTES)
		return "a name too long";
	if (memchr(name, 0, len))
		return "a NUL byte in the name";
	if (!text_is_utf8(name, len))
		return "a name that is no UTF-8";
	if (has_control(name, len))
		return "a control character in the name";
	if (name[0] == '/')
		return "an absolute name";
	for (i = 0; i <= len; i++) {
		const char *fault;

		if (i < len && name[i] != '/')
			continue;
		fault = part_fault(name + start, i - start);
		if (fault)
			return fault;
		start = i + 1;
		if (++depth > NAME_DEPTH)
			return "a name too deep";
	}
	return NULL;
}

bool name_is_user(const struct config *config, const char *user)
{
	size_t len = strlen(user);

	if (config->user_object_id)
		return len == 24 && strspn(user, "0123456789abcdefABCDEF") == 24;
	return len >= 1 && len <= 64 && user[0] != '_' && user[0] != '-' &&
	       strspn(user, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       len;
}

void name_extension(const char *name, char *ret, size_t size)
{
	const char *leaf = strrchr(name, '/'), *dot;
	size_t n = 0;

	leaf = leaf ? leaf + 1 : name;
	dot = strrchr(leaf, '.');
	if (dot && dot != leaf)
		for (dot++; *dot; dot++) {
			char c = *dot >= 'A' && *dot <= 'Z' ? (char)(*dot + 32) : *dot;

			if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) || n >= 15 ||
			    n + 1 >= size) {
				n = 0;
				break;
			}
			ret[n++] = c;
		}
	ret[n] = 0;
	if (n == 0)
		(void)memcpy(ret, "bin", size < 4 ? 0 : 4);
}
