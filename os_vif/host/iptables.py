# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Environment and capabilities for the programs of iptables(8), which the daemon runs."""

from __future__ import annotations

import subprocess

#: The environment of the programs. The environment of the caller is not trusted.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"}
#: ``CAP_NET_RAW`` of linux/capability.h. Importing ``oslo_privsep.capabilities`` takes 0.07 s.
_NET_RAW = 13
#: Timeout of ``iptables --version``, in seconds.
_VERSION_TIMEOUT = 10


def needed_capabilities() -> tuple[int, ...]:
    """Return the capabilities that iptables needs in addition to ``CAP_NET_ADMIN``.

    The legacy variant opens a raw socket to read and write rules, which needs ``CAP_NET_RAW``
    (``TC_INIT`` of libiptc); the nf_tables variant uses netlink. ``iptables --version`` names the
    variant since release 1.8; older releases are of the legacy variant.
    """
    try:
        done = subprocess.run(
            ["iptables", "--version"],  # noqa: S607 - the path is that of ENVIRONMENT
            capture_output=True,
            text=True,
            check=False,
            timeout=_VERSION_TIMEOUT,
            env=ENVIRONMENT,
        )
    except (OSError, subprocess.TimeoutExpired):
        # The step that runs iptables reports the missing program.
        return ()
    return () if "(nf_tables)" in done.stdout else (_NET_RAW,)
