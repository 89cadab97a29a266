# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A test kit for authors of plugins and of objects: fixtures, a conformance suite, simulated hosts.

* :func:`os_vif.testing.conformance` runs the checks that every plugin of os-vif passes, for each
  :class:`os_vif.testing.Case`, and :class:`os_vif.testing.PodCase` for a VIF of a pod;
* :func:`os_vif.testing.round_trip` and :func:`os_vif.testing.back_level` check VIFs and classes of
  an embedder;
* ``os_vif.testing.pytest_plugin``: the fixtures ``host``, ``switch``, ``card`` and ``guest``;
* ``os_vif.testing.host_snapshots``: the state of a host, and the differences of two states;
* ``os_vif.testing.guests``: guests in private network namespaces, and a hypervisor that connects
  guests to bridges;
* ``os_vif.testing.tap_bridge``: the network card of a guest on a persistent tap device;
* ``os_vif.testing.open_vswitch``: a private Open vSwitch.

Guests, hypervisors and switches are context managers: entering creates the processes and devices,
and leaving removes everything again, also after an error. The caller needs ``CAP_SYS_ADMIN`` and
``CAP_NET_ADMIN`` in the current network namespace; run the caller in a private one
(``unshare --net``), so that the devices of the host stay untouched. Failures raise
``OSError``, or ``pyroute2.NetlinkError`` for a refusal of the kernel.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os_vif.testing.conformance_case import Case, PodCase
    from os_vif.testing.conformance_report import ConformanceError, Report, Result, Verdict
    from os_vif.testing.conformance_suite import conformance
    from os_vif.testing.object_suites import back_level, round_trip
    from os_vif.testing.private_namespaces import MissingRightError

__all__ = [
    "Case",
    "ConformanceError",
    "MissingRightError",
    "PodCase",
    "Report",
    "Result",
    "Verdict",
    "back_level",
    "conformance",
    "round_trip",
]

#: The modules of the public names. pytest imports this package in every run, so the modules are
#: imported at first use.
_MODULES = {
    "Case": "conformance_case",
    "ConformanceError": "conformance_report",
    "MissingRightError": "private_namespaces",
    "PodCase": "conformance_case",
    "Report": "conformance_report",
    "Result": "conformance_report",
    "Verdict": "conformance_report",
    "back_level": "object_suites",
    "conformance": "conformance_suite",
    "round_trip": "object_suites",
}

if not TYPE_CHECKING:
    # With this function, type checkers would accept any name.

    def __getattr__(name: str) -> Any:
        """Import a public name at first use (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value
