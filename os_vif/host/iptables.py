# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the programs of iptables(8) need of the daemon that runs them."""

from __future__ import annotations

import subprocess

from oslo_privsep import capabilities

#: The environment in which the daemon runs them: the caller's is not trusted.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"}
#: Seconds for it to tell its version.
_LIMIT = 10


def needed_capabilities() -> tuple[int, ...]:
    """Return the capabilities that iptables needs in addition to ``CAP_NET_ADMIN``.

    The legacy kind opens a raw socket to read and write rules, so that it needs ``CAP_NET_RAW``
    (``TC_INIT`` of libiptc); the kind for nf_tables uses netlink. ``iptables --version`` names the
    kind since release 1.8; older releases are of the legacy kind.
    """
    try:
        done = subprocess.run(
            ["iptables", "--version"],  # noqa: S607 - the path is that of ENVIRONMENT
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT,
            env=ENVIRONMENT,
        )
    except (OSError, subprocess.TimeoutExpired):
        # The step that needs it says so.
        return ()
    return () if "(nf_tables)" in done.stdout else (int(capabilities.CAP_NET_RAW),)
