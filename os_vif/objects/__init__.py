# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The vocabulary: versioned objects for virtual network interfaces.

Each class is an attribute of this package (``objects.VIFBridge``) and of a module
(``objects.vif.VIFBridge``). The first use of a class loads the module; :func:`register_all` loads
all modules.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from os_vif.objects import class_modules

if TYPE_CHECKING:
    from os_vif.objects import base as base
    from os_vif.objects import fields as fields
    from os_vif.objects import fixed_ip as fixed_ip
    from os_vif.objects import host_info as host_info
    from os_vif.objects import host_offer as host_offer
    from os_vif.objects import instance_info as instance_info
    from os_vif.objects import kuryr as kuryr
    from os_vif.objects import network as network
    from os_vif.objects import route as route
    from os_vif.objects import subnet as subnet
    from os_vif.objects import vif as vif
    from os_vif.objects.fixed_ip import FixedIP, FixedIPList
    from os_vif.objects.host_info import (
        HostInfo,
        HostPluginInfo,
        HostPortProfileInfo,
        HostVIFInfo,
    )
    from os_vif.objects.host_offer import (
        GuestOffer,
        HostOffer,
        OfferedClass,
        OfferedPlugin,
        OfferedVersion,
    )
    from os_vif.objects.instance_info import InstanceInfo
    from os_vif.objects.kuryr import (
        PodState,
        VIFDPDKNested,
        VIFMacvlanNested,
        VIFSriov,
        VIFVlanNested,
    )
    from os_vif.objects.network import Network
    from os_vif.objects.port_profile import (
        DatapathOffloadBase,
        DatapathOffloadRepresentor,
        DatapathOffloadVDPA,
        VIFPortProfile8021Qbg,
        VIFPortProfile8021Qbh,
        VIFPortProfileBase,
        VIFPortProfileFPBridge,
        VIFPortProfileFPOpenVSwitch,
        VIFPortProfileFPTap,
        VIFPortProfileK8sDPDK,
        VIFPortProfileOpenVSwitch,
        VIFPortProfileOVSRepresentor,
        VIFPortProfileSRIOV,
    )
    from os_vif.objects.route import Route, RouteList
    from os_vif.objects.subnet import Subnet, SubnetList
    from os_vif.objects.vif import (
        VIFBase,
        VIFBridge,
        VIFDirect,
        VIFGeneric,
        VIFHostDevice,
        VIFNestedDPDK,
        VIFOpenVSwitch,
        VIFVHostUser,
    )

__all__ = [
    "DatapathOffloadBase",
    "DatapathOffloadRepresentor",
    "DatapathOffloadVDPA",
    "FixedIP",
    "FixedIPList",
    "GuestOffer",
    "HostInfo",
    "HostOffer",
    "HostPluginInfo",
    "HostPortProfileInfo",
    "HostVIFInfo",
    "InstanceInfo",
    "Network",
    "OfferedClass",
    "OfferedPlugin",
    "OfferedVersion",
    "PodState",
    "Route",
    "RouteList",
    "Subnet",
    "SubnetList",
    "VIFBase",
    "VIFBridge",
    "VIFDPDKNested",
    "VIFDirect",
    "VIFGeneric",
    "VIFHostDevice",
    "VIFMacvlanNested",
    "VIFNestedDPDK",
    "VIFOpenVSwitch",
    "VIFPortProfile8021Qbg",
    "VIFPortProfile8021Qbh",
    "VIFPortProfileBase",
    "VIFPortProfileFPBridge",
    "VIFPortProfileFPOpenVSwitch",
    "VIFPortProfileFPTap",
    "VIFPortProfileK8sDPDK",
    "VIFPortProfileOVSRepresentor",
    "VIFPortProfileOpenVSwitch",
    "VIFPortProfileSRIOV",
    "VIFSriov",
    "VIFVHostUser",
    "VIFVlanNested",
    "register_all",
]


def register_all() -> None:
    """Register all classes of os-vif with oslo.versionedobjects. A second call has no effect.

    The classes of kuryr-kubernetes (``os_vif.objects.kuryr``) are registered at the first use,
    unless kuryr-kubernetes has registered the classes before.
    """
    class_modules.register_public()


if not TYPE_CHECKING:
    # With this function, type checkers would accept any name.

    def __getattr__(name: str) -> Any:
        if name in (*class_modules.PUBLIC, class_modules.KURYR, "base", "fields"):
            return importlib.import_module(f"{__name__}.{name}")
        if name in __all__:
            for module_name in (*class_modules.PUBLIC, class_modules.KURYR):
                module = importlib.import_module(f"{__name__}.{module_name}")
                if hasattr(module, name):
                    globals()[name] = getattr(module, name)
                    return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
