#include "ctl/postconf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/postconf_expand.h"
#include "lib/base/buffer.h"
#include "lib/base/command.h"
#include "lib/base/memory.h"

#define TIMEOUT_MS 20000
#define MAX_BYTES  (1024 * 1024)
#define TYPE_AT    1
#define CHROOT_AT  4
#define COMMAND_AT 7
#define WORDS      8

struct pair {
	char *name, *value;
};

struct pairs {
	struct pair *items;
	size_t count;
};

struct service {
	struct postconf_service shown;
	struct pairs overrides;
	char *line, *words; /* words: the line, cut into what shown points to */
};

struct postconf {
	char *directory;
	struct pairs own, raw, expanded; /* of main.cf: the file, with defaults, without $names */
	struct service *services;
	size_t service_count;
	struct string_list *answers; /* expanded for a service, so that they can be lent */
};

static void pairs_set(struct pairs *pairs, char *name, char *value)
{
	for (size_t i = 0; i < pairs->count; i++) {
		if (strcmp(pairs->items[i].name, name) == 0) {
			free(name);
			free(pairs->items[i].value);
			pairs->items[i].value = value;
			return;
		}
	}
	pairs->items = xreallocarray(pairs->items, pairs->count + 1, sizeof(*pairs->items));
	pairs->items[pairs->count++] = (struct pair){name, value};
}

static const char *pairs_get(const struct pairs *pairs, const char *name)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (strcmp(pairs->items[i].name, name) == 0)
			return pairs->items[i].value;
	return NULL;
}

static void pairs_release(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->items[i].name);
		free(pairs->items[i].value);
	}
	free(pairs->items);
}

/* A heap copy without the blanks at both ends. */
static char *trimmed(const char *text, size_t length)
{
	while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL)
		length--;
	while (length > 0 && strchr(" \t", *text) != NULL) {
		text++;
		length--;
	}
	return xmemdup0(text, length);
}

/* Lines of "name = value". */
static void add_line(struct pairs *pairs, const char *line, size_t length)
{
	const char *equals = memchr(line, '=', length);
	size_t name_length = equals != NULL ? (size_t)(equals - line) : 0;

	if (equals != NULL)
		pairs_set(pairs, trimmed(line, name_length),
		          trimmed(equals + 1, length - name_length - 1));
}

static void parse_pairs(struct pairs *pairs, const char *text)
{
	while (text != NULL && *text != '\0') {
		size_t length = strcspn(text, "\n");

		add_line(pairs, text, length);
		text += length + (text[length] == '\n');
	}
}

/* The file: comments, and values that go on in lines that begin with a blank. */
static void parse_main(struct pairs *pairs, const char *text)
{
	struct buffer logical;

	buffer_init(&logical, MAX_BYTES);
	while (text != NULL && *text != '\0') {
		size_t length = strcspn(text, "\n"), blanks = strspn(text, " \t\r");
		bool is_comment = blanks >= length || text[blanks] == '#';

		if (!is_comment && blanks == 0) {
			add_line(pairs, logical.data, logical.length);
			buffer_clear(&logical);
		}
		if (!is_comment) {
			char *piece = trimmed(text, length);

			if (blanks > 0)
				buffer_append_char(&logical, ' ');
			buffer_append_text(&logical, piece);
			free(piece);
		}
		text += length + (text[length] == '\n');
	}
	add_line(pairs, logical.data, logical.length);
	buffer_release(&logical);
}

static void add_service(struct postconf *postconf, const char *line, size_t length)
{
	struct service service = {.line = xmemdup0(line, length), .words = xmemdup0(line, length)};
	char *words[WORDS], *rest = service.words;
	size_t count = 0;

	for (; count < WORDS && *(rest += strspn(rest, " \t")) != '\0'; count++) {
		words[count] = rest;
		rest += strcspn(rest, " \t");
		if (*rest != '\0')
			*rest++ = '\0';
	}
	if (count < WORDS) {
		free(service.line);
		free(service.words);
		return;
	}
	service.shown = (struct postconf_service){
		.name = words[0],
		.type = words[TYPE_AT],
		.command = words[COMMAND_AT],
		.is_chrooted =
			words[CHROOT_AT][0] == 'y' ||
			(words[CHROOT_AT][0] == '-' &&
	                 strtol(postconf_value(postconf, "compatibility_level"), NULL, 10) < 1),
		.line = service.line};
	postconf->services = xreallocarray(postconf->services, postconf->service_count + 1,
	                                   sizeof(*postconf->services));
	postconf->services[postconf->service_count++] = service;
}

