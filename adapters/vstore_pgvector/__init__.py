"""Placeholder."""

adapter = None
