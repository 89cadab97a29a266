# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for forwarding rules of a bridge, in a chain of iptables(8) for each bridge.

The packets of a bridge pass the chain FORWARD if ``net.bridge.bridge-nf-call-iptables`` is on.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import subprocess
import threading
from collections import OrderedDict
from shlex import quote
from typing import TYPE_CHECKING, ClassVar

from os_vif.host import iptables
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import rule_records
from os_vif.steps import patterns, validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink

#: A chain's name has at most 28 bytes, a device's 15.
_PREFIX = "os-vif-"
#: Timeouts in seconds: for the lock of iptables(8), and for the end of the program.
_WAIT, _LIMIT = 10, 30
_HINT = " (`os-vif doctor` checks the programs)"
_ALL = "all"
#: A rule of the closed set: incoming device, outgoing device and target. An empty name of a device
#: matches any device.
Rule = tuple[str, str, str]
#: A rule of the closed set in the format of iptables-save(8), after the name of the chain.
_RULE = re.compile(r"(?:-i (\S+) )?(?:-o (\S+) )?-j (\S+)(?: --reject-with \S+)?")
#: Bytes of the longest rule of the closed set: three names and the words between them.
_LONGEST_RULE = 200


class NoProgramError(OSError):
    """iptables is not installed."""


@dataclasses.dataclass(frozen=True)
class _Rules(NamedStep, KernelStep):
    #: Use ip6tables(8) instead of iptables(8).
    ipv6: bool = False

    #: The kernel shows rules to root alone.
    check_requires_root: ClassVar[bool] = True

    @property
    def devices(self) -> tuple[str, ...]:
        # The position of the jump depends on the rules of other bridges: lock all rules.
        return (self.name, f"{self._program} rules")

    def validate(self) -> None:
        validate.plain_device_name(self, "name")
        validate.boolean(self, "ipv6")

    @property
    def _program(self) -> str:
        return "ip6tables" if self.ipv6 else "iptables"

    @property
    def _chain(self) -> str:
        return f"{_PREFIX}{self.name}"

    @property
    def _jump(self) -> str:
        return f"-A FORWARD -j {self._chain}"

    def _saved(self) -> list[str]:
        """Return the lines of the table in the kernel."""
        return self._run("save", "").splitlines()

    def _command(self, lines: list[str]) -> str:
        text = " ".join(map(quote, ["*filter", *lines, "COMMIT"]))
        return f"printf '%s\\n' {text} | {self._program}-restore --noflush"

    def _restore(self, lines: list[str]) -> None:
        """Apply lines atomically."""
        self._run("restore", "\n".join(["*filter", *lines, "COMMIT", ""]))

    def _run(self, action: str, text: str) -> str:
        options = ["-t", "filter"] if action == "save" else ["--noflush", "-w", str(_WAIT)]
        command = [f"{self._program}-{action}", *options]
        try:
            done = subprocess.run(  # noqa: S603 - its program and options are ours
                command,
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=_LIMIT,
                env=iptables.ENVIRONMENT,
            )
        except FileNotFoundError:
            raise NoProgramError(errno.ENOENT, f"there is no {command[0]}{_HINT}") from None
        except subprocess.TimeoutExpired:
            reason = f"{command[0]} did not end within {_LIMIT} seconds"
            raise OSError(errno.ETIMEDOUT, reason) from None
        if done.returncode != 0:
            raise OSError(errno.EINVAL, f"{command[0]}: {' '.join(done.stderr.split())}")
        return done.stdout

    def _line(self, rule: Rule) -> str:
        """Return a rule of the closed set in the format of iptables-restore(8) and iptables-save."""
        source, sink, target = rule
        words = [f"-A {self._chain}"]
        words += [f"-i {source}"] if source else []
        words += [f"-o {sink}"] if sink else []
        words.append(f"-j {target}")
        if target == "REJECT":
            words.append(f"--reject-with icmp{'6' if self.ipv6 else ''}-port-unreachable")
        return " ".join(words)

    def _parsed(self, line: str) -> Rule | None:
        """Return the rule of the closed set in a line; None for a rule outside the closed set."""
        beginning = f"-A {self._chain} "
        if len(line) > _LONGEST_RULE or not line.startswith(beginning):
            return None
        found = _RULE.fullmatch(line.removeprefix(beginning))
        if found is None:
            return None
        rule = (found[1] or "", found[2] or "", found[3])
        same = validate.is_bridge_rule(rule, self.name) and self._line(rule) == line
        return rule if same else None

    def _rules_in(self, saved: list[str]) -> list[str] | None:
        """Return the rules of the chain; None if the chain is missing."""
        if not any(line.startswith(f":{self._chain} ") for line in saved):
            return None
        return [line for line in saved if line.startswith(f"-A {self._chain} ")]

    def _undo_step(self, saved: list[str]) -> RestoreForwardingRules:
        """Return the step that restores the chain and the jumps of a saved table."""
        forward = [line for line in saved if line.startswith("-A FORWARD ")]
        jumps = tuple(n for n, line in enumerate(forward, 1) if line == self._jump)
        chain = self._rules_in(saved)
        if chain is None:
            return RestoreForwardingRules(self.name, self.ipv6, None, jumps)
        jumps = jumps[: validate.MAX_RULES]
        rules = tuple(rule for line in chain if (rule := self._parsed(line)) is not None)
        if len(rules) == len(chain) <= validate.MAX_RULES:
            return RestoreForwardingRules(self.name, self.ipv6, rules, jumps)
        # Rules of other programs are outside the closed set, and never leave the daemon.
        kept = _keep(tuple(chain))
        return RestoreForwardingRules(
            self.name, self.ipv6, rules[: validate.MAX_RULES], jumps, kept
        )

    def _jump_insertion(self, position: int) -> str:
        return f"-I FORWARD {position} -j {self._chain}"

    def _removal(self, jumps: int) -> list[str]:
        unjump = [f"-D FORWARD -j {self._chain}"] * jumps
        return [f":{self._chain} - [0:0]", *unjump, f"-X {self._chain}"]


