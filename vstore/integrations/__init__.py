"""Doors for applications that are written on a framework, each an extra: ``vstore.integrations.langchain``.

Each takes the URL of a database, or a store or a collection that the application has.
docs/integrations.md says what they promise.
"""
