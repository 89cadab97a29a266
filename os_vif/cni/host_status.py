# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""STATUS: the plugin of a network is loaded, and Open vSwitch answers.

Open vSwitch is asked anew by each STATUS. The plugin of a network whose configuration makes no VIFs
is in the documents of its VIFs; a network is noted when Open vSwitch did not answer an ADD.
Failures of IPAM plugins and of single pods do not count.
"""

from __future__ import annotations

from os_vif import exception
from os_vif.cni.cni_error import CniError, Code
from os_vif.cni.network_configuration import NetworkConfiguration
from os_vif.operations.pod_plugging import host_readiness

_OVS = "ovs"


class HostStatus:
    """The networks with Open vSwitch, and the check for STATUS. For several threads at once."""

    def __init__(self) -> None:
        #: Names of networks. A name that was noted stays: the check is cheap, and always current.
        self._networks: set[str] = set()

    def note(self, configuration: NetworkConfiguration, error: CniError) -> None:
        """Note the network of a failed ADD if Open vSwitch did not answer."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, exception.OvsdbUnreachable | exception.OvsdbNoAnswer):
                self._networks.add(configuration.name)
            cause = cause.__cause__

    def require_usable(self, configuration: NetworkConfiguration) -> None:
        """Check that a pod could be plugged into a network now.

        :raises CniError: with the code 50 if Open vSwitch does not answer or the plugin is not
            loaded; with the code 7 for an unknown plugin.
        """
        plugins = set()
        if configuration.plain.get("plugin") or configuration.bridge is not None:
            plugins.add(configuration.plugin)
        elif configuration.name in self._networks:
            plugins.add(_OVS)
        for name in plugins:
            try:
                host_readiness.require_usable(name)
            except exception.PluginNotLoaded as error:
                raise _unavailable(name, error) from error
            except exception.NoMatchingPlugin as error:
                raise CniError(
                    Code.INVALID_CONFIGURATION, "invalid network configuration", f"plugin: {error}"
                ) from error
            except exception.ExceptionBase as error:
                raise _unavailable(name, error) from error


def _unavailable(plugin: str, error: exception.ExceptionBase) -> CniError:
    """Return the error for a plugin that cannot plug a pod now."""
    return CniError(Code.NOT_AVAILABLE, f"the plugin {plugin} cannot plug pods", str(error))
