# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Names that deployed hosts and other programs know of the ``ovs`` plugin."""
