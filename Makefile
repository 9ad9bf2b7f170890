# sallyport: `make demo` shows it, `make check` tests it, `make help` lists the rest.
#
# Sources are found by name: src/*/*.c and plugins/*.c go into libsallyport.a, with which src/main.c
# is linked.  Each tests/unit/DIR/test_*.c is linked with src/DIR and what that builds on, and nothing
# else.  All libraries are the distribution's, except libssh: build-aux/fetch-libssh says where that
# comes from.

VERSION = 0.1.0

PREFIX     = /usr/local
SYSCONFDIR = /etc
DESTDIR    =

# Tools of another architecture begin with this: CROSS=aarch64-linux-gnu- builds in
# build/aarch64-linux-gnu, and EMULATOR=qemu-aarch64 runs its unit tests.
CROSS    =
EMULATOR =
TARGET  := $(CROSS:%-=%)

BUILD      = build$(TARGET:%=/%)
CFLAGS     = -O2 -g
PKG_CONFIG = $(CROSS)pkg-config
PYTHON     = /usr/bin/python3
ifneq ($(CROSS),)
CC = $(CROSS)gcc
AR = $(CROSS)ar
endif

# A source tree of libssh 0.11 or 0.12 to build instead of fetching one.
LIBSSH_SRC =

.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL = all

Q = $(if $(V),,@)
# A literal # in a function needs a backslash before make 4.3; since then, the backslash stays.
HASH := \#
say = $(if $(V),,@echo '  $(1)  $(2)')
# Options of a recursive make: one job per processor, unless -j was given.
jobs = --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
# "force" if the file $(1) does not contain exactly the text $(2), so that its target is made again.
changed = $(call differ,$(strip $(file <$(1))),$(strip $(2)))
differ = $(if $(and $(findstring $(1),$(2)),$(findstring $(2),$(1))),,force)

# --- sources -------------------------------------------------------------------------------------

