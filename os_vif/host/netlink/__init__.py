# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: a client of netlink(7), with the definitions of pyroute2 and a socket of its own.

=====================================  ============================================================
``supplement``                         numbers and types which are missing in pyroute2
``pyroute2_import``, ``uapi``          import of pyroute2 at first use; constants by name
``atoms``, ``fallback``, ``codec``     encoders and decoders, compiled from classes of pyroute2
``messages``                           the messages of os-vif, each with its class of pyroute2
``transport``                          a socket: requests and replies
``rtnetlink``, ``batch_delete``        network interfaces; a cache; deferred deletions
``alternative_names``, ``namespaces``  alternative names of devices; other network namespaces
``genetlink``                          families of generic netlink, for example devlink
``route_metrics``, ``uplink_names``    metrics of routes as text; references to an uplink
=====================================  ============================================================

A module imports modules of the same row and of the rows above. The package knows neither steps nor
VIFs. A socket belongs to a thread, and to the network namespace of the thread at the time of
opening. Reading needs no privileges; changes need CAP_NET_ADMIN. Errors are :class:`OSError` with
the kernel's errno and reason.

pyroute2 is loaded when the first message is packed or the first constant is read, because loading
takes 0.1 seconds. The packers are compiled because pyroute2's encoder makes a plug 6 times slower.
"""
