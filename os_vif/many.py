# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the functions of :mod:`os_vif` for many VIFs.

A batch has a single dump of the network interfaces, a single select of each table of Open vSwitch, a
single call of the privileged daemon and a single transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os_vif import objects
    from os_vif.operations.batch import Result


def plug_many(
    pairs: Iterable[tuple[objects.VIFBase, objects.InstanceInfo]], *, reports: bool = False
) -> tuple[Result, ...]:
    """Connect many VIFs to their networks, each as :func:`plug` does.

    All arguments are validated, and the plans of all VIFs made, before the first VIF is touched.
    The host is read once; the steps of all VIFs are a single call of the privileged daemon and a
    single transaction of Open vSwitch, if possible. A VIF that fails leaves nothing on the host,
    and does not affect the rest of the batch.

    :param pairs: VIFs, each with the virtual machine or pod of the VIF, in any order. A VIF may
        occur several times.
    :param reports: add a report by step to each result, as :func:`apply` returns.
    :returns: a result for each pair, in order. ``error`` is the exception that :func:`plug` would
        raise for the VIF, or None.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type. Nothing was touched.
    """
    import os_vif
    from os_vif.operations import batch

    os_vif._manager()  # noqa: SLF001 - a part of the facade
    plugin_of = os_vif._plugin_of  # noqa: SLF001 - see above
    return batch.change_many(pairs, plugin_of, "plug", reports=reports)


def unplug_many(
    pairs: Iterable[tuple[objects.VIFBase, objects.InstanceInfo]], *, reports: bool = False
) -> tuple[Result, ...]:
    """Disconnect many VIFs from their networks, each as :func:`unplug` does.

    All arguments are validated, and the plans of all VIFs made, before the first VIF is touched.

    :param pairs: VIFs, each with the virtual machine or pod of the VIF, in any order.
    :param reports: add a report by step to each result, as :func:`apply` returns.
    :returns: a result for each pair, in order. ``remaining`` is the return value of
        :func:`unplug` for the VIF, and ``error`` the exception that :func:`unplug` would raise.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type. Nothing was touched.
    """
    import os_vif
    from os_vif.operations import batch

    os_vif._manager()  # noqa: SLF001 - a part of the facade
    plugin_of = os_vif._plugin_of  # noqa: SLF001 - see above
    return batch.change_many(pairs, plugin_of, "unplug", reports=reports)


def check_many(
    pairs: Iterable[tuple[objects.VIFBase, objects.InstanceInfo]],
) -> tuple[Result, ...]:
    """Compare this host with many plugged VIFs, without changing the host.

    The host is read once: a single dump of the network interfaces, and a single select of each
    table of Open vSwitch.

    :param pairs: VIFs, each with the virtual machine or pod of the VIF, as for :func:`check`.
    :returns: a result for each pair, in order. ``differences`` is the return value of
        :func:`check` for the VIF, and ``error`` the exception that :func:`check` would raise.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type.
    """
    import os_vif
    from os_vif.operations import batch

    os_vif._manager()  # noqa: SLF001 - a part of the facade
    return batch.check_many(pairs, os_vif._plugin_of)  # noqa: SLF001 - see above
