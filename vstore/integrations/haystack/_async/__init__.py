"""The async source of what Haystack's store sends; ``vstore.integrations.haystack._sync`` is generated from it."""
