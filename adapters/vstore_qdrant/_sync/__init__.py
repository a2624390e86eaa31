# Generated from adapters/vstore_qdrant/_async/__init__.py by tools/unasync.py: do not edit.
"""The sync form of the adapter, generated."""
