#include <stdio.h>

#include "ctl/command.h"

int command_config(struct invocation *invocation)
{
	struct config *config;
	int status;

	if (!command_arguments(invocation, NULL, 0, 0, &status))
		return status;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	status = 0;
	for (size_t i = 0; i < config->troubles.count; i++) {
		command_complain("%s", config->troubles.items[i]);
		status = EX_CONFIG;
	}
	config_print(config, stdout);
	config_free(config);
	return status;
}
