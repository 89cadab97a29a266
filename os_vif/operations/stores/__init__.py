# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Surveys, comparisons and JSON patches of stored objects."""
