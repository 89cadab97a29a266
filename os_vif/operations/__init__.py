# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: operations on many VIFs or on the whole host, behind the functions of :mod:`os_vif`.

A function of :mod:`os_vif` looks up the plugins, imports a module of this package at first use, and
passes the plugins. The modules call plugins and the engine.
"""
