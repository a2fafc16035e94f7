# Rejoinder.  Two commands do everything, set-up included:
#	make demo	play the loop on a private Postfix, and show it
#	make check	build, and pass all tests (integration needs root)
# MODE=plain|asan|tsan chooses the build; CFLAGS, PREFIX and DESTDIR are yours.

MODE ?= plain
CC = gcc
CFLAGS ?= -O2 -g
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local

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

.PHONY: all deps deps-bench demo check check-unit check-fuzz check-integration lint bench bench-fetch fuzz run-fuzz torture install clean tests-build
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

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 0755 $(programs) $(DESTDIR)$(PREFIX)/sbin
	install -m 0644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0644 man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8

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

$(B)/bin/rejoinder: $(ctl_objects) $(B)/librejoinder.a
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

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
