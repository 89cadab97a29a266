# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Versions of the classes: releases, history, manifests of readers, and downgrade."""
