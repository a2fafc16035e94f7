#include "lib/net/connection_internal.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/memory.h"

struct connection {
	CURL *easy;
	curl_socket_t socket;
	int64_t idle_timeout_ms;
	int64_t total_timeout_ms;
	int64_t deadline_ms; /* 0: none */
	uint64_t sent_bytes;
	int (*on_idle)(void *context, struct error *err);
	void *idle_context;
	size_t start, end; /* of what is pending */
	char bytes[CONNECTION_BUFFER_BYTES];
};

void connection_start_up(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort(); /* there is no cause but a lack of memory or a broken libcrypto */
}

void connection_shut_down(void)
{
	curl_global_cleanup();
}

int64_t connection_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t on_header(char *bytes, size_t one, size_t length, void *context)
{
	struct connection_attempt *attempt = context;

	(void)one;
	if (attempt != NULL && attempt->on_line != NULL)
		attempt->on_line(attempt->context, bytes, length);
	return length;
}

static size_t on_body(char *bytes, size_t one, size_t length, void *context)
{
	(void)bytes;
	(void)one;
	(void)context;
	return length;
}

/* So that nothing of the configuration can be taken for another part of a URL. */
static bool host_is_plain(const char *host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";

	return host[0] != '\0' && host[strspn(host, allowed)] == '\0';
}

/* What libcurl wants to be told of a protocol. */
static const struct {
	const char *scheme, *tls_scheme;
	const char *path; /* of SMTP: what EHLO says */
	const char *allowed;
	const char *login_options; /* its own choice would take APOP or CRAM-MD5 */
} protocols[] = {
	[CONNECTION_POP3] = {"pop3", "pop3s", "", "pop3,pop3s", "AUTH=PLAIN"},
	[CONNECTION_SMTP] = {"smtp", "smtps", "localhost", "smtp,smtps", "AUTH=PLAIN;AUTH=LOGIN"},
};

static char *make_url(const struct server *server, enum connection_protocol protocol)
{
	bool is_ipv6 = strchr(server->host, ':') != NULL;

	return xasprintf("%s://%s%s%s:%u/%s",
	                 server->security == SECURITY_TLS ? protocols[protocol].tls_scheme
	                                                  : protocols[protocol].scheme,
	                 is_ipv6 ? "[" : "", server->host, is_ipv6 ? "]" : "",
	                 (unsigned)server->port, protocols[protocol].path);
}

static CURLcode set_up_tls(CURL *easy, const struct server *server)
{
	CURLcode rc = CURLE_OK;

	curl_easy_setopt(easy, CURLOPT_USE_SSL,
	                 server->security == SECURITY_NONE ? (long)CURLUSESSL_NONE
	                                                   : (long)CURLUSESSL_ALL);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	rc = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (rc == CURLE_OK && server->ca_file != NULL) {
		rc = curl_easy_setopt(easy, CURLOPT_CAINFO, server->ca_file);
		/* Else the system's certificates would count beside it. */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (rc == CURLE_OK && server->certificate_ends_at_out != NULL)
		rc = curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
	return rc;
}

static CURLcode set_up_sign_in(CURL *easy, const struct server *server,
                               enum connection_protocol protocol)
{
	CURLcode rc;

	rc = curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, protocols[protocol].login_options);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(easy, CURLOPT_USERNAME, server->username);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(easy, CURLOPT_PASSWORD,
		                      server->password != NULL ? server->password : "");
	/* Some servers want the two steps of RFC 5034. */
	curl_easy_setopt(easy, CURLOPT_SASL_IR, 0L);
	return rc;
}

static CURLcode set_up(CURL *easy, const struct server *server, struct connection_attempt *attempt,
                       const char *url, char *error_text)
{
	int64_t left_ms = attempt->deadline_ms - connection_now_ms();
	CURLcode rc;

	if (left_ms < 1)
		left_ms = 1; /* 0 would mean libcurl's default of 300 s */
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)left_ms);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
	curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)(left_ms / 1000 + 1));
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, attempt);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	rc = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols[attempt->protocol].allowed);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* none from the environment */
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(easy, CURLOPT_URL, url);
	if (rc == CURLE_OK)
		rc = set_up_tls(easy, server);
	if (rc == CURLE_OK && attempt->is_signing_in)
		rc = set_up_sign_in(easy, server, attempt->protocol);
	return rc;
}