@dataclasses.dataclass(frozen=True)
class EnsureForwardingRules(_Rules):
    """A chain ``os-vif-BRIDGE`` accepts and drops the packets that a bridge forwards.

    The chain FORWARD jumps to the chain once.

    :raises OSError: with ENOENT if iptables is not installed; with ETIMEDOUT if iptables does not
        end in time; with EINVAL and the message of iptables for any other failure.

    Equivalent to: ``iptables-restore --noflush``
    """

    #: Names of the devices that the bridge may forward from and to; ``all`` is any device.
    interfaces: tuple[str, ...] = (_ALL,)
    #: Target of packets from and to all remaining devices.
    default_target: str = "DROP"
    #: Pattern of rules in FORWARD that stay above the jump; empty for no rule.
    keep_above: str = ""
    #: Pattern of rules in FORWARD that stay below the jump; empty for no rule.
    keep_below: str = ""

    def __post_init__(self) -> None:
        _as_tuple(self, "interfaces")
        super().__post_init__()

    def validate(self) -> None:
        super().validate()
        validate.device_names(self, "interfaces")
        validate.chain(self, "default_target")
        validate.regular_expression(self, "keep_above")
        validate.regular_expression(self, "keep_below")

    def _rules(self) -> list[str]:
        bridge = self.name
        if _ALL in self.interfaces:
            rules = [(bridge, "", "ACCEPT"), ("", bridge, "ACCEPT")]
        else:
            rules = [
                rule
                for interface in self.interfaces
                for rule in ((bridge, interface, "ACCEPT"), (interface, bridge, "ACCEPT"))
            ]
            rules.append((bridge, bridge, "ACCEPT"))
            rules += [(bridge, "", self.default_target), ("", bridge, self.default_target)]
        return [self._line(rule) for rule in rules]

    def commands(self) -> tuple[str, ...]:
        jump = f"FORWARD -j {self._chain}"
        return (
            self._command([f":{self._chain} -", *self._rules()]),
            f"{self._program} -C {jump} 2>/dev/null || {self._program} -I {jump}",
        )

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        saved = self._saved()
        what = f"{self._program} chain {self._chain}"
        chain, jumps = self._rules_in(saved), saved.count(self._jump)
        if chain != self._rules():
            found = "missing" if chain is None else "; ".join(chain) or "empty"
            return (self.difference(what, found, "; ".join(self._rules())),)
        if jumps != 1:
            return (self.difference(what, f"jumped to {jumps} times", "jumped to once"),)
        return ()

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        saved = self._saved()
        # An earlier release created chains without a record.
        rule_records.write_record(net, self.name, self._program)
        chain, jumps = self._rules_in(saved), saved.count(self._jump)
        if chain == self._rules() and jumps == 1:
            return ()
        # Declaring a chain flushes the chain.
        lines = [f":{self._chain} - [0:0]", *self._rules()]
        if not jumps:
            lines.append(self._jump_insertion(self._position(saved)))
        lines += [f"-D FORWARD -j {self._chain}"] * (jumps - 1)
        try:
            self._restore(lines)
        except OSError:
            if chain is None:
                rule_records.delete_record(net, self.name, self._program)
            raise
        return (self._undo_step(saved),)

    def _position(self, saved: list[str]) -> int:
        forward = [line for line in saved if line.startswith("-A FORWARD ")]
        above = [
            n
            for n, line in enumerate(forward, 1)
            if self.keep_above and patterns.matches(self.keep_above, line)
        ]
        below = [
            n
            for n, line in enumerate(forward, 1)
            if self.keep_below and patterns.matches(self.keep_below, line)
        ]
        position = max(above, default=0) + 1
        return min(position, *below) if below else position


