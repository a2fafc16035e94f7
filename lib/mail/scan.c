#include "lib/mail/scan.h"

bool scan_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool scan_comment(struct scan *scan)
{
	size_t depth = 0;

	if (scan->has_open_comment || scan->at >= scan->length || scan->bytes[scan->at] != '(')
		return false;
	for (size_t i = scan->at; i < scan->length; i++) {
		if (scan->bytes[i] == '\\') {
			i++;
		} else if (scan->bytes[i] == '(') {
			depth++;
		} else if (scan->bytes[i] == ')' && --depth == 0) {
			scan->at = i + 1;
			return true;
		}
	}
	scan->has_open_comment = true;
	return false;
}

bool scan_quoted(struct scan *scan)
{
	if (scan->has_open_quote || scan->at >= scan->length || scan->bytes[scan->at] != '"')
		return false;
	for (size_t i = scan->at + 1; i < scan->length; i++) {
		if (scan->bytes[i] == '\\') {
			i++;
		} else if (scan->bytes[i] == '"') {
			scan->at = i + 1;
			return true;
		}
	}
	scan->has_open_quote = true;
	return false;
}