/* A line "name/type/parameter = value". */
static void add_override(struct postconf *postconf, const char *line, size_t length)
{
	for (size_t i = 0; i < postconf->service_count; i++) {
		struct service *service = &postconf->services[i];
		size_t name = strlen(service->shown.name), type = strlen(service->shown.type);

		if (name + type + 2 < length && strncmp(line, service->shown.name, name) == 0 &&
		    line[name] == '/' && strncmp(line + name + 1, service->shown.type, type) == 0 &&
		    line[name + 1 + type] == '/')
			add_line(&service->overrides, line + name + type + 2,
			         length - name - type - 2);
	}
}

struct postconf *postconf_parse(const char *directory, const struct postconf_text *text)
{
	struct postconf *postconf = xzalloc(sizeof(*postconf));
	const char *line;
	size_t length;

	postconf->directory = xstrdup(directory);
	postconf->answers = xzalloc(sizeof(*postconf->answers));
	parse_main(&postconf->own, text->main_cf);
	parse_pairs(&postconf->raw, text->raw);
	parse_pairs(&postconf->expanded, text->expanded);
	for (line = text->services; line != NULL && *line != '\0';
	     line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		add_service(postconf, line, length);
	}
	for (line = text->overrides; line != NULL && *line != '\0';
	     line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		add_override(postconf, line, length);
	}
	return postconf;
}

void postconf_free(struct postconf *postconf)
{
	if (postconf == NULL)
		return;
	for (size_t i = 0; i < postconf->service_count; i++) {
		pairs_release(&postconf->services[i].overrides);
		free(postconf->services[i].line);
		free(postconf->services[i].words);
	}
	free(postconf->services);
	pairs_release(&postconf->own);
	pairs_release(&postconf->raw);
	pairs_release(&postconf->expanded);
	string_list_release(postconf->answers);
	free(postconf->answers);
	free(postconf->directory);
	free(postconf);
}

/* Its last complaint, "postconf: fatal: " and the like taken off, in place of "exit status 1". */
static int explain(char *output, struct error *err)
{
	char *last = NULL, *next = output, *line;

	while ((line = strsep(&next, "\n")) != NULL)
		if (*line != '\0')
			last = line;
	if (last == NULL)
		return -1;
	for (const char *const *prefix =
	             (const char *const[]){"postconf: ", "fatal: ", "error: ", NULL};
	     *prefix != NULL; prefix++)
		if (strncmp(last, *prefix, strlen(*prefix)) == 0)
			last += strlen(*prefix);
	return error_set(err, ERROR_TEMPORARY, "read Postfix's configuration: %s", last);
}

/* Run postconf with one option at most. A heap string, or NULL with *err. */
static char *run(const char *directory, const char *option, struct error *err)
{
	const char *argv[] = {"postconf", "-c", directory, option, NULL};
	struct error again;
	char *output;
	size_t length;

	if (directory == NULL) {
		argv[1] = option;
		argv[2] = NULL;
	}
	/* Its warnings are no part of what is read: they are looked at only if it fails. */
	if (command_output_argv(argv, COMMAND_STDERR_DROPPED, TIMEOUT_MS, MAX_BYTES, &output,
	                        &length, err) == 0)
		return output;
	if (err->kind == ERROR_CONFIG) {
		error_set(err, ERROR_CONFIG, "found no postconf in PATH: is Postfix installed?");
	} else if (command_output_argv(argv, COMMAND_STDERR_WITH_OUTPUT, TIMEOUT_MS, MAX_BYTES,
	                               &output, &length, &again) < 0 &&
	           output != NULL) {
		explain(output, err);
	}
	free(output);
	return NULL;
}

static char *read_file(const char *directory, const char *name, struct error *err)
{
	char *path = xasprintf("%s/%s", directory, name), piece[4096];
	FILE *stream = fopen(path, "re");
	struct buffer text;
	size_t got;

	buffer_init(&text, MAX_BYTES);
	if (stream == NULL) {
		error_set(err, ERROR_TEMPORARY, "read %s: %s", path, strerror(errno));
		goto failed;
	}
	while ((got = fread(piece, 1, sizeof(piece), stream)) > 0)
		buffer_append(&text, piece, got);
	if (ferror(stream) || text.is_full) {
		error_set(err, ERROR_TEMPORARY, "read %s: %s", path,
		          text.is_full ? "it is too large" : strerror(errno));
		goto failed;
	}
	fclose(stream);
	free(path);
	return buffer_take(&text);
failed:
	if (stream != NULL)
		fclose(stream);
	free(path);
	buffer_release(&text);
	return NULL;
}

