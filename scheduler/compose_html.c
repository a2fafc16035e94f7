#include "scheduler/compose_html.h"

#include <string.h>

void html_begin(struct buffer *out)
{
	buffer_append_text(
		out,
		"<!DOCTYPE html>\n"
		"<html lang=\"en\" style=\"color-scheme:light dark\">\n"
		"<head>\n"
		"<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n"
		"<meta name=\"supported-color-schemes\" content=\"light dark\">\n"
		"</head>\n"
		"<body style=\"margin:0;padding:0\">\n"
		"<div style=\"max-width:600px;margin:0 auto;padding:16px;"
		"font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
		"font-size:16px;line-height:1.5;" HTML_WRAP "\">\n");
}

void html_end(struct buffer *out)
{
	buffer_append_text(out, "</div>\n</body>\n</html>\n");
}

void html_append_escaped(struct buffer *out, const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "&<>\"'");

		buffer_append(out, text, length);
		text += length;
		switch (*text) {
		case '&':
			buffer_append_text(out, "&amp;");
			break;
		case '<':
			buffer_append_text(out, "&lt;");
			break;
		case '>':
			buffer_append_text(out, "&gt;");
			break;
		case '"':
			buffer_append_text(out, "&quot;");
			break;
		case '\'':
			buffer_append_text(out, "&#39;");
			break;
		default:
			return;
		}
		text++;
	}
}

void html_append_isolated(struct buffer *out, const char *text)
{
	buffer_append_text(out, "<bdi dir=\"auto\">");
	html_append_escaped(out, text);
	buffer_append_text(out, "</bdi>");
}
