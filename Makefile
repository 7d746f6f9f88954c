# SPDX-License-Identifier: GPL-2.0
## usage: make TARGET [ARCH=x86_64|arm64] [SHARE=dir] [CMD='...'] [LINUX=tree or tarball of 7.2] [KERNEL=base]
##
##  run       boot the patched kernel in QEMU, run the per-CPU monitor on it and show what it saw
##  test      run the tests on this machine's architecture; ends in "N passed, N failed"
##  test-all  the same on every architecture
##  tree      the patched kernel as a git tree, one commit per patch: build/linux
##  series    the patch series with a cover letter, for git am or mail: build/series
##  refresh   write the commits of build/linux back to patches/ and the new files
##  shell     an interactive shell in the booted kernel, with bpftool, and SHARE=dir on /share
##  vm        run CMD='...' there, print its output, return its status
##  check     the static rules: the series applies, checkpatch, shellcheck, SPDX lines
##
## KERNEL=base takes the unpatched kernel and tools, KERNEL=path any other tree. Logs are in build/log.

override export CMD := $(value CMD)
export ARCH SHARE LINUX KERNEL

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

TARGETS := run test test-all tree series refresh shell vm check
$(TARGETS):
	@harness/main $@

.PHONY: help $(TARGETS)
