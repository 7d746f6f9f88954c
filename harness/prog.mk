# SPDX-License-Identifier: GPL-2.0
# Each x.bpf.c of SRC becomes x.bpf.o and x.skel.h in this folder, and the x.c beside it, where there is one, the program x.
# build.sh gives the compilers with their flags, BPF_CC and CC, and BPFTOOL and LIBBPF.
MAKEFLAGS += -rR
VPATH := $(SRC)
names := $(patsubst $(SRC)/%.bpf.c,%,$(wildcard $(SRC)/$(or $(NAME),*).bpf.c))
programs := $(patsubst $(SRC)/%.c,%,$(wildcard $(names:%=$(SRC)/%.c)))

# not "all", as that may be a program
.DEFAULT_GOAL := .all
.all: $(names:%=%.skel.h) $(programs)
	$(if $(names),,$(error there is no x.bpf.c in $(abspath $(SRC))))

# another architecture, or other flags, make all anew; a rule, as make does not look for new files in a folder that it knows
.commands: ;
commands := $(BPF_CC) $(CC)
ifneq ($(file <.commands),$(commands))
$(file >.commands,$(commands))
endif

%.bpf.o: %.bpf.c .commands $(BPFTOOL)
	$(info $()  BPF      $@)
	$(BPF_CC) -MMD -MP -MF .$@.d -c -o $@ $<

%.skel.h: %.bpf.o
	$(BPFTOOL) gen skeleton $< name $(subst -,_,$*) >$@

$(programs): %: %.c %.skel.h .commands $(LIBBPF)
	$(info $()  CC       $@)
	$(CC) -MMD -MP -MF .$@.d -o $@ $< $(LIBBPF) -lelf -lz

-include $(wildcard .*.d)
.DELETE_ON_ERROR:
.SECONDARY:
