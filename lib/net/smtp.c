#include "lib/net/smtp.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/memory.h"

#define ADDRESS_MAX_BYTES 320
#define REPLY_MAX_BYTES   1024
#define CLEAN_BYTES       200
/* Postfix closes idle sessions, under stress after 10 s: an older one is not used again. */
#define IDLE_MAX_S 5

struct smtp {
	CURL *easy;
	char *host_port;
	int64_t timeout_ms;
	/* The last reply but for the one to QUIT, which libcurl says on its own after a refusal. */
	int code;
	char reply[REPLY_MAX_BYTES]; /* untrusted: its last line, without the line end */
};

/* The message on its way out: prefix, then bytes, each LF made CRLF. */
struct upload {
	const char *parts[2];
	size_t lengths[2];
	size_t part, at;
	bool has_cr;   /* the last byte given out was a CR */
	bool is_ended; /* all was given out: libcurl may send the final dot */
};

struct smtp *smtp_new(const char *host_port, int64_t timeout_ms)
{
	struct smtp *smtp = xzalloc(sizeof(*smtp));

	smtp->host_port = xstrdup(host_port);
	smtp->timeout_ms = timeout_ms;
	return smtp;
}

void smtp_free(struct smtp *smtp)
{
	curl_socket_t open_socket;

	if (smtp == NULL)
		return;
	if (smtp->easy != NULL) {
		/* It says QUIT, and would wait two minutes for an answer: let it read an end. */
		if (curl_easy_getinfo(smtp->easy, CURLINFO_ACTIVESOCKET, &open_socket) ==
		            CURLE_OK &&
		    open_socket != CURL_SOCKET_BAD)
			shutdown(open_socket, SHUT_RD);
		curl_easy_cleanup(smtp->easy);
	}
	free(smtp->host_port);
	free(smtp);
}

/* The code of a reply's last line (RFC 5321 4.2.1), or 0. */
static int reply_code(const char *line, size_t length)
{
	int code = 0;
	size_t i;

	if (length < 3 || (length > 3 && line[3] != ' '))
		return 0;
	for (i = 0; i < 3; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		code = 10 * code + (line[i] - '0');
	}
	return code;
}

static size_t on_reply_line(char *bytes, size_t one, size_t length, void *context)
{
	struct smtp *smtp = context;
	size_t kept = length;
	int code;

	(void)one;
	while (kept > 0 && (bytes[kept - 1] == '\n' || bytes[kept - 1] == '\r'))
		kept--;
	code = reply_code(bytes, kept);
	if (code == 0 || code == 221)
		return length;
	if (kept > sizeof(smtp->reply) - 1)
		kept = sizeof(smtp->reply) - 1;
	memcpy(smtp->reply, bytes, kept);
	smtp->reply[kept] = '\0';
	smtp->code = code;
	return length;
}

static size_t on_body(char *bytes, size_t one, size_t length, void *context)
{
	(void)bytes;
	(void)one;
	(void)context;
	return length;
}

/* Copy up to the next bare LF, or as much as there is room for. */
static size_t copy_run(struct upload *upload, char *out, size_t room)
{
	const char *bytes = upload->parts[upload->part] + upload->at;
	size_t length = upload->lengths[upload->part] - upload->at;
	const char *lf;
	size_t at = 0;

	if (length > room)
		length = room;
	while ((lf = memchr(bytes + at, '\n', length - at)) != NULL) {
		at = (size_t)(lf - bytes);
		if (!(at > 0 ? bytes[at - 1] == '\r' : upload->has_cr)) {
			length = at;
			break;
		}
		at++;
	}
	memcpy(out, bytes, length);
	upload->at += length;
	if (length > 0)
		upload->has_cr = bytes[length - 1] == '\r';
	return length;
}

static size_t on_read(char *out, size_t size, size_t count, void *context)
{
	struct upload *upload = context;
	size_t room = size * count, written = 0;
	size_t length;

	while (written < room && upload->part < 2) {
		if (upload->at == upload->lengths[upload->part]) {
			upload->part++;
			upload->at = 0;
			continue;
		}
		length = copy_run(upload, out + written, room - written);
		written += length;
		if (length == 0) { /* a bare LF: the CR makes it an ordinary one */
			out[written++] = '\r';
			upload->has_cr = true;
		}
	}
	if (written == 0)
		upload->is_ended = true;
	return written;
}

static bool address_is_safe(const char *address)
{
	size_t length = strlen(address), i;

	if (length > ADDRESS_MAX_BYTES)
		return false;
	for (i = 0; i < length; i++)
		if ((unsigned char)address[i] < 0x21 || address[i] == 0x7f || address[i] == '<' ||
		    address[i] == '>')
			return false;
	return true;
}

