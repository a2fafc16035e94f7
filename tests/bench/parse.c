/*
 * How many messages a core reads: header and parts, class, and the candidates for
 * its conversation, as the milter does, without Postfix and without a store.
 *
 * usage: parse CONFIG SECONDS FILE...
 *
 * Reads the files into memory and goes round them.  Prints one line: messages,
 * bytes, CPU seconds.  Files over 1 MB are left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/memory.h"
#include "milter/mail.h"
#include "milter/plan.h"

#define FILE_MAX_BYTES (1024 * 1024)

struct sample {
	char *bytes;
	size_t length;
};

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int read_sample(const char *path, struct sample *sample)
{
	FILE *stream = fopen(path, "rb");

	if (stream == NULL) {
		perror(path);
		exit(66);
	}
	sample->bytes = xmalloc(FILE_MAX_BYTES + 1);
	sample->length = fread(sample->bytes, 1, FILE_MAX_BYTES + 1, stream);
	fclose(stream);
	if (sample->length <= FILE_MAX_BYTES)
		return 1;
	free(sample->bytes);
	return 0;
}

/* As session.c does between MAIL and the end of the message, but for the store. */
static void read_message(const struct policy *policy, const struct sample *sample)
{
	struct mail *mail = mail_new(policy);
	struct plan plan;
	size_t body;

	mail->sender = xstrdup("customer@example.org");
	mail->received_at = time(NULL);
	mail_add_rcpt(mail, "<replies@company.test>");
	body = header_parse(&mail->header, sample->bytes, sample->length);
	buffer_append_cut(&mail->body, sample->bytes + body, sample->length - body);
	mail_read_header(mail);
	plan_route(&plan, mail);
	mail_read_body(mail);
	plan_record(&plan, mail);
	plan_release(&plan);
	mail_free(mail);
}

int main(int argc, char **argv)
{
	struct policy_holder *policies = policy_holder_new();
	const struct policy *policy;
	struct sample *samples;
	unsigned long long messages = 0, bytes = 0;
	size_t count = 0;
	double began, seconds;
	struct error err;

	if (argc < 4 || (seconds = atof(argv[2])) <= 0) {
		fprintf(stderr, "usage: parse CONFIG SECONDS FILE...\n");
		return 64;
	}
	if (policy_load(policies, argv[1], &err) != 0) {
		fprintf(stderr, "parse: %s\n", err.text);
		return 78;
	}
	policy = policy_acquire(policies);
	samples = xreallocarray(NULL, (size_t)argc, sizeof(*samples));
	for (int i = 3; i < argc; i++)
		count += (size_t)read_sample(argv[i], &samples[count]);
	if (count == 0)
		return 66;
	began = cpu_seconds();
	while (cpu_seconds() - began < seconds) {
		for (size_t i = 0; i < count; i++) {
			read_message(policy, &samples[i]);
			bytes += samples[i].length;
		}
		messages += count;
	}
	printf("%llu messages, %llu bytes, %.3f s\n", messages, bytes, cpu_seconds() - began);
	for (size_t i = 0; i < count; i++)
		free(samples[i].bytes);
	free(samples);
	policy_release(policies, policy);
	policy_holder_free(policies);
	return 0;
}
