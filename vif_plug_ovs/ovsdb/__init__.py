# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Import path of the public os-vif for :class:`~vif_plug_ovs.ovsdb.ovsdb_lib.BaseOVS`."""
