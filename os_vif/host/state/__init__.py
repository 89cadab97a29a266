# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: what os-vif keeps in ``/run/os-vif``: locks and records."""