static int set_up(struct smtp *smtp, struct error *err)
{
	CURLcode rc;
	char *url;

	if (smtp->easy == NULL)
		smtp->easy = curl_easy_init();
	if (smtp->easy == NULL)
		abort();                                         /* no memory */
	url = xasprintf("smtp://%s/localhost", smtp->host_port); /* its path is the EHLO name */
	curl_easy_setopt(smtp->easy, CURLOPT_NOSIGNAL, 1L);
	/*
	 * Without CURLOPT_INFILESIZE: libcurl compares it with what went out, stuffed
	 * dots included, and would end a message early when the two happen to meet.
	 */
	curl_easy_setopt(smtp->easy, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(smtp->easy, CURLOPT_TIMEOUT_MS, (long)smtp->timeout_ms);
	curl_easy_setopt(smtp->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)smtp->timeout_ms);
	/* The only one that holds for the QUIT after a refusal. */
	curl_easy_setopt(smtp->easy, CURLOPT_SERVER_RESPONSE_TIMEOUT,
	                 (long)(smtp->timeout_ms / 1000 + 1));
	curl_easy_setopt(smtp->easy, CURLOPT_MAXAGE_CONN, (long)IDLE_MAX_S);
	curl_easy_setopt(smtp->easy, CURLOPT_HEADERFUNCTION, on_reply_line);
	curl_easy_setopt(smtp->easy, CURLOPT_HEADERDATA, smtp);
	curl_easy_setopt(smtp->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(smtp->easy, CURLOPT_READFUNCTION, on_read);
	rc = curl_easy_setopt(smtp->easy, CURLOPT_PROTOCOLS_STR, "smtp");
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(smtp->easy, CURLOPT_PROXY,
		                      ""); /* none from the environment */
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(smtp->easy, CURLOPT_URL, url);
	free(url);
	if (rc != CURLE_OK)
		return error_set(err, ERROR_TEMPORARY, "cannot set up SMTP: %s",
		                 curl_easy_strerror(rc));
	return 0;
}

/* "250 2.0.0 Ok: queued as 4XYZ": the word after those two, if it is one. */
static void take_queue_id(const char *reply, char *out, size_t size)
{
	static const char before[] = "queued as ";
	const char *id = strstr(reply, before);
	size_t length;

	if (size == 0)
		return;
	out[0] = '\0';
	if (id == NULL)
		return;
	id += strlen(before);
	length = strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	if (length == 0 || length >= size)
		return;
	memcpy(out, id, length);
	out[length] = '\0';
}

static const char *clean(char *out, size_t size, const char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0' && i < size - 1; i++)
		out[i] = text[i] >= 0x20 && text[i] <= 0x7e ? text[i] : '?';
	out[i] = '\0';
	return out;
}

static int explain(const struct smtp *smtp, const struct upload *upload, CURLcode rc,
                   const char *error_text, struct error *err)
{
	const char *cause = error_text[0] != '\0' ? error_text : curl_easy_strerror(rc);
	char words[CLEAN_BYTES];

	if (smtp->code >= 400 && smtp->code <= 599)
		return error_set(err, smtp->code < 500 ? ERROR_TEMPORARY : ERROR_PERMANENT,
		                 "cannot hand the message to %s: it answered \"%s\"",
		                 smtp->host_port, clean(words, sizeof(words), smtp->reply));
	if (upload->is_ended)
		return error_set(err, ERROR_UNCERTAIN,
		                 "%s may or may not have taken the message: %s", smtp->host_port,
		                 cause);
	return error_set(err, ERROR_TEMPORARY, "cannot hand the message to %s: %s", smtp->host_port,
	                 cause);
}

int smtp_send(struct smtp *smtp, const char *sender, const char *recipient, const char *prefix,
              size_t prefix_length, const char *bytes, size_t length, char *queue_id_out,
              size_t queue_id_size, struct error *err)
{
	struct upload upload = {.parts = {prefix, bytes}, .lengths = {prefix_length, length}};
	char error_text[CURL_ERROR_SIZE] = "";
	struct curl_slist *recipients;
	CURLcode rc;

	if (!address_is_safe(sender) || !address_is_safe(recipient) || recipient[0] == '\0')
		return error_set(err, ERROR_PERMANENT,
		                 "cannot send a message: its sender or recipient is no address");
	if (set_up(smtp, err) != 0)
		return -1;
	recipients = curl_slist_append(NULL, recipient);
	if (recipients == NULL)
		abort(); /* no memory */
	smtp->reply[0] = '\0';
	smtp->code = 0;
	curl_easy_setopt(smtp->easy, CURLOPT_ERRORBUFFER, error_text);
	curl_easy_setopt(smtp->easy, CURLOPT_READDATA, &upload);
	curl_easy_setopt(smtp->easy, CURLOPT_MAIL_RCPT, recipients);
	rc = curl_easy_setopt(smtp->easy, CURLOPT_MAIL_FROM, sender);
	if (rc == CURLE_OK)
		rc = curl_easy_perform(smtp->easy);
	if (rc == CURLE_OK)
		take_queue_id(smtp->reply, queue_id_out, queue_id_size);
	else
		explain(smtp, &upload, rc, error_text, err);
	/* They live on this stack, the connection does not. */
	curl_easy_setopt(smtp->easy, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(smtp->easy, CURLOPT_READDATA, NULL);
	curl_easy_setopt(smtp->easy, CURLOPT_MAIL_RCPT, NULL);
	curl_slist_free_all(recipients);
	return rc == CURLE_OK ? 0 : -1;
}
