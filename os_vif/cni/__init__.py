# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The CNI plugin of os-vif: pods of podman, containerd and a kubelet are plugged by this library.

A container runtime executes ``os-vif-cni`` (``etc/cni``), which passes the environment and the
network configuration to the resident daemon, ``os-vif cni-daemon``. The daemon plugs the pod with
:func:`os_vif.plug_pod`.

* ``invocation`` parses and validates an invocation, and ``network_configuration`` the configuration,
* ``vif_source`` returns the VIF of an attachment, and ``address_delegation`` calls the IPAM plugin,
* ``attachments`` executes ADD, DEL, CHECK, GC and STATUS; ``attachment_records`` stores what DEL
  and GC need,
* ``attachment_result`` writes a result in each version of the specification,
* ``cni_server`` is the socket of the daemon.

Sources: SPEC.md 1.1.0 and CONVENTIONS.md of containernetworking/cni.
"""
