# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the plans of correctly plugged VIFs, remembered for the next plug of each VIF.

``plan_memo`` has the remembered plans. ``known_rows`` compares the rows that a remembered plan was made
from, and compared with, with the present rows. The present rows and devices are read for every plug.
"""
