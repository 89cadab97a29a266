# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Exit codes of the ``os-vif`` command, for scripts."""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
#: ``check`` found a difference between the host and a plugged VIF, ``compare`` between two objects;
#: ``doctor`` found a fault; the answer of ``negotiate bind`` or ``negotiate verdict`` is no.
EXIT_DRIFT = 3
#: Some objects are invalid, or would lose data; the other objects are done.
EXIT_PARTIAL = 4
#: 128 and the number of SIGPIPE, as for other programs.
EXIT_BROKEN_PIPE = 141

#: The end of ``os-vif --help``.
HELP = """exit codes:
  0    success; no differences
  1    failure; the message says what remains
  2    invalid arguments or input; nothing was changed
  3    check: the host differs from a plugged VIF; compare: an object differs;
       doctor: a check has failed; gc --dry-run: a VIF would be unplugged;
       negotiate: no host can plug the port, or the guest cannot migrate
  4    validate, convert, show, survey, compare: some objects are invalid, or
       would lose data; the others are done
  141  the reader of the output closed the pipe

environment:
  OS_VIF_CONFIG  configuration files for commands without --config-file,
                 separated by colons
  NO_COLOR       print no colours
"""
