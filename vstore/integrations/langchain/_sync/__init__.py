# Generated from vstore/integrations/langchain/_async/__init__.py by tools/unasync.py: do not edit.
"""The sync form of what the LangChain store asks, generated."""