/* Where main.cf stands, an absolute path on the heap, or NULL with *err. */
static char *find_directory(const char *raw, struct error *err)
{
	struct pairs pairs = {0};
	char *directory = NULL;
	const char *value;

	parse_pairs(&pairs, raw);
	value = pairs_get(&pairs, "config_directory");
	if (value == NULL)
		error_set(err, ERROR_TEMPORARY, "postconf does not say config_directory");
	else if ((directory = realpath(value, NULL)) == NULL)
		error_set(err, ERROR_TEMPORARY, "read %s: %s", value, strerror(errno));
	pairs_release(&pairs);
	return directory;
}

struct postconf *postconf_read(const char *directory, struct error *err)
{
	static const char *const options[] = {NULL, "-x", "-M", "-P"};
	char *texts[4] = {0}, *main_cf = NULL, *absolute = NULL, *found = NULL;
	struct postconf *postconf = NULL;

	if (directory != NULL && (absolute = realpath(directory, NULL)) == NULL) {
		error_set(err, ERROR_TEMPORARY, "read %s: %s", directory, strerror(errno));
		return NULL;
	}
	for (size_t i = 0; i < 4; i++)
		if ((texts[i] = run(absolute, options[i], err)) == NULL)
			goto out;
	found = find_directory(texts[0], err);
	if (found == NULL || (main_cf = read_file(found, "main.cf", err)) == NULL)
		goto out;
	postconf = postconf_parse(found, &(struct postconf_text){.main_cf = main_cf,
	                                                         .raw = texts[0],
	                                                         .expanded = texts[1],
	                                                         .services = texts[2],
	                                                         .overrides = texts[3]});
out:
	for (size_t i = 0; i < 4; i++)
		free(texts[i]);
	free(absolute);
	free(found);
	free(main_cf);
	return postconf;
}

const char *postconf_directory(const struct postconf *postconf)
{
	return postconf->directory;
}

/* The file knows names that postconf does not print since nothing uses them. */
static const char *raw_value(const void *context, const char *parameter)
{
	const struct postconf *postconf = context;
	const char *value = pairs_get(&postconf->raw, parameter);

	return value != NULL ? value : pairs_get(&postconf->own, parameter);
}

char *postconf_expand(const struct postconf *postconf, const char *text)
{
	return postconf_expand_with(text, raw_value, postconf);
}

static const char *lend(const struct postconf *postconf, char *answer)
{
	string_list_take(postconf->answers, answer);
	return answer;
}

const char *postconf_value(const struct postconf *postconf, const char *parameter)
{
	const char *value = pairs_get(&postconf->expanded, parameter);

	if (value != NULL)
		return value;
	value = raw_value(postconf, parameter);
	return value != NULL ? lend(postconf, postconf_expand(postconf, value)) : "";
}

const char *postconf_own_value(const struct postconf *postconf, const char *parameter)
{
	return pairs_get(&postconf->own, parameter);
}

const char *postconf_raw_value(const struct postconf *postconf, const char *parameter)
{
	return raw_value(postconf, parameter);
}

bool postconf_is_yes(const struct postconf *postconf, const char *parameter)
{
	return strcmp(postconf_value(postconf, parameter), "yes") == 0;
}

size_t postconf_service_count(const struct postconf *postconf)
{
	return postconf->service_count;
}

const struct postconf_service *postconf_service(const struct postconf *postconf, size_t i)
{
	return &postconf->services[i].shown;
}

/* A service's view of the names. */
struct view {
	const struct postconf *postconf;
	const struct service *service;
	bool *is_special; /* set when an override was looked at */
};

static const char *service_lookup(const void *context, const char *name)
{
	const struct view *view = context;
	const char *value = pairs_get(&view->service->overrides, name);

	if (value == NULL && strcmp(name, "service_name") == 0)
		value = view->service->shown.name;
	if (value == NULL)
		return raw_value(view->postconf, name);
	*view->is_special = true;
	return value;
}

const char *postconf_service_own_value(const struct postconf *postconf, size_t i,
                                       const char *parameter)
{
	return pairs_get(&postconf->services[i].overrides, parameter);
}

const char *postconf_service_value(const struct postconf *postconf, size_t i, const char *parameter)
{
	bool is_special = false;
	struct view view = {postconf, &postconf->services[i], &is_special};
	const char *value = service_lookup(&view, parameter);
	char *expanded;

	if (value == NULL)
		return "";
	expanded = postconf_expand_with(value, service_lookup, &view);
	/* postconf itself knows more forms of $names. */
	if (!is_special) {
		free(expanded);
		return postconf_value(postconf, parameter);
	}
	return lend(postconf, expanded);
}
