# Generated from vstore/integrations/_async/__init__.py by tools/unasync.py: do not edit.
"""The sync form of what the doors send, generated."""
