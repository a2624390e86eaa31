"""The async source of what the LangChain store asks; ``vstore.integrations.langchain._sync`` is generated from it."""
