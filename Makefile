# SPDX-License-Identifier: GPL-2.0
## usage: make TARGET [ARCH=x86_64|arm64|riscv64|s390x|powerpc64le|loongarch64] [SHARE=dir] [CMD='...'] [LINUX=tree or tarball of 7.2]
##        [KERNEL=base]
##
##  run       boot the patched kernel in QEMU, run the per-CPU monitor on it and show what it saw
##  test      run the tests on x86_64 and arm64; ends in "N passed, N failed"
##  test-all  the same on every architecture
##  bench     what per-CPU data costs, in counted instructions, on the base kernel and on ours, on x86_64 and arm64
##  regress   the kernel tree's own BPF tests near the change, with ALL=1 all of them, base against ours, for MINUTES=60;
##            again goes on where it stopped
##  stress    faults, load, hostile programs, objects and mappings on a debug kernel, in MINUTES=25 with the builds,
##            at least 10 beyond them; SEED=n repeats what another run generated
##  tree      the patched kernel as a git tree, one commit per patch, a branch per topic: build/linux
##  series    the patches, a series with a cover letter per topic, for git am or mail: build/series
##  refresh   write the commits of build/linux back to patches/ and the new files
##  shell     an interactive shell in the booted kernel, with bpftool, and SHARE=dir on /share
##  vm        run CMD='...' there, print its output, return its status
##  prog      compile each x.bpf.c in SHARE=dir, its skeleton, and the x.c beside it, as in example/; with CMD='...' run that there
##  check     the static rules: the series applies, checkpatch, shellcheck, SPDX lines
##  check-build  the kernel half with clang, sparse, W=1, without JIT, SMP, BTF, bpf(), and on 32 bits
##
## KERNEL=base takes the unpatched kernel and tools, KERNEL=path any other tree. QEMU_ARGS='...' adds to
## QEMU's arguments: with '-icount shift=0,sleep=off', guest time counts instructions. Logs are in build/log.

override export CMD := $(value CMD)
export ARCH SHARE LINUX KERNEL MINUTES SEED ALL QEMU_ARGS

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

TARGETS := run test test-all bench stress regress check-build tree series refresh shell vm prog check
$(TARGETS):
	@harness/main $@

.PHONY: help $(TARGETS)
