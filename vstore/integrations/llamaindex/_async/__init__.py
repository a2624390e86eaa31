"""The async source of what LlamaIndex's store sends; ``vstore.integrations.llamaindex._sync`` is generated from it."""
