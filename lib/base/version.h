#ifndef REJOINDER_BASE_VERSION_H
#define REJOINDER_BASE_VERSION_H

#define REJOINDER_VERSION "0.1.0"

#define CONFIG_DEFAULT_PATH "/etc/rejoinder/rejoinder.conf"

#endif
