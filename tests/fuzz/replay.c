/*
 * The main of every fuzz entry: feeds the files named as arguments, and the files
 * of directories named, to LLVMFuzzerTestOneInput once each.  With clang's
 * -fsanitize=fuzzer an entry is linked without it.
 */

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/memory.h"

#define INPUT_MAX_BYTES (16L * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *exact;
	uint8_t *data;
	size_t size;

	if (file == NULL) {
		perror(path);
		return -1;
	}
	data = xmalloc(INPUT_MAX_BYTES);
	size = fread(data, 1, INPUT_MAX_BYTES, file);
	fclose(file);
	/* A block of the very size, so that a byte read behind it shows. */
	exact = xmalloc(size > 0 ? size : 1);
	memcpy(exact, data, size);
	free(data);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

/* Returns how many files were fed, or -1. */
static int replay_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int count = 0;

	if (directory == NULL) {
		perror(path);
		return -1;
	}
	while (count >= 0 && (entry = readdir(directory)) != NULL) {
		char *file = xasprintf("%s/%s", path, entry->d_name);
		struct stat status;

		if (stat(file, &status) == 0 && S_ISREG(status.st_mode))
			count = replay_file(file) < 0 ? -1 : count + 1;
		free(file);
	}
	closedir(directory);
	return count;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash == NULL ? argv[0] : slash + 1;
	int total = 0;

	for (int i = 1; i < argc; i++) {
		struct stat status;
		bool is_directory = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
		int count = is_directory ? replay_directory(argv[i]) : replay_file(argv[i]) + 1;

		if (count < 0 || (!is_directory && count == 0))
			return 1;
		total += count;
	}
	if (total == 0) {
		fprintf(stderr, "%s: no inputs\n", name);
		return 1;
	}
	printf("%s: %d inputs\n", name, total);
	return 0;
}
