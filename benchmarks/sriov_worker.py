# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A side of benchmarks.sriov: reads PCI addresses, and prints representors and times."""

from __future__ import annotations

import json
import sys
import time


def public(address: str) -> str:
    """Return the representor, with the functions of the public plugin."""
    from vif_plug_ovs import linux_net

    number = linux_net.get_vf_num_by_pci_address(address)
    name = linux_net.get_ifname_by_pci_address(address, pf_interface=True, switchdev=True)
    found: str = linux_net.get_representor_port(name, number)
    return found


def ours(address: str) -> str:
    """Return the representor, with the functions of os-vif 2."""
    from os_vif.host.sriov import functions

    return functions.representor(functions.vf(address))


def main() -> None:
    find = {"public": public, "ours": ours}[sys.argv[1]]
    for line in sys.stdin:
        begun = time.perf_counter()
        found = find(line.strip())
        print(json.dumps([found, time.perf_counter() - begun]), flush=True)


if __name__ == "__main__":
    main()
