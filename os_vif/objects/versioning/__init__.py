# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Versions of the classes, and downgrade for readers with older versions.

* ``releases``: the releases of os-vif and of kuryr-kubernetes, as data.
* ``history``: the version of each class in each release, from the histories that classes declare.
* ``manifest``: the classes and versions of a reader, from a complete or a partial manifest.
* ``downgrade``: the compiled codec of a class for a reader; the losses are noted in writing.
* ``make_compatible``: the method ``obj_make_compatible`` of each class, for third parties.
* ``losses``: the losses between two primitives, for classes of third parties.
* ``release_1_8``: the addresses of a port in payloads of release 1.8.0.
"""