@dataclasses.dataclass(frozen=True)
class DeleteForwardingRules(_Rules):
    """A missing bridge has no chain of rules.

    The step holds while the bridge exists, and on a host without iptables.

    :raises OSError: with ETIMEDOUT or EINVAL if iptables fails.

    Equivalent to: ``iptables -D FORWARD -j CHAIN; iptables -F CHAIN; iptables -X CHAIN``
    """

    #: Delete only a chain that ``/run/os-vif`` records: a host without a recorded chain needs no
    #: iptables, and does not wait for the lock of iptables.
    only_noted: bool = False

    def validate(self) -> None:
        super().validate()
        validate.boolean(self, "only_noted")

    @property
    def devices(self) -> tuple[str, ...]:
        if self._is_planned():
            return super().devices
        return (self.name,)

    def _is_planned(self) -> bool:
        if not self.only_noted:
            return True
        with rtnetlink.opened() as net:
            return rule_records.has_record(net, self.name, self._program)

    def holds(self, net: Netlink) -> bool:
        if net.link(self.name) is not None:
            return True
        return self.only_noted and not rule_records.has_record(net, self.name, self._program)

    def commands(self) -> tuple[str, ...]:
        if not self._is_planned():
            return ()
        stays = f"ip link show dev {quote(self.name)} >/dev/null 2>&1"
        unjump = f"{self._program} -D FORWARD -j {self._chain} 2>/dev/null"
        return (
            f"{stays} || while {unjump}; do :; done",
            f"{stays} || {self._program} -F {self._chain}",
            f"{stays} || {self._program} -X {self._chain}",
        )

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if self.holds(net) or self._rules_in(self._saved_if_any()) is None:
            return ()
        what = f"{self._program} chain {self._chain}"
        return (self.difference(what, "there", "gone"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        if self.holds(net):
            return ()
        saved = self._saved_if_any()
        chain, jumps = self._rules_in(saved), saved.count(self._jump)
        if chain is not None:
            self._restore(self._removal(jumps))
        rule_records.delete_record(net, self.name, self._program)
        return () if chain is None else (self._undo_step(saved),)

    def _saved_if_any(self) -> list[str]:
        try:
            return self._saved()
        except NoProgramError:
            return []


@dataclasses.dataclass(frozen=True)
class RestoreForwardingRules(_Rules):
    """The chain of a bridge is as before a plan. The undo step of a change of the chain."""

    #: Rules of the closed set as data; None for no chain.
    rules: tuple[Rule, ...] | None = None
    #: Positions of the jumps in FORWARD, counted from 1.
    jumps: tuple[int, ...] = ()
    #: Key of the whole chain in the memory of the daemon, if the chain has rules outside the closed
    #: set; empty for a chain of *rules* only.
    kept: str = ""

    def __post_init__(self) -> None:
        for field in ("rules", "jumps"):
            _as_tuple(self, field)
        if isinstance(self.rules, tuple):
            rules = (tuple(rule) if isinstance(rule, list) else rule for rule in self.rules)
            object.__setattr__(self, "rules", tuple(rules))
        super().__post_init__()

    def validate(self) -> None:
        super().validate()
        validate.rules(self, "rules", self.name)
        validate.integers(self, "jumps", 1, 2**31 - 1, validate.MAX_RULES)
        if self.kept:
            validate.hexadecimal(self, "kept", 2 * _KEY_BYTES)

    @property
    def _known(self) -> tuple[str, ...] | None:
        return None if self.rules is None else tuple(self._line(rule) for rule in self.rules)

    def _previous_lines(self) -> tuple[str, ...] | None:
        """Return the previous lines of the chain, with the rules of other programs.

        :raises OSError: with ESTALE if the daemon with the rules of other programs has ended.
        """
        if not self.kept:
            return self._known
        with _guard:
            rules = _kept.get(self.kept)
        if rules is None:
            reason = f"the rules of other programs in the chain {self._chain} are unknown"
            raise OSError(errno.ESTALE, f"{reason}: the daemon that had read the rules has ended")
        return rules

    def _lines(self, rules: tuple[str, ...] | None, jumps: int) -> list[str]:
        if rules is None:
            return self._removal(jumps)
        return [
            f":{self._chain} - [0:0]",
            *rules,
            *[f"-D FORWARD -j {self._chain}"] * jumps,
            *(self._jump_insertion(position) for position in self.jumps),
        ]

    def commands(self) -> tuple[str, ...]:
        others = (f"# {self._chain} also had rules of others",) if self.kept else ()
        return (self._command(self._lines(self._known, len(self.jumps))), *others)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        return ()

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        wanted, saved = self._previous_lines(), self._saved()
        chain = self._rules_in(saved)
        before = self._undo_step(saved)
        if chain is None and wanted is None:
            return ()
        if chain is not None and (tuple(chain), before.jumps) == (wanted, self.jumps):
            return ()
        if wanted is not None:
            rule_records.write_record(net, self.name, self._program)
        self._restore(self._lines(wanted, len(before.jumps)))
        if wanted is None:
            rule_records.delete_record(net, self.name, self._program)
        return (before,)


#: Chains with rules of other programs, by key, oldest first. The oldest are dropped first.
_kept: OrderedDict[str, tuple[str, ...]] = OrderedDict()
_guard = threading.Lock()
#: Bytes of a key, and greatest number of bytes of all chains.
_KEY_BYTES, _CAPACITY = 8, 4 * 2**20


def _keep(rules: tuple[str, ...]) -> str:
    """Keep the rules of a chain in the memory of the process; return the key of the chain."""
    key = os.urandom(_KEY_BYTES).hex()
    with _guard:
        _kept[key] = rules
        while len(_kept) > 1 and sum(len(r) for c in _kept.values() for r in c) > _CAPACITY:
            _kept.popitem(last=False)
    return key


def _as_tuple(step: KernelStep, field: str) -> None:
    """Convert a list in a field, as msgpack decodes sequences, to a tuple."""
    if isinstance(getattr(step, field), list):
        object.__setattr__(step, field, tuple(getattr(step, field)))
