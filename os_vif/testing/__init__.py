# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Simulated guests, hypervisors and switches, for the demo, for tests and for plugin authors."""