/* Until when the first of its certificates to end is good, 0 if that is not known. */
static int64_t certificates_end(CURL *easy)
{
	static const char field[] = "Expire date:";
	struct curl_certinfo *chain = NULL;
	int64_t earliest = 0;

	if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL)
		return 0;
	for (int i = 0; i < chain->num_of_certs; i++) {
		for (const struct curl_slist *at = chain->certinfo[i]; at != NULL; at = at->next) {
			int64_t ends_at = 0;

			if (strncmp(at->data, field, sizeof(field) - 1) == 0)
				ends_at = curl_getdate(at->data + sizeof(field) - 1, NULL);
			if (ends_at > 0 && (earliest == 0 || ends_at < earliest))
				earliest = ends_at;
		}
	}
	return earliest;
}

static enum error_kind kind_of(CURLcode rc)
{
	switch (rc) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_USE_SSL_FAILED:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_NOT_BUILT_IN:
	case CURLE_UNKNOWN_OPTION:
		return ERROR_CONFIG;
	default:
		return ERROR_TEMPORARY;
	}
}

struct connection *connection_open(const struct server *server, struct connection_attempt *attempt,
                                   struct error *err)
{
	char error_text[CURL_ERROR_SIZE] = "";
	struct connection *connection;
	char *url;
	CURLcode rc;

	attempt->is_refused = false;
	attempt->is_denied = false;
	if (!host_is_plain(server->host)) {
		error_set(err, ERROR_CONFIG, "cannot connect: found host \"%s\", expected a name",
		          server->host);
		return NULL;
	}
	connection = xzalloc(sizeof(*connection));
	connection->idle_timeout_ms = server->idle_timeout_ms;
	connection->total_timeout_ms = server->total_timeout_ms;
	connection->easy = curl_easy_init();
	if (connection->easy == NULL)
		abort(); /* no memory */
	url = make_url(server, attempt->protocol);
	rc = set_up(connection->easy, server, attempt, url, error_text);
	free(url);
	if (rc == CURLE_OK)
		rc = curl_easy_perform(connection->easy);
	if (rc == CURLE_OK)
		rc = curl_easy_getinfo(connection->easy, CURLINFO_ACTIVESOCKET,
		                       &connection->socket);
	/* It lives on this stack and is not used again. */
	curl_easy_setopt(connection->easy, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(connection->easy, CURLOPT_HEADERDATA, NULL);
	if (rc == CURLE_OK && server->certificate_ends_at_out != NULL)
		*server->certificate_ends_at_out = certificates_end(connection->easy);
	if (rc == CURLE_OK)
		return connection;

	attempt->is_denied = rc == CURLE_LOGIN_DENIED;
	attempt->is_refused = attempt->is_denied || rc == CURLE_WEIRD_SERVER_REPLY;
	error_set(err, kind_of(rc), "cannot connect: %s",
	          error_text[0] != '\0' ? error_text : curl_easy_strerror(rc));
	connection_close(connection);
	return NULL;
}

void connection_close(struct connection *connection)
{
	if (connection == NULL)
		return;
	curl_easy_cleanup(connection->easy);
	free(connection);
}

void connection_begin_reply(struct connection *connection)
{
	connection->deadline_ms = connection->total_timeout_ms > 0
	                                  ? connection_now_ms() + connection->total_timeout_ms
	                                  : 0;
}

void connection_set_deadline(struct connection *connection, int64_t deadline_ms)
{
	connection->deadline_ms = deadline_ms;
}

void connection_set_idle(struct connection *connection,
                         int (*on_idle)(void *context, struct error *err), void *context)
{
	connection->on_idle = on_idle;
	connection->idle_context = context;
}

static int check_deadline(const struct connection *connection, struct error *err)
{
	if (connection->deadline_ms != 0 && connection_now_ms() >= connection->deadline_ms)
		return error_set(err, ERROR_TEMPORARY, "the server took too long for one reply");
	return 0;
}

/* Wait until the socket can be read or written, idle_timeout_ms at most. */
static int wait_for_socket(const struct connection *connection, short events, struct error *err)
{
	struct pollfd poll_fd = {.fd = connection->socket, .events = events};
	int64_t now = connection_now_ms();
	int64_t idle_end = connection->idle_timeout_ms > 0 ? now + connection->idle_timeout_ms : 0;
	int64_t end, wait_ms;
	int ready;

	do {
		if (check_deadline(connection, err) != 0)
			return -1;
		now = connection_now_ms();
		if (idle_end != 0 && now >= idle_end)
			return error_set(err, ERROR_TEMPORARY, "the server was silent for %lld ms",
			                 (long long)connection->idle_timeout_ms);
		end = idle_end;
		if (connection->deadline_ms != 0 && (end == 0 || connection->deadline_ms < end))
			end = connection->deadline_ms;
		wait_ms = end == 0 ? -1 : end - now;
		if (wait_ms > 3600 * 1000)
			wait_ms = 3600 * 1000;
		if (connection->on_idle != NULL && (wait_ms < 0 || wait_ms > CONNECTION_QUIET_MS))
			wait_ms = CONNECTION_QUIET_MS;
		ready = poll(&poll_fd, 1, (int)wait_ms);
		if (ready < 0 && errno != EINTR)
			return error_set(err, ERROR_TEMPORARY, "cannot wait for the server: %s",
			                 strerror(errno));
		if (ready == 0 && connection->on_idle != NULL &&
		    connection->on_idle(connection->idle_context, err) != 0)
			return -1;
	} while (ready <= 0);
	return 0;
}

int connection_send(struct connection *connection, const char *bytes, size_t length,
                    struct error *err)
{
	size_t done;
	CURLcode rc;

