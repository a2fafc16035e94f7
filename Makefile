# Rejoinder.  Two commands do everything, set-up included:
#	make demo	play the loop on a private Postfix, and show it
#	make check	build, and pass all tests (integration needs root)
# MODE=plain|asan|tsan chooses the build; CFLAGS and the directories are yours.

MODE ?= plain
CC = gcc
CFLAGS ?= -O2 -g
PYTHON ?= /usr/bin/python3

# Where things are installed, and where the programs look for their own by default.
# Postfix decides on SOCKETDIR: it lies in its queue_directory.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
LOCALSTATEDIR ?= /var
SOCKETDIR ?= $(LOCALSTATEDIR)/spool/postfix/rejoinder
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
DIRECTORIES = PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' LOCALSTATEDIR='$(LOCALSTATEDIR)' \
	SOCKETDIR='$(SOCKETDIR)' UNITDIR='$(UNITDIR)' SYSUSERSDIR='$(SYSUSERSDIR)' \
	TMPFILESDIR='$(TMPFILESDIR)' DESTDIR='$(DESTDIR)'

B = build/$(MODE)

WARNINGS = -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings -Wformat=2
ifdef CI
WARNINGS += -Werror
endif
ifdef WERROR
WARNINGS += -Werror
endif
MODE_plain = -fstack-protector-strong -D_FORTIFY_SOURCE=2
MODE_asan = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
MODE_tsan = -fsanitize=thread
MODE_fuzz = -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. $(WARNINGS) -pthread $(CFLAGS) $(MODE_$(MODE))
ALL_LDFLAGS = -pthread $(LDFLAGS) $(MODE_$(MODE))

LIBS = -linih -lsqlite3 -lcrypto
LIBS_milter = -lmilter
LIBS_ctl = -ljansson
LIBS_net = -lcurl

