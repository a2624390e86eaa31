# Generated from vstore/spi/_async/__init__.py by tools/unasync.py: do not edit.
"""The sync form of the protocols, generated."""
