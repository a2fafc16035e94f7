#include "ctl/arguments.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/output.h"

/* What getopt_long returns for flags[i], beyond all letters. */
#define FLAG_BASE 256

static const struct flag *find_flag(const struct flag *flags, int found)
{
	if (found >= FLAG_BASE)
		return &flags[found - FLAG_BASE];
	for (; flags->name != NULL; flags++)
		if (found == flags->letter && found != 0)
			return flags;
	return NULL;
}

static int refuse(const char *speaker, const struct flag *flags, int found, const char *argument)
{
	const struct flag *flag = find_flag(flags, optopt);

	if (found == ':')
		fprintf(stderr, "%s: option --%s needs a value\n", speaker, flag->name);
	else if (flag != NULL)
		fprintf(stderr, "%s: option --%s takes no value\n", speaker, flag->name);
	else if (optopt > ' ' && optopt < 0x7f)
		fprintf(stderr, "%s: unknown option -%c\n", speaker, optopt);
	else if (optopt != 0)
		fprintf(stderr, "%s: unknown option\n", speaker);
	else {
		char *clean = output_clean(argument);

		fprintf(stderr, "%s: unknown option %s\n", speaker, clean);
		free(clean);
	}
	return -1;
}

/* 0, or -1 after the sentence that it stands too often. */
static int take_value(const char *speaker, const struct flag *flag, const char *value)
{
	size_t at = 0;

	while (flag->is_given != NULL && at < FLAG_VALUES_MAX && flag->value[at] != NULL)
		at++;
	if (at == FLAG_VALUES_MAX) {
		fprintf(stderr, "%s: option --%s stands more than %d times\n", speaker, flag->name,
		        FLAG_VALUES_MAX);
		return -1;
	}
	flag->value[at] = value;
	return 0;
}

int arguments_read(const char *speaker, const struct flag *flags, bool is_ordered, int *argc,
                   char ***argv)
{
	struct option longs[FLAGS_MAX + 1] = {0};
	char shorts[2 * FLAGS_MAX + 3];
	size_t length = 0;
	int found;

	if (is_ordered)
		shorts[length++] = '+';
	shorts[length++] = ':';
	for (int i = 0; flags[i].name != NULL; i++) {
		assert(i < FLAGS_MAX);
		longs[i].name = flags[i].name;
		longs[i].has_arg = flags[i].value != NULL ? required_argument : no_argument;
		longs[i].val = FLAG_BASE + i;
		if (flags[i].letter != 0) {
			shorts[length++] = flags[i].letter;
			if (flags[i].value != NULL)
				shorts[length++] = ':';
		}
	}
	shorts[length] = '\0';

	opterr = 0;
	optind = 0; /* glibc: start afresh, the order of reading included */
	while ((found = getopt_long(*argc, *argv, shorts, longs, NULL)) != -1) {
		if (found == '?' || found == ':')
			return refuse(speaker, flags, found, (*argv)[optind - 1]);
		const struct flag *flag = find_flag(flags, found);
		if (flag->value != NULL && take_value(speaker, flag, optarg) < 0)
			return -1;
		if (flag->is_given != NULL)
			*flag->is_given = true;
	}
	*argc -= optind;
	*argv += optind;
	return 0;
}
