# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Schemas for validators in other languages: JSON Schema, OpenAPI and the CRD of kuryr."""