	while (length > 0) {
		done = 0;
		rc = curl_easy_send(connection->easy, bytes, length, &done);
		if (rc == CURLE_AGAIN || (rc == CURLE_OK && done == 0)) {
			if (wait_for_socket(connection, POLLOUT, err) != 0)
				return -1;
			continue;
		}
		if (rc != CURLE_OK)
			return error_set(err, ERROR_TEMPORARY, "cannot send to the server: %s",
			                 curl_easy_strerror(rc));
		bytes += done;
		length -= done;
		connection->sent_bytes += done;
	}
	return 0;
}

uint64_t connection_sent_bytes(const struct connection *connection)
{
	return connection->sent_bytes;
}

const char *connection_pending(const struct connection *connection, size_t *length_out)
{
	*length_out = connection->end - connection->start;
	return connection->bytes + connection->start;
}

void connection_consume(struct connection *connection, size_t length)
{
	connection->start += length;
	if (connection->start == connection->end)
		connection->start = connection->end = 0;
}

/* Make room behind what is pending. Returns how much there is. */
static size_t make_room(struct connection *connection)
{
	size_t length = connection->end - connection->start;

	memmove(connection->bytes, connection->bytes + connection->start, length);
	connection->start = 0;
	connection->end = length;
	return sizeof(connection->bytes) - length;
}

int connection_fill(struct connection *connection, struct error *err)
{
	size_t room = make_room(connection);
	size_t received;
	CURLcode rc;

	if (room == 0)
		return error_set(err, ERROR_TEMPORARY, "the receive buffer is full");
	for (;;) {
		/* Also when bytes keep coming, poll is never asked then. */
		if (check_deadline(connection, err) != 0)
			return -1;
		received = 0;
		rc = curl_easy_recv(connection->easy, connection->bytes + connection->end, room,
		                    &received);
		if (rc != CURLE_AGAIN)
			break;
		if (wait_for_socket(connection, POLLIN, err) != 0)
			return -1;
	}
	if (rc != CURLE_OK)
		return error_set(err, ERROR_TEMPORARY, "the connection broke: %s",
		                 curl_easy_strerror(rc));
	if (received == 0)
		return error_set(err, ERROR_TEMPORARY, "the server closed the connection");
	connection->end += received;
	return 0;
}

bool connection_has_arrived(struct connection *connection)
{
	size_t room = make_room(connection);
	size_t received = 0;
	CURLcode rc;

	if (connection->end > 0)
		return true;
	rc = curl_easy_recv(connection->easy, connection->bytes, room, &received);
	connection->end = received;
	return rc != CURLE_AGAIN;
}

int connection_read_line(struct connection *connection, char *line, size_t max_bytes,
                         size_t *length_out, struct error *err)
{
	const char *pending, *lf;
	size_t length;

	for (;;) {
		pending = connection_pending(connection, &length);
		lf = memchr(pending, '\n', length);
		if (lf != NULL)
			length = (size_t)(lf - pending);
		if (length > max_bytes)
			return error_set(err, ERROR_TEMPORARY,
			                 "the server sent a reply line of over %zu bytes",
			                 max_bytes);
		if (lf != NULL)
			break;
		if (connection_fill(connection, err) != 0)
			return -1;
	}
	memcpy(line, pending, length);
	connection_consume(connection, length + 1);
	if (length > 0 && line[length - 1] == '\r')
		length--;
	line[length] = '\0';
	*length_out = length;
	return 0;
}
