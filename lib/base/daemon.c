#include "lib/base/daemon.h"

#include <getopt.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "lib/base/directories.h"
#include "lib/base/version.h"

static int usage(const char *program, FILE *stream, int status)
{
	fprintf(stream,
	        "usage: %s [-c FILE]\n"
	        "  -c, --config FILE  configuration (default %s)\n"
	        "  -h, --help         this text\n"
	        "  -V, --version      version\n"
	        "Runs in the foreground. SIGUSR1 reads the configuration again, SIGTERM stops.\n",
	        program, CONFIG_DEFAULT_PATH);
	return status;
}

int daemon_read_arguments(int argc, char **argv, const char *program, const char **config_path_out)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int option;

	*config_path_out = CONFIG_DEFAULT_PATH;
	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			*config_path_out = optarg;
			break;
		case 'h':
			return usage(program, stdout, EX_OK);
		case 'V':
			printf("%s %s\n", program, REJOINDER_VERSION);
			return EX_OK;
		default:
			return usage(program, stderr, EX_USAGE);
		}
	}
	return optind == argc ? -1 : usage(program, stderr, EX_USAGE);
}

void daemon_forbid_core_files(void)
{
	const struct rlimit none = {0, 0};

	/* Lowering a limit cannot fail. */
	(void)!setrlimit(RLIMIT_CORE, &none);
}
