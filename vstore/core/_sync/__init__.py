# Generated from vstore/core/_async/__init__.py by tools/unasync.py: do not edit.
"""The sync form of ``Store`` and ``Collection``, generated."""
