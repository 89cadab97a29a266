# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: operations on many VIFs or on the whole host, behind the functions of :mod:`os_vif`.

The functions of :mod:`os_vif` look up the plugins and pass them to the modules of this package, and
import a module at its first use. The modules call plugins and the engine.
"""
