#include "lib/mail/encoding.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>
#include <strings.h>

static int base64_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

size_t base64_decode(const char *bytes, size_t length, char *out, size_t out_size)
{
	size_t written = 0;
	unsigned long bits = 0;
	unsigned bit_count = 0;

	for (size_t i = 0; i < length && written < out_size; i++) {
		int value = base64_value((unsigned char)bytes[i]);

		if (bytes[i] == '=')
			bit_count = 0;
		if (value < 0)
			continue;
		bits = (bits << 6 | (unsigned long)value) & 0xffffff;
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			out[written++] = (char)(bits >> bit_count & 0xff);
		}
	}
	return written;
}

void base64_encode(const unsigned char *bytes, size_t length, char *out)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < length; i += 3) {
		unsigned long bits = (unsigned long)bytes[i] << 16;

		if (i + 1 < length)
			bits |= (unsigned long)bytes[i + 1] << 8;
		if (i + 2 < length)
			bits |= bytes[i + 2];
		*out++ = alphabet[bits >> 18 & 63];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = '=';
		*out++ = '=';
		if (i + 1 < length)
			out[-2] = alphabet[bits >> 6 & 63];
		if (i + 2 < length)
			out[-1] = alphabet[bits & 63];
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* How many bytes a soft line break at bytes (its `=`) takes, 0 if it is none. */
static size_t soft_break_length(const char *bytes, size_t length)
{
	size_t i = 1;

	while (i < length && (bytes[i] == ' ' || bytes[i] == '\t'))
		i++;
	if (i == length)
		return i;
	if (bytes[i] == '\r' && i + 1 < length && bytes[i + 1] == '\n')
		return i + 2;
	return bytes[i] == '\n' ? i + 1 : 0;
}

size_t quoted_printable_decode(const char *bytes, size_t length, bool is_word, char *out,
                               size_t out_size)
{
	size_t written = 0;
	size_t i = 0;

	while (i < length && written < out_size) {
		if (bytes[i] == '_' && is_word) {
			out[written++] = ' ';
			i++;
		} else if (bytes[i] != '=') {
			out[written++] = bytes[i++];
		} else if (i + 2 < length && hex_value(bytes[i + 1]) >= 0 &&
		           hex_value(bytes[i + 2]) >= 0) {
			out[written++] =
				(char)(hex_value(bytes[i + 1]) << 4 | hex_value(bytes[i + 2]));
			i += 3;
		} else {
			size_t skip = is_word ? 0 : soft_break_length(bytes + i, length - i);

			if (skip == 0)
				out[written++] = bytes[i++];
			i += skip;
		}
	}
	return written;
}

size_t utf8_char_length(const char *bytes, size_t length)
{
	const unsigned char *s = (const unsigned char *)bytes;
	size_t want;

	if (length == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		want = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		want = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		want = 4;
	else
		return 0;
	if (want > length)
		return 0;
	for (size_t i = 1; i < want; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return want;
}

/* windows-1252 at 0x80 to 0x9f; the five holes are shown as U+FFFD. */
static const unsigned short windows_1252[32] = {
	0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
	0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd, 0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
	0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178,
};

static int append_windows_1252(struct buffer *out, unsigned char byte)
{
	unsigned c = byte >= 0x80 && byte < 0xa0 ? windows_1252[byte - 0x80] : byte;
	char utf8[3];

	if (c < 0x80)
		return buffer_append_char(out, (char)c);
	if (c < 0x800) {
		utf8[0] = (char)(0xc0 | c >> 6);
		utf8[1] = (char)(0x80 | (c & 0x3f));
		return buffer_append(out, utf8, 2);
	}
	utf8[0] = (char)(0xe0 | c >> 12);
	utf8[1] = (char)(0x80 | (c >> 6 & 0x3f));
	utf8[2] = (char)(0x80 | (c & 0x3f));
	return buffer_append(out, utf8, 3);
}

void utf8_append_clean(struct buffer *out, const char *bytes, size_t length)
{
	size_t i = 0;

	while (i < length) {
		size_t run = utf8_char_length(bytes + i, length - i);
		int result;

		if (run > 0) {
			result = buffer_append(out, bytes + i, run);
		} else {
			result = append_windows_1252(out, (unsigned char)bytes[i]);
			run = 1;
		}
		if (result < 0)
			return;
		i += run;
	}
}

static const char REPLACEMENT[] = "\xef\xbf\xbd";

static void append_utf8(struct buffer *out, const char *bytes, size_t length)
{
	size_t i = 0;

	while (i < length) {
		size_t run = utf8_char_length(bytes + i, length - i);
		int result = run > 0 ? buffer_append(out, bytes + i, run)
		                     : buffer_append_text(out, REPLACEMENT);

		if (result < 0)
			return;
		i += run > 0 ? run : 1;
	}
}

/*
 * What mail calls it, and what iconv calls it or a superset of it that is what
 * clients really mean.  UTF-8 and windows-1252 are done here.
 */
static const struct charset {
	const char *name;
	const char *iconv_name;
} charsets[] = {
	{"utf-8", "UTF-8"},
	{"utf8", "UTF-8"},
	{"us-ascii", "WINDOWS-1252"},
	{"ascii", "WINDOWS-1252"},
	{"ansi_x3.4-1968", "WINDOWS-1252"},
	{"iso-8859-1", "WINDOWS-1252"},
	{"iso8859-1", "WINDOWS-1252"},
	{"iso_8859-1", "WINDOWS-1252"},
	{"latin1", "WINDOWS-1252"},
	{"windows-1252", "WINDOWS-1252"},
	{"cp1252", "WINDOWS-1252"},
	{"cp-1252", "WINDOWS-1252"},
	{"iso-8859-2", "ISO-8859-2"},
	{"iso-8859-3", "ISO-8859-3"},
	{"iso-8859-4", "ISO-8859-4"},
	{"iso-8859-5", "ISO-8859-5"},
	{"iso-8859-6", "ISO-8859-6"},
	{"iso-8859-7", "ISO-8859-7"},
	{"iso-8859-8", "ISO-8859-8"},
	{"iso-8859-8-i", "ISO-8859-8"},
	{"iso-8859-9", "WINDOWS-1254"},
	{"iso-8859-10", "ISO-8859-10"},
	{"iso-8859-11", "CP874"},
	{"iso-8859-13", "ISO-8859-13"},
	{"iso-8859-14", "ISO-8859-14"},
	{"iso-8859-15", "ISO-8859-15"},
	{"iso-8859-16", "ISO-8859-16"},
	{"windows-1250", "WINDOWS-1250"},
	{"windows-1251", "WINDOWS-1251"},
	{"windows-1253", "WINDOWS-1253"},
	{"windows-1254", "WINDOWS-1254"},
	{"windows-1255", "WINDOWS-1255"},
	{"windows-1256", "WINDOWS-1256"},
	{"windows-1257", "WINDOWS-1257"},
	{"windows-1258", "WINDOWS-1258"},
	{"windows-874", "CP874"},
	{"cp1250", "WINDOWS-1250"},
	{"cp1251", "WINDOWS-1251"},
	{"cp866", "CP866"},
	{"ibm866", "CP866"},
	{"cp850", "CP850"},
	{"tis-620", "CP874"},
	{"koi8-r", "KOI8-R"},
	{"koi8-u", "KOI8-U"},
	{"macintosh", "MACINTOSH"},
	{"gb2312", "GB18030"},
	{"gbk", "GB18030"},
	{"gb18030", "GB18030"},
	{"hz-gb-2312", "HZ"},
	{"big5", "BIG5-HKSCS"},
	{"big5-hkscs", "BIG5-HKSCS"},
	{"iso-2022-jp", "ISO-2022-JP-2"},
	{"iso-2022-jp-2", "ISO-2022-JP-2"},
	{"iso-2022-jp-ms", "CP50221"},
	{"shift_jis", "CP932"},
	{"shift-jis", "CP932"},
	{"x-sjis", "CP932"},
	{"sjis", "CP932"},
	{"windows-31j", "CP932"},
	{"cp932", "CP932"},
	{"euc-jp", "EUC-JP"},
	{"iso-2022-kr", "ISO-2022-KR"},
	{"euc-kr", "CP949"},
	{"ks_c_5601-1987", "CP949"},
	{"cp949", "CP949"},
	{"utf-7", "UTF-7"},
	{"unicode-1-1-utf-7", "UTF-7"},
};

static const char *charset_find(const char *name)
{
	for (size_t i = 0; i < sizeof charsets / sizeof charsets[0]; i++) {
		if (strcasecmp(charsets[i].name, name) == 0)
			return charsets[i].iconv_name;
	}
	return NULL;
}

static void append_iconv(struct buffer *out, iconv_t converter, const char *bytes, size_t length)
{
	char *in = (char *)bytes; /* iconv(3) takes char ** but does not write */
	size_t left = length;

	while (left > 0 && !out->is_full) {
		char chunk[1024];
		char *end = chunk;
		size_t room = sizeof chunk;
		size_t result = iconv(converter, &in, &left, &end, &room);
		int reason = errno;

		append_utf8(out, chunk, (size_t)(end - chunk));
		if (result != (size_t)-1)
			continue;
		if (reason == EILSEQ) {
			buffer_append_text(out, REPLACEMENT);
			in++;
			left--;
		} else if (reason != E2BIG) {
			buffer_append_text(out, REPLACEMENT);
			return;
		}
	}
}

int charset_append_utf8(struct buffer *out, const char *charset, const char *bytes, size_t length)
{
	const char *name = charset_find(charset);
	iconv_t converter;

	if (name == NULL)
		return 0;
	if (strcmp(name, "UTF-8") == 0) {
		append_utf8(out, bytes, length);
		return 1;
	}
	if (strcmp(name, "WINDOWS-1252") == 0) {
		for (size_t i = 0; i < length; i++) {
			if (append_windows_1252(out, (unsigned char)bytes[i]) < 0)
				break;
		}
		return 1;
	}
	converter = iconv_open("UTF-8", name);
	if (converter == (iconv_t)-1)
		return 0;
	append_iconv(out, converter, bytes, length);
	iconv_close(converter);
	return 1;
}