LIB_SRC    := $(sort $(wildcard src/*/*.c plugins/*.c))
TEST_SRC   := $(sort $(wildcard tests/unit/*/test_*.c))
HELPER_SRC := $(filter-out $(TEST_SRC),$(sort $(wildcard tests/unit/*.c tests/unit/*/*.c)))
C_FILES    := $(sort $(wildcard src/*.[ch] src/*/*.[ch] plugins/*.[ch] contrib/pam/*.[ch] tests/*/*.[ch] \
    tests/unit/*/*.[ch] tests/e2e/lab/*.c))

obj         = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB_OBJ    := $(call obj,$(LIB_SRC))
TESTS      := $(patsubst %.c,$(BUILD)/tests/%,$(notdir $(TEST_SRC)))
FUZZ_SRC   := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZERS    := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzzers/%)
# Plays the processes around the keeper, for a fuzzer and a unit test.
DRIVER_SRC := $(sort $(wildcard tests/fuzz/keeper_*.c))
# For the end-to-end tests: a security key that ssh loads, an account that Dropbear has preloaded, a clock for a
# gateway.
PROVIDER   := $(BUILD)/tests/sk_provider.so $(BUILD)/tests/passwd.so $(BUILD)/tests/clock.so
# A bare accept loop, with which the end-to-end tests compare the cost of refusing a connection.
LOOP       := $(BUILD)/tests/accept_loop
# A program of its own, for root: sallyport-pam(8).
PAM_SRC    := $(sort $(wildcard contrib/pam/*.c))
# A sallyport whose sessions, or whose keeper, obey a test, to attack the other processes.
ATTACK     := $(BUILD)/tests/sallyport-attack
ATTACK_OBJ := $(call obj,$(sort $(wildcard tests/attack/*.c)))

# --- required packages ---------------------------------------------------------------------------

PKGS      := libsodium inih libseccomp libssl libcrypto libpcre2-8 zlib liboath libqrencode
TEST_PKGS := cmocka

tool = $(if $(shell command -v $(firstword $(1)) 2>/dev/null),,$(firstword $(1)))
pkg  = $(shell $(PKG_CONFIG) --exists $(1) 2>/dev/null || echo $(1))
# pkg-config finds no pam in Debian 13, because its pam.pc wants libaudit-dev.
header = $(if $(shell echo '$(HASH)include <$(1)>' | $(CC) -E -x c - >/dev/null 2>&1 && echo found),,$(1))
MISSING := $(strip $(call tool,$(CC)) $(call tool,cmake) \
    $(or $(call tool,$(PKG_CONFIG)),$(foreach p,$(PKGS),$(call pkg,$(p)))) \
    $(call header,security/pam_appl.h))
TEST_MISSING := $(if $(MISSING),,$(strip $(foreach p,$(TEST_PKGS),$(call pkg,$(p)))))

ifeq ($(MISSING),)
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS))
PKG_LIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS)) -lresolv
# libipsec-mb is not on every architecture; see src/transport/aes_gcm.c.
PKG_LIBS   += $(shell echo '$(HASH)include <intel-ipsec-mb.h>' | $(CC) -E -x c - >/dev/null 2>&1 && \
    echo -Wl,--as-needed -lIPSec_MB)
ifeq ($(TEST_MISSING),)
TEST_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(TEST_PKGS))
TEST_LIBS   := $(shell $(PKG_CONFIG) --libs $(TEST_PKGS))
endif
endif

.PHONY: missing test-missing
missing:
	@echo 'missing: $(MISSING) — run `make deps`' >&2; exit 1
test-missing:
	@echo 'missing: $(TEST_MISSING) — run `make deps-check`' >&2; exit 1

# --- flags ---------------------------------------------------------------------------------------

supported = $(shell $(CC) $(1) -Werror -x c -c /dev/null -o /dev/null 2>/dev/null && echo $(1))

# The C library's headers, not the compiler, warn about a level of _FORTIFY_SOURCE that is too high.
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(shell echo '$(HASH)include <stdlib.h>' | \
    $(CC) -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -Werror -x c -c - -o /dev/null 2>/dev/null && \
    echo 3 || echo 2)
# For our sources and libssh.  -fcf-protection is for x86, -mbranch-protection for ARM.
PROTECT := -fstack-protector-strong $(call supported,-fstack-clash-protection) \
    $(call supported,-ftrivial-auto-var-init=zero) $(call supported,-fcf-protection) \
    $(call supported,-mbranch-protection=standard)
HARDEN  := -fPIE $(PROTECT)
WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
    -Wwrite-strings -Wformat=2 -Wvla -Wno-unused-parameter
ifneq ($(filter-out 0 false,$(CI) $(WERROR)),)
WARN   += -Werror
endif
ifdef SANITIZE
HARDEN += -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
    -DSALLYPORT_ASAN
else
HARDEN += $(FORTIFY)
endif

# Each __wrap_NAME that src/transport/ defines replaces libssh's NAME (ld's --wrap).
WRAPS := $(shell cat /dev/null $(wildcard src/transport/*.c) | \
    sed -nE 's/^__wrap_([a-z0-9_]+)\W.*[^;]$$/-Wl,--wrap=\1/p' | sort -u)

# char is unsigned on ARM; what is tested on one architecture holds on the others.
COMPILE = $(CC) -std=c11 -fsigned-char -D_GNU_SOURCE -DSALLYPORT_VERSION='"$(VERSION)"' -Isrc $(CPPFLAGS) \
    $(CFLAGS) $(HARDEN) $(WARN) $(PKG_CFLAGS)
LINK    = $(CC) $(CFLAGS) $(HARDEN) -pie -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS) $(WRAPS)
# A group, because libssh.a calls back into libsallyport.a through the wraps.
LIBS    = -Wl,--start-group $(BUILD)/libsallyport.a $(LIBSSH_A) -Wl,--end-group $(PKG_LIBS)

# --- libssh --------------------------------------------------------------------------------------

LIBSSH_DIR  := build/libssh
LIBSSH_TREE := $(if $(LIBSSH_SRC),$(abspath $(LIBSSH_SRC)),$(LIBSSH_DIR)/src)
# gcc and clang support different flags, so each has a build of its own.
LIBSSH_OBJ  := $(LIBSSH_DIR)/$(if $(LIBSSH_SRC),local,obj)$(if $(filter \
    clang%,$(notdir $(CC))),-clang)$(TARGET:%=-%)
LIBSSH_A    := $(LIBSSH_OBJ)/src/libssh.a

# With -O2, the key exchange sntrup761 takes twice as long.  By default, libssh reads its socket
# only 4 KiB at a time.
LIBSSH_CFLAGS := -O3 -g -w -fPIC $(PROTECT) $(FORTIFY) -DMAX_BUF_SIZE=65536 $(LIBSSH_PREFIX_MAP)
LIBSSH_CMAKE  := -DBUILD_SHARED_LIBS=OFF -DWITH_SERVER=ON -DWITH_ZLIB=ON -DWITH_SFTP=OFF \
    -DWITH_GSSAPI=OFF -DWITH_FIDO2=OFF -DWITH_PCAP=OFF -DWITH_NACL=OFF -DWITH_EXEC=OFF \
    -DWITH_EXAMPLES=OFF -DUNIT_TESTING=OFF -DWITH_DEBUG_CALLTRACE=OFF -DWITH_DEBUG_PACKET=OFF \
    -DWITH_SYMBOL_VERSIONING=OFF $(if $(CROSS),-DCMAKE_SYSTEM_NAME=Linux \
    -DCMAKE_SYSTEM_PROCESSOR=$(firstword $(subst -, ,$(CROSS))))
LIBSSH_STAMP  := $(strip $(LIBSSH_TREE) $(LIBSSH_CFLAGS) $(LIBSSH_CMAKE))
# When this list of fixed versions changes, the libssh that was fetched or built is checked again.
LIBSSH_SECURITY := $(strip $(file <build-aux/libssh-security))

# libssh's private headers need its config.h first, and some of them its callbacks.h.
LIBSSH_INCLUDES := -DHAVE_CONFIG_H -isystem $(LIBSSH_TREE)/include -isystem $(LIBSSH_OBJ)/include \
    -include $(LIBSSH_OBJ)/config.h -include libssh/callbacks.h

.PHONY: libssh
libssh: $(LIBSSH_OBJ)/.stamp

$(LIBSSH_DIR)/src/.stamp: $(call changed,$(LIBSSH_DIR)/.checked,$(LIBSSH_SECURITY)) | \
    $(if $(MISSING),missing)
	$(Q)build-aux/fetch-libssh $(LIBSSH_DIR)

$(LIBSSH_OBJ)/.stamp: $(if $(LIBSSH_SRC),,$(LIBSSH_DIR)/src/.stamp) \
    $(call changed,$(LIBSSH_OBJ)/.stamp,$(LIBSSH_STAMP)) \
    $(call changed,$(LIBSSH_OBJ)/.checked,$(LIBSSH_SECURITY)) | $(if $(MISSING),missing)
	+$(Q)CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' LIBSSH_CFLAGS='$(LIBSSH_CFLAGS)' LIBSSH_CMAKE='$(LIBSSH_CMAKE)' \
	    LIBSSH_STAMP='$(LIBSSH_STAMP)' build-aux/build-libssh $(LIBSSH_TREE) $(LIBSSH_OBJ)

# --- the program and the unit tests --------------------------------------------------------------

.PHONY: all tests force
all: $(BUILD)/sallyport $(BUILD)/sallyport-pam
tests: $(TESTS) $(PROVIDER) $(LOOP) $(ATTACK)

# Flags and sources of the last build: other flags compile everything again, other sources make the
# archive again.
$(BUILD)/.flags: $(call changed,$(BUILD)/.flags,$(COMPILE) $(LINK)) | $(if $(MISSING),missing)
	$(shell mkdir -p $(@D))$(file >$@,$(strip $(COMPILE) $(LINK)))
$(BUILD)/.sources: $(call changed,$(BUILD)/.sources,$(LIB_SRC)) | $(BUILD)/.flags
	$(file >$@,$(strip $(LIB_SRC)))

$(BUILD)/obj/%.o: %.c $(BUILD)/.flags
	$(call say,CC  ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(COMPILE) $(EXTRA) -MMD -MP -c -o $@ $<

# init.c includes these with .incbin, which -MMD does not see.
$(BUILD)/obj/src/cli/init.o: conf.d/00-gateway.ini conf.d/10-routes.ini
$(filter $(BUILD)/obj/src/transport/%,$(LIB_OBJ)): EXTRA = $(LIBSSH_INCLUDES)
$(filter $(BUILD)/obj/src/transport/%,$(LIB_OBJ)): $(LIBSSH_OBJ)/.stamp
$(call obj,$(TEST_SRC) $(HELPER_SRC)): EXTRA = $(TEST_CFLAGS) -Itests/unit
$(call obj,$(TEST_SRC) $(HELPER_SRC)): | $(if $(TEST_MISSING),test-missing)

$(BUILD)/libsallyport.a: $(LIB_OBJ) $(BUILD)/.sources
	$(call say,AR  ,$@)
	$(Q)rm -f $@.new && $(AR) rcs $@.new $(LIB_OBJ) && mv $@.new $@

$(BUILD)/sallyport: $(BUILD)/obj/src/main.o $(BUILD)/libsallyport.a $(LIBSSH_OBJ)/.stamp
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@.new $< $(LIBS) && mv $@.new $@

$(BUILD)/sallyport-pam: $(call obj,$(PAM_SRC))
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@.new $^ -lpam && mv $@.new $@

# A test of tests/unit/DIR is linked with all objects of src/DIR and of the directories that it builds
# on, by the table in build-aux/check-includes: whatever refers to a directory above does not link.
# lookup has a table of the plugins.
BELOW    := $(shell build-aux/check-includes --below)
comma    := ,
below     = $(subst $(comma), ,$(patsubst $(1)=%,%,$(filter $(1)=%,$(BELOW))))
$(if $(wildcard tests/unit/test_*.c),$(error tests/unit/test_*.c belong into tests/unit/DIR/))
dir_of    = $(word 3,$(subst /, ,$(1)))
tested    = $(filter $(patsubst %,src/%/%,$(1)) $(if $(filter lookup,$(1)),plugins/%),$(LIB_SRC))
helpers   = $(foreach h,$(HELPER_SRC),$(if $(filter tests/unit/ tests/unit/$(1)/,$(dir $(h))),$(h)))

define unit_test
$(BUILD)/tests/$(notdir $(basename $(1))): $(call obj,$(1) $(call helpers,$(2)) $(call tested,$(3))) \
    $(if $(filter transport,$(3)),$(LIBSSH_OBJ)/.stamp)
$(if $(filter transport,$(3)),$(BUILD)/tests/$(notdir $(basename $(1))): LIBSSH = $$(LIBSSH_A))
endef
$(foreach t,$(TEST_SRC),$(eval $(call unit_test,$(t),$(call dir_of,$(t)),$(call \
    below,$(call dir_of,$(t))))))

$(TESTS): build-aux/check-includes
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(LIBSSH) $(PKG_LIBS) $(TEST_LIBS)

$(BUILD)/tests/test_keeper_messages $(BUILD)/fuzzers/fuzz_keeper: $(call obj,$(DRIVER_SRC))
$(call obj,tests/unit/keeper/test_keeper_messages.c): EXTRA = $(TEST_CFLAGS) -Itests/fuzz
$(call obj,tests/unit/edge/test_kind.c tests/unit/edge/test_kind_tls.c): EXTRA = $(TEST_CFLAGS) -Itests/fuzz
$(call obj,tests/unit/transport/test_leg.c): EXTRA = $(TEST_CFLAGS) $(LIBSSH_INCLUDES)
$(call obj,tests/unit/transport/test_leg.c): | $(LIBSSH_OBJ)/.stamp

$(ATTACK): $(ATTACK_OBJ) $(BUILD)/obj/src/main.o $(BUILD)/libsallyport.a \
    $(LIBSSH_OBJ)/.stamp
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(LINK) -Wl,--wrap=session_run -Wl,--wrap=sandbox_enter -Wl,--wrap=confine_enter -Wl,--wrap=edge_confine \
	    -Wl,--wrap=forward_confine -Wl,--wrap=carrier_run \
	    -o $@ $(filter %.o,$^) $(LIBS)

# Built without sanitizers, because ssh and Dropbear, which load them, have none.
$(PROVIDER): $(BUILD)/tests/%.so: tests/e2e/lab/%.c $(BUILD)/.flags
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(CFLAGS) $(WARN) -fPIC -shared -o $@ $< \
	    $(shell $(PKG_CONFIG) --cflags --libs libcrypto)

$(LOOP): tests/e2e/lab/accept_loop.c $(BUILD)/.flags
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(CFLAGS) $(WARN) -o $@ $<

$(BUILD)/fuzzers/fuzz_pam_order: $(call obj,contrib/pam/lines.c contrib/pam/order.c)

$(FUZZERS): $(BUILD)/fuzzers/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libsallyport.a \
    $(LIBSSH_OBJ)/.stamp
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(LIBS)

.SECONDARY:
-include $(patsubst %.c,$(BUILD)/obj/%.d,src/main.c $(wildcard tests/attack/*.c) $(LIB_SRC) \
    $(TEST_SRC) $(HELPER_SRC) $(FUZZ_SRC) $(DRIVER_SRC) $(PAM_SRC))

# --- tests, demo, benchmarks ---------------------------------------------------------------------

.PHONY: deps deps-check deps-lint check run-tests platforms cross-arm64 unit e2e interop run-unit run-e2e asan fuzz \
    run-fuzz demo demo-tunnel bench bench-quick bench-edge bench-forward \
    bench-timing
deps:
	@build-aux/deps build
deps-check:
	@build-aux/deps build run check
deps-lint:
	@build-aux/deps lint

check:
	@echo 'check: $(CHECK_TIME), longer on a busy machine'
	@echo 'check: `make platforms` is not part of it: the same in minimal Debians (an hour)'
	@build-aux/deps build run check
	+@$(MAKE) $(jobs) all tests
	+@$(MAKE) --no-print-directory run-tests RERUNS=$(CHECK_RERUNS)

# As measured on two processors of 2023, from nothing: packages, libssh, build, tests.
CHECK_TIME = about 10 minutes on two processors

# If the unit tests fail, the end-to-end tests run nevertheless.
run-tests:
	+@status=0; \
	for tests in run-unit run-e2e; do \
		$(MAKE) --no-print-directory $$tests || status=1; \
	done; \
	exit $$status

unit: tests
	+@$(MAKE) --no-print-directory run-unit
e2e: all $(PROVIDER) $(LOOP) $(ATTACK)
	+@$(MAKE) --no-print-directory run-e2e

# The end-to-end tests mostly wait: three at a time keep two processors busy.
E2E_JOBS = 3
# How often a failed end-to-end test is run again.  `make check` does so on machines that are busy with
# other work; its summary says RERUN for each, and each is a test to be mended.
RERUNS = 0
CHECK_RERUNS = 2

run-unit:
	@EMULATOR='$(EMULATOR)' build-aux/run-unit $(TESTS)
run-e2e:
	@if [ -d tests/e2e ]; then \
		SALLYPORT=$(abspath $(BUILD)/sallyport) $(PYTHON) -m pytest -q -rfEsR -n $(E2E_JOBS) tests/e2e \
		    $(if $(filter-out 0,$(RERUNS)),--reruns $(RERUNS)) $(PYTEST_ARGS); \
	else echo 'tests/e2e: there is none yet'; fi

# The clients of tests/interop, direct and through the gateway.  The table is written by a whole run alone.
interop:
	@build-aux/deps build run interop
	+@$(MAKE) $(jobs) all
	SALLYPORT=$(abspath $(BUILD)/sallyport) $(PYTHON) -m pytest -q -rfEs -n $(E2E_JOBS) tests/interop \
	    $(or $(PYTEST_ARGS),--table doc/interop.md)

asan: export ASAN_OPTIONS ?= detect_leaks=1:abort_on_error=0
asan: export UBSAN_OPTIONS ?= print_stacktrace=1
asan:
	+@$(MAKE) $(jobs) BUILD=build/asan SANITIZE=address,undefined CFLAGS='-O1 -g' all tests
	+@$(MAKE) --no-print-directory BUILD=build/asan run-tests

# Fuzzers start from tests/fuzz/corpus/NAME and keep what they find in build/corpus.
FUZZ_TIME = 60
fuzz:
	+@$(MAKE) $(jobs) BUILD=build/fuzz CC=clang SANITIZE=address,undefined,fuzzer-no-link \
	    CFLAGS='-O1 -g' run-fuzz
run-fuzz: $(FUZZERS)
	@for fuzzer in $(FUZZERS); do \
		name=$${fuzzer##*/fuzz_}; \
		mkdir -p build/corpus/$$name; \
		echo "fuzz: $$name, $(FUZZ_TIME) s"; \
		$$fuzzer -max_total_time=$(FUZZ_TIME) -artifact_prefix=build/corpus/$$name- \
		    build/corpus/$$name $$(ls -d tests/fuzz/corpus/$$name 2>/dev/null) >$$fuzzer.log 2>&1 || \
		    { tail -n 60 $$fuzzer.log; exit 1; }; \
		tail -n 1 $$fuzzer.log; \
	done

demo:
	@build-aux/deps build run
	+@$(MAKE) $(jobs) all
	@exec env SALLYPORT=$(abspath $(BUILD)/sallyport) tests/demo/run
demo-tunnel:
	@build-aux/deps build run
	+@$(MAKE) $(jobs) all
	@exec env SALLYPORT=$(abspath $(BUILD)/sallyport) tests/demo/tunnel
# Not in a check: ARM64 and the minimal Debians need a network, root and an hour.
platforms:
	@tests/platforms/run
cross-arm64:
	@tests/platforms/run -c arm64 trixie
bench bench-quick: all
	@SALLYPORT=$(abspath $(BUILD)/sallyport) tests/bench/quick --times $(if $(filter bench,$@),5,1)
	@$(if $(filter bench,$@),$(MAKE) --no-print-directory -j1 bench-forward bench-edge)
bench-edge bench-forward bench-timing: all
	@SALLYPORT=$(abspath $(BUILD)/sallyport) tests/bench/$(@:bench-%=%)

# --- static checks -------------------------------------------------------------------------------

.PHONY: lint format tidy
SCRIPTS = $(shell build-aux/list-scripts)

# without its macros, cppcheck does not see where a loop over a list ends
QUEUE_H := $(firstword $(wildcard /usr/include/*/sys/queue.h /usr/include/sys/queue.h))

lint:
	@for tool in clang-format cppcheck shellcheck mandoc; do \
		command -v $$tool >/dev/null || \
		    { echo "missing: $$tool — run \`make deps-lint\`" >&2; exit 1; }; \
	done; \
	status=0; \
	clang-format --dry-run -Werror $(C_FILES) || status=1; \
	cppcheck -q -j$$(nproc) --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppress=missingInclude --suppress=unusedFunction --error-exitcode=1 -Isrc \
	    -D__linux__ -D_GNU_SOURCE --include=$(QUEUE_H) src plugins contrib/pam || status=1; \
	shellcheck -x $(SCRIPTS) || status=1; \
	build-aux/check-includes || status=1; \
	build-aux/check-names || status=1; \
	build-aux/check-test-imports || status=1; \
	! mandoc -Tlint man/*.[58] 2>/dev/null | grep -v 'referenced manual not found' || status=1; \
	exit $$status

format:
	clang-format -i $(C_FILES)

tidy: $(LIBSSH_OBJ)/.stamp
	clang-tidy --quiet $(filter src/%.c plugins/%.c contrib/%.c,$(C_FILES)) -- -std=c11 -D_GNU_SOURCE \
	    -DSALLYPORT_VERSION='"$(VERSION)"' -Isrc $(PKG_CFLAGS) $(LIBSSH_INCLUDES)

# --- install and clean ---------------------------------------------------------------------------

.PHONY: install uninstall deb clean distclean help
SHARE = $(DESTDIR)$(PREFIX)/share
LIBDIR = $(DESTDIR)$(PREFIX)/lib
ETC   = $(DESTDIR)$(SYSCONFDIR)
CONF  = $(ETC)/sallyport
PROGRAMS = $(SHARE)/sallyport/exec
# Where zsh looks for functions of programs below PREFIX; for packages Debian has a place of its own.
ZSH_COMPLETIONS = $(PREFIX)/share/zsh/site-functions
# $(call as_installed,FILE,DIR/NAME): install a file that names a program, with the place of the program.
as_installed = install -D -m 644 $(1) $(2) && sed -i 's,/usr/\(s*bin/sallyport\)\>,$(PREFIX)/\1,' $(2)

# An existing configuration is not changed.  plugins/exec/ beside conf.d gets links to the ready
# lookup programs, so that Command = plugins/exec/NAME works; your own programs can go there, too.
install: all
	install -D -m 755 $(BUILD)/sallyport $(DESTDIR)$(PREFIX)/bin/sallyport
	$(call as_installed,contrib/sallyport.service,$(LIBDIR)/systemd/system/sallyport.service)
	install -m 644 contrib/sallyport.socket $(LIBDIR)/systemd/system
	install -D -m 755 $(BUILD)/sallyport-pam $(DESTDIR)$(PREFIX)/sbin/sallyport-pam
	install -m 644 contrib/pam/sallyport-pam.socket $(LIBDIR)/systemd/system
	$(call as_installed,contrib/pam/sallyport-pam@.service,$(LIBDIR)/systemd/system/sallyport-pam@.service)
	install -D -m 644 contrib/sallyport.sysusers $(LIBDIR)/sysusers.d/sallyport.conf
	install -D -m 644 contrib/sallyport.tmpfiles $(LIBDIR)/tmpfiles.d/sallyport.conf
	install -D -m 644 contrib/completions/sallyport.bash \
	    $(SHARE)/bash-completion/completions/sallyport
	install -D -m 644 contrib/completions/sallyport.fish \
	    $(SHARE)/fish/vendor_completions.d/sallyport.fish
	install -D -m 644 contrib/completions/_sallyport $(DESTDIR)$(ZSH_COMPLETIONS)/_sallyport
	install -D -m 644 contrib/fail2ban/sallyport.conf $(ETC)/fail2ban/filter.d/sallyport.conf
	$(call as_installed,contrib/apparmor/sallyport,$(ETC)/apparmor.d/sallyport)
	install -d $(CONF)
	install -d -m 700 $(CONF)/keys
	if [ -d conf.d ] && [ ! -e $(CONF)/conf.d ]; then \
		install -d $(CONF)/conf.d && cp -R --preserve=mode conf.d/. $(CONF)/conf.d && \
		    chmod -R go-w $(CONF)/conf.d; \
	fi
	install -d $(PROGRAMS)/lib $(CONF)/plugins/exec
	install -m 755 $(filter-out %.md %/lib,$(wildcard plugins/exec/*)) $(PROGRAMS)
	install -m 644 plugins/exec/lib/* $(PROGRAMS)/lib
	install -m 755 contrib/from-sshpiper $(SHARE)/sallyport
	install -m 644 plugins/exec/README.md $(PROGRAMS)
	for program in $(notdir $(filter-out %.md %/lib,$(wildcard plugins/exec/*))); do \
		[ -e $(CONF)/plugins/exec/$$program ] || [ -L $(CONF)/plugins/exec/$$program ] || \
		    ln -s $(PREFIX)/share/sallyport/exec/$$program $(CONF)/plugins/exec/$$program; \
	done
	for page in man/*.[58]; do \
		[ -e "$$page" ] || continue; \
		install -d $(SHARE)/man/man$${page##*.} && \
		    install -m 644 "$$page" $(SHARE)/man/man$${page##*.}; \
	done

# What install has put there.  The configuration and the keys stay, and so do the users.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/sallyport $(LIBDIR)/systemd/system/sallyport.service \
	    $(DESTDIR)$(PREFIX)/sbin/sallyport-pam $(LIBDIR)/systemd/system/sallyport-pam.socket \
	    $(LIBDIR)/systemd/system/sallyport-pam@.service $(LIBDIR)/systemd/system/sallyport.socket $(LIBDIR)/sysusers.d/sallyport.conf \
	    $(LIBDIR)/tmpfiles.d/sallyport.conf $(SHARE)/bash-completion/completions/sallyport \
	    $(SHARE)/fish/vendor_completions.d/sallyport.fish \
	    $(DESTDIR)$(ZSH_COMPLETIONS)/_sallyport $(ETC)/fail2ban/filter.d/sallyport.conf \
	    $(ETC)/apparmor.d/sallyport
	for page in man/*.[58]; do rm -f $(SHARE)/man/man$${page##*.}/$${page##*/}; done
	for program in $(notdir $(filter-out %.md %/lib,$(wildcard plugins/exec/*))); do \
		link=$(CONF)/plugins/exec/$$program; \
		[ "$$(readlink $$link)" != $(PREFIX)/share/sallyport/exec/$$program ] || rm $$link; \
	done
	rm -rf $(SHARE)/sallyport
	@echo '$(CONF) is left as it is'

# debian/README.source says what is in the source package.
deb:
	@build-aux/deps build deb
	+@[ -n '$(LIBSSH_SRC)' ] || build-aux/fetch-libssh $(LIBSSH_DIR)
	@build-aux/make-deb build/deb $(LIBSSH_TREE)

# Keeps the libssh that was fetched, unlike distclean.
clean:
	rm -rf $(filter-out $(LIBSSH_DIR),$(wildcard build/* build/.flags build/.sources)) \
	    $(wildcard $(LIBSSH_DIR)/local*)
distclean:
	rm -rf build

help:
	@echo 'make                  build/sallyport; V=1 shows the commands, CC=clang, LIBSSH_SRC=DIR,'
	@echo '                      CROSS=aarch64-linux-gnu-'
	@echo 'make demo-tunnel      a web page on a hidden machine, by name through a gateway (ONCE=1: test, stop)'
	@echo 'make demo             a gateway and two machines on loopback, to try (ONCE=1: test, stop)'
	@echo 'make check            install what is missing, build, run every test: $(CHECK_TIME)'
	@echo 'make platforms        both of these in minimal Debians, and make cross-arm64'
	@echo 'make cross-arm64      in a minimal Debian: build for arm64, run the unit tests under qemu'
	@echo 'make unit | e2e       the unit tests | the end-to-end tests (PYTEST_ARGS="-k name")'
	@echo 'make interop          many SSH clients, direct and through the gateway, compared: writes doc/interop.md'
	@echo 'make asan             every test, under the address and undefined behaviour sanitizers'
	@echo 'make fuzz             each fuzzer of tests/fuzz for FUZZ_TIME=60 seconds'
	@echo 'make lint             check format, includes, scripts and manual pages; static analysis'
	@echo 'make format | tidy    reformat the C sources | clang-tidy'
	@echo 'make bench-quick      compare with HAProxy, ssh -J and ssh; make bench: more rounds, and'
	@echo '                      bench-forward and bench-edge'
	@echo 'make bench-forward    compare [forward] sections with HAProxy and sslh'
	@echo 'make bench-edge       compare SSH inside TLS, jump mode and ProxyJump with HAProxy and ssh -J'
	@echo 'make bench-timing     measure whether the time of a refusal tells if a login exists'
	@echo 'make deps             install what building needs; deps-check | deps-lint: tests | lint'
	@echo 'make install          PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) DESTDIR='
	@echo 'make uninstall        with the same words; the configuration and the keys stay'
	@echo 'make deb              a Debian package, sallyport_VERSION_ARCH.deb'
	@echo 'make clean            remove what was built, keep the libssh that was fetched'
	@echo 'make distclean        remove build/'
