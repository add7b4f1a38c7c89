"""Keap's REST API v2 and its OAuth endpoints."""
