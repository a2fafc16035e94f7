#include "lib/mail/idn.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/mail/encoding.h"

#define LABEL_MAX_BYTES 63

/* Of RFC 3492 5. */
#define BASE         36
#define TMIN         1
#define TMAX         26
#define SKEW         38
#define DAMP         700
#define INITIAL_BIAS 72
#define INITIAL_N    128

static uint32_t small(uint32_t c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
	    (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	return c;
}

/* The character whose bytes stand at s, of the length that utf8_char_length() gave. */
static uint32_t decode(const char *s, size_t length)
{
	uint32_t c = (unsigned char)s[0];

	if (length > 1)
		c &= 0x7fu >> length;
	for (size_t i = 1; i < length; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	return c;
}

static uint32_t adapt(uint32_t delta, uint32_t count, bool is_first)
{
	uint32_t k = 0;

	delta = is_first ? delta / DAMP : delta / 2;
	delta += delta / count;
	for (; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static int append_digit(struct buffer *out, uint32_t digit)
{
	return buffer_append_char(out, (char)(digit < 26 ? 'a' + digit : '0' + digit - 26));
}

/* One delta as a number of variable length (RFC 3492 3.3). */
static int append_delta(struct buffer *out, uint32_t delta, uint32_t bias)
{
	for (uint32_t k = BASE;; k += BASE) {
		uint32_t t = k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;

		if (delta < t)
			return append_digit(out, delta);
		if (append_digit(out, t + (delta - t) % (BASE - t)) < 0)
			return -1;
		delta = (delta - t) / (BASE - t);
	}
}

/* The encoder of RFC 3492 6.3. With at most 63 characters nothing in it overflows. */
static int append_punycode(struct buffer *out, const uint32_t *text, uint32_t length)
{
	uint32_t n = INITIAL_N, delta = 0, bias = INITIAL_BIAS, basic = 0, done;

	for (uint32_t i = 0; i < length; i++) {
		if (text[i] >= 0x80)
			continue;
		if (buffer_append_char(out, (char)text[i]) < 0)
			return -1;
		basic++;
	}
	if (basic > 0 && buffer_append_char(out, '-') < 0)
		return -1;
	for (done = basic; done < length; delta++, n++) {
		uint32_t next = UINT32_MAX;

		for (uint32_t i = 0; i < length; i++)
			if (text[i] >= n && text[i] < next)
				next = text[i];
		delta += (next - n) * (done + 1);
		n = next;
		for (uint32_t i = 0; i < length; i++) {
			if (text[i] < n)
				delta++;
			if (text[i] != n)
				continue;
			if (append_delta(out, delta, bias) < 0)
				return -1;
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
	return 0;
}

/* A label of which a part is not ASCII: 1 and nothing done if it has no other spelling, -1 if out is full. */
static int append_international(struct buffer *out, const char *label, size_t length)
{
	uint32_t text[LABEL_MAX_BYTES];
	uint32_t count = 0;
	struct buffer ascii;
	int result = 1;

	buffer_init(&ascii, LABEL_MAX_BYTES);
	for (size_t i = 0; i < length;) {
		size_t run = utf8_char_length(label + i, length - i);

		if (run == 0 || count == LABEL_MAX_BYTES)
			goto out;
		text[count++] = small(decode(label + i, run));
		i += run;
	}
	if (buffer_append_text(&ascii, "xn--") == 0 && append_punycode(&ascii, text, count) == 0)
		result = buffer_append(out, ascii.data, ascii.length);
out:
	buffer_release(&ascii);
	return result;
}

static bool is_ascii(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)bytes[i] >= 0x80)
			return false;
	return true;
}

/* Append bytes with their ASCII letters in lower case. */
static int append_small(struct buffer *out, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		char c = bytes[i];

		if (buffer_append_char(out, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c) < 0)
			return -1;
	}
	return 0;
}

int idn_append_ascii(struct buffer *out, const char *domain, size_t length)
{
	size_t at = 0;

	for (;;) {
		const char *dot = memchr(domain + at, '.', length - at);
		size_t end = dot != NULL ? (size_t)(dot - domain) : length;
		int result = is_ascii(domain + at, end - at)
		                     ? 1
		                     : append_international(out, domain + at, end - at);

		if (result > 0)
			result = append_small(out, domain + at, end - at);
		if (result < 0 || dot == NULL)
			return result;
		if (buffer_append_char(out, '.') < 0)
			return -1;
		at = end + 1;
	}
}
