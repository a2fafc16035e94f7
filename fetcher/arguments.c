#include "fetcher/arguments.h"

#include <getopt.h>

#include "lib/base/directories.h"
#include "lib/base/version.h"

enum { OPTION_ONCE = 256, OPTION_DRY_RUN, OPTION_TEST };

int arguments_read(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
		{"help", no_argument, NULL, 'h'},
		{"once", no_argument, NULL, OPTION_ONCE},
		{"test", no_argument, NULL, OPTION_TEST},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	bool is_once = false, is_test = false;
	int option;

	*arguments = (struct arguments){.config_path = CONFIG_DEFAULT_PATH};
	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			arguments->config_path = optarg;
			break;
		case 'h':
			arguments->wants_help = true;
			break;
		case 'V':
			arguments->wants_version = true;
			break;
		case OPTION_ONCE:
			is_once = true;
			break;
		case OPTION_DRY_RUN:
			arguments->is_dry_run = true;
			break;
		case OPTION_TEST:
			is_test = true;
			break;
		default:
			return -1;
		}
	}
	if (arguments->wants_help || arguments->wants_version)
		return 0;
	if (argc - optind != (is_once || is_test ? 1 : 0) || (is_once && is_test) ||
	    (arguments->is_dry_run && !is_once))
		return -1;
	arguments->once = is_once ? argv[optind] : NULL;
	arguments->test = is_test ? argv[optind] : NULL;
	return 0;
}

int arguments_usage(FILE *stream, int status)
{
	fprintf(stream,
	        "usage: %s [-c FILE] [--once [--dry-run] NAME | --test NAME]\n"
	        "  -c, --config FILE  configuration (default %s)\n"
	        "  --once NAME        poll the inbox of this account now, and end\n"
	        "  --dry-run          only say what would be fetched and deleted\n"
	        "  --test NAME        try what this account says, for rejoinder account test\n"
	        "  -h, --help         this text\n"
	        "  -V, --version      version\n"
	        "Runs in the foreground. SIGUSR1 reads the configuration again, SIGTERM stops.\n",
	        ARGUMENTS_PROGRAM, CONFIG_DEFAULT_PATH);
	return status;
}
