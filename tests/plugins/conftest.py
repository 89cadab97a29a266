# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The packages here have tests of their own, which run where a package is installed."""

collect_ignore_glob = ["*/tests"]
