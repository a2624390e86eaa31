"""The async source of what the doors send; ``vstore.integrations._sync`` is generated from it."""