lib_sources := $(wildcard lib/*/*.c)
lib_objects := $(lib_sources:%.c=$(B)/%.o)
milter_objects := $(patsubst %.c,$(B)/%.o,$(wildcard milter/*.c))
fetcher_objects := $(patsubst %.c,$(B)/%.o,$(wildcard fetcher/*.c))
scheduler_objects := $(patsubst %.c,$(B)/%.o,$(wildcard scheduler/*.c))
ctl_objects := $(patsubst %.c,$(B)/%.o,$(wildcard ctl/*.c))

unit_tests := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
fuzz_tests := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
bench_tools := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(wildcard tests/bench/*.c))
fault_shims := $(patsubst tests/fault/%.c,$(B)/tests/fault/%.so,$(wildcard tests/fault/*.c))

programs := $(addprefix $(B)/bin/,rejoinder-milter rejoinder-fetcher rejoinder-scheduler rejoinder)
parts := $(addsuffix /parts.a,$(addprefix $(B)/,milter fetcher scheduler))

.PHONY: all deps deps-bench demo check check-unit check-fuzz check-integration lint bench bench-fetch bench-due fuzz run-fuzz torture install uninstall clean tests-build
all: $(programs)

deps:
	@build-aux/deps.sh

deps-bench:
	@build-aux/deps.sh --bench

demo:
	@build-aux/deps.sh
	@$(MAKE) --no-print-directory MODE=$(MODE) all
	@$(PYTHON) tests/integration/demo.py --build $(B) $(if $(KEEP),--keep)

check:
	@build-aux/deps.sh
	@$(MAKE) --no-print-directory MODE=$(MODE) all tests-build
	@$(PYTHON) tests/run.py --build $(B) unit fuzz integration

tests-build: $(unit_tests) $(fuzz_tests) $(bench_tools) $(fault_shims)

check-unit check-fuzz check-integration: check-%: all tests-build
	@$(PYTHON) tests/run.py --build $(B) $*

bench: all tests-build
	@$(PYTHON) tests/bench/parse.py --build $(B)
	@$(PYTHON) tests/bench/throughput.py --build $(B)

bench-fetch: all tests-build
	@$(PYTHON) tests/bench/fetch.py --build $(B)

bench-due: $(B)/tests/bench/due
	@$(B)/tests/bench/due

# Let libFuzzer look for inputs that break an entry, SECONDS each; what it keeps and what
# breaks stands in build/fuzz/found.
SECONDS ?= 60
fuzz:
	@build-aux/deps.sh --fuzz
	@$(MAKE) --no-print-directory MODE=fuzz CC=clang run-fuzz SECONDS=$(SECONDS) ONLY='$(ONLY)'

run-fuzz: $(fuzz_tests)
	@build-aux/fuzz.sh $(B) $(SECONDS) $(ONLY)

# The long forms of what `make check` does in short.
torture: all tests-build
	@$(PYTHON) tests/run.py --build $(B) --long integration

lint:
	@build-aux/deps.sh
	@build-aux/lint.sh

# `sudo make install` builds nothing as root that `make` has built.
install: all
	@$(DIRECTORIES) build-aux/install.sh install $(programs)

# Leaves configuration, store and keys; with PURGE=1 these go too.
uninstall:
	@$(DIRECTORIES) PURGE='$(PURGE)' FORCE='$(FORCE)' build-aux/install.sh uninstall $(programs)

clean:
	rm -rf build

$(B)/bin/rejoinder-milter: $(milter_objects) $(B)/librejoinder.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_milter) $(LIBS)

$(B)/bin/rejoinder-fetcher: $(fetcher_objects) $(B)/librejoinder.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_net) $(LIBS)

$(B)/bin/rejoinder-scheduler: $(scheduler_objects) $(B)/librejoinder.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_net) $(LIBS)

# `rejoinder explain` decides with the milter's own parts.
$(B)/bin/rejoinder: $(ctl_objects) $(B)/milter/parts.a $(B)/librejoinder.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS_ctl) $(LIBS)

$(B)/librejoinder.a: $(lib_objects)
	@rm -f $@
	ar rcs $@ $^

# What unit tests may use of a program: all but its main and libmilter's callbacks.
$(B)/milter/parts.a: $(milter_objects)
$(B)/fetcher/parts.a: $(fetcher_objects)
$(B)/scheduler/parts.a: $(scheduler_objects)
$(B)/%/parts.a:
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $(filter-out %/main.o %/server.o,$^)

# The command's own way of printing.
$(B)/tests/unit/test_output: $(B)/ctl/output.o $(B)/ctl/table.o
$(B)/tests/unit/test_postconf $(B)/tests/unit/test_setup_plan \
$(B)/tests/unit/test_setup_services $(B)/tests/unit/test_doctor: \
	$(addprefix $(B)/ctl/,postconf.o postconf_milters.o postconf_expand.o postconf_duty.o)
$(B)/tests/unit/test_setup_plan $(B)/tests/unit/test_setup_services: $(addprefix $(B)/ctl/, \
	setup_plan.o setup_services.o setup_own_services.o setup_milter.o setup_lists.o \
	relay_map.o)
$(B)/tests/unit/test_probe $(B)/tests/unit/test_recipients: $(B)/ctl/probe.o
$(B)/tests/unit/test_recipients: $(B)/ctl/doctor_recipients.o
$(B)/tests/unit/test_doctor: $(addprefix $(B)/ctl/,doctor_wiring.o doctor_paths.o doctor_judge.o \
	doctor_report.o)

$(B)/tests/unit/test_%: $(B)/tests/unit/test_%.o $(parts) $(B)/librejoinder.a
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LIBS_net) $(LIBS)

# Replayed by a main of our own, but where libFuzzer brings one.
ifeq ($(MODE),fuzz)
fuzz_main = -fsanitize=fuzzer
else
fuzz_main = $(B)/tests/fuzz/replay.o
endif

# This one stands in libmilter's place.
$(B)/tests/fuzz/fuzz_milter: $(B)/milter/server.o

$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(parts) $(B)/librejoinder.a | $(B)/tests/fuzz/replay.o
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(fuzz_main) $(filter %.a,$^) $(LIBS_net) $(LIBS)

# It reads mail with the milter's own parts.
$(B)/tests/bench/parse: $(B)/tests/bench/parse.o $(B)/milter/parts.a $(B)/librejoinder.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# It asks the store itself.
$(B)/tests/bench/due: $(B)/tests/bench/due.o $(B)/librejoinder.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/tests/bench/%: $(B)/tests/bench/%.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lmilter

$(B)/tests/fault/%.so: tests/fault/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(CFLAGS) -fPIC -shared -o $@ $< -ldl

# `rejoinder init` writes the example: there is one text.
$(B)/ctl/example.inc: contrib/rejoinder.conf
	@mkdir -p $(@D)
	sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< > $@.new && mv $@.new $@

$(B)/ctl/init.o: ALL_CFLAGS += -I$(B)
$(B)/ctl/init.o: $(B)/ctl/example.inc

# The few objects that know a directory are compiled again when it changes.
rooted := $(patsubst %.c,$(B)/%.o,$(shell grep -rl --include='*.c' '"lib/base/directories\.h"' lib milter fetcher scheduler ctl))
$(rooted): ALL_CFLAGS += -DREJOINDER_SYSCONFDIR='"$(SYSCONFDIR)"' \
	-DREJOINDER_LOCALSTATEDIR='"$(LOCALSTATEDIR)"' -DREJOINDER_SOCKETDIR='"$(SOCKETDIR)"'
$(rooted): $(B)/directories
$(B)/directories: ALWAYS
	@mkdir -p $(@D)
	@echo '$(SYSCONFDIR) $(LOCALSTATEDIR) $(SOCKETDIR)' | cmp -s - $@ || \
		echo '$(SYSCONFDIR) $(LOCALSTATEDIR) $(SOCKETDIR)' > $@
ALWAYS:
.PHONY: ALWAYS

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
