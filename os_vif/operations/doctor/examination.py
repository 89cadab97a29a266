# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The list of all checks, and a function to run checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.escape import described_error, printable
from os_vif.host.state.directory import STATE
from os_vif.operations.doctor import (
    daemon_checks,
    kernel_checks,
    state_checks,
    switch_checks,
    vif_checks,
)
from os_vif.operations.doctor.finding import Check, Finding, Host, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

#: All checks, in the order of output.
CHECKS = (
    Check("plugins", "Each installed plugin can be used.", daemon_checks.check_plugins),
    Check("options", "The groups of os-vif have no unknown option.", daemon_checks.check_options),
    Check(
        "shared-daemon",
        "The daemon at [os_vif]privileged_socket answers, if the option is set. The checks of "
        "daemons are then about this daemon.",
        daemon_checks.check_shared_daemon,
    ),
    Check(
        "daemon-start", "The privileged daemon of each plugin starts.", daemon_checks.check_start
    ),
    Check(
        "daemon-capabilities",
        "The daemon has CAP_NET_ADMIN. All capabilities of the daemon are listed.",
        daemon_checks.check_capabilities,
    ),
    Check(
        "daemon-namespace",
        "The daemon is in the network namespace of its caller.",
        daemon_checks.check_namespace,
    ),
    Check(
        "daemon-version",
        "The daemon has the release of os-vif of its caller.",
        daemon_checks.check_version,
    ),
    Check("state-writable", f"The daemon can write {STATE}.", state_checks.check_writable),
    Check(
        "state-shared",
        f"All daemons and the command see the same {STATE}.",
        state_checks.check_shared,
    ),
    Check(
        "state-filesystem",
        f"{STATE} is on a tmpfs, which ends with a reboot.",
        state_checks.check_filesystem,
    ),
    Check("state-records", "Each record can be read.", state_checks.check_records),
    Check("ovs-database", "ovsdb-server answers.", switch_checks.check_database),
    Check(
        "ovs-schema",
        "The database has all columns that os-vif reads and writes.",
        switch_checks.check_schema,
    ),
    Check("ovs-vswitchd", "ovs-vswitchd applies changes.", switch_checks.check_vswitchd),
    Check(
        "kernel-devices",
        "The kernel makes each kind of device that the plugins need.",
        kernel_checks.check_devices,
    ),
    Check(
        "kernel-families",
        "The kernel has each family of generic netlink that the plugins need.",
        kernel_checks.check_families,
    ),
    Check("programs", "The daemon finds the programs that it runs.", kernel_checks.check_programs),
    Check("vifs", "No VIF of the inventory differs or is left over.", vif_checks.check_vifs),
)


def examine(host: Host, names: Collection[str] = ()) -> tuple[Finding, ...]:
    """Run checks.

    :param names: the checks to run; empty for all.
    :returns: the findings, in the order of :data:`CHECKS`. A check for other plugins has no
        finding.
    """
    return tuple(
        finding
        for check in CHECKS
        if not names or check.name in names
        for finding in _run(check, host)
    )


def _run(check: Check, host: Host) -> Iterator[Finding]:
    """Yield the findings of a check. An error of the check is a finding, too."""
    try:
        for subject, status, found, advice in check.run(host):
            yield Finding(check.name, printable(subject), status, printable(found), advice)
    except Exception as error:  # noqa: BLE001 - the remaining checks must run
        advice = "Report this error of os-vif, with the output of `os-vif --debug doctor`."
        yield Finding(check.name, "", Status.FAILED, described_error(error), advice)
