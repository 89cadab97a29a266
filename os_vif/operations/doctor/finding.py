# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The result of a check of the host, and the facts that several checks share."""

from __future__ import annotations

import dataclasses
import enum
import functools
from concurrent import futures
from typing import TYPE_CHECKING

from os_vif.engine import privsep_module
from os_vif.engine.failure import HINT
from os_vif.escape import described_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from os_vif.engine.answers import ProbeAnswer
    from os_vif.plugin import PluginBase


class Status(enum.StrEnum):
    """The outcome of a check."""

    OK = "ok"
    #: Some VIFs, or a feature, cannot be used; other VIFs can.
    WARNING = "warning"
    FAILED = "failed"
    #: The check was impossible, for example because an earlier check has failed.
    SKIPPED = "skipped"


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of a check, for a plugin, a file or a feature."""

    #: Name of the check, such as ``daemon-start``.
    check: str
    #: The plugin, option, program or kind of device; empty for the whole host.
    subject: str
    status: Status
    #: A sentence about the host.
    found: str
    #: What to do; empty for ``ok``.
    advice: str = ""


@dataclasses.dataclass(frozen=True)
class Probe:
    """The answer of the privileged daemon of a plugin."""

    #: None if the daemon has not started, or cannot tell its status.
    answer: ProbeAnswer | None = None
    #: The reason why the daemon has not started; empty if the daemon answers.
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Host:
    """The plugins to check, and the facts that several checks share. Each fact is read once."""

    #: The loaded plugins, by name.
    plugins: Mapping[str, PluginBase]
    #: The error of each plugin that cannot be used, by name.
    errors: Mapping[str, str]
    #: A sentence for each unknown option; None without a configuration file.
    unknown_options: Sequence[str] | None

    @functools.cached_property
    def probes(self) -> Mapping[str, Probe]:
        """The answer of each privileged daemon, by plugin name. All daemons start at a time."""
        modules = {
            name: plugin.privsep_module
            for name, plugin in self.plugins.items()
            if plugin.privsep_module is not None
        }
        if not modules:
            return {}
        with futures.ThreadPoolExecutor(len(modules)) as pool:
            return dict(zip(modules, pool.map(_probe, modules.values()), strict=True))

    @property
    def answers(self) -> dict[str, ProbeAnswer]:
        """The answers of the daemons that tell their status, by plugin name."""
        return {
            name: probe.answer for name, probe in self.probes.items() if probe.answer is not None
        }


@dataclasses.dataclass(frozen=True)
class Check:
    """A check of the host."""

    name: str
    #: A sentence about the host that the check has found true if the status is ``ok``.
    holds: str
    #: Yields subject, status, found and advice.
    run: Callable[[Host], Iterable[tuple[str, Status, str, str]]]


def _probe(module: str) -> Probe:
    """Return the answer of the daemon of a module, or the error."""
    try:
        return Probe(privsep_module.probe(module))
    except Exception as error:  # noqa: BLE001 - any error of the daemon is a finding
        return Probe(error=(str(error) or described_error(error)).removesuffix(HINT))
