# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Commands on this host: plan, plug, unplug, check, plugins and host-info."""
