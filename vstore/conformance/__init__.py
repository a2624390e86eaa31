"""The conformance suite: every clause of docs/contract.md as tests that run on any store.

``pytest --pyargs vstore.conformance --vstore-url URL``, ``vstore conform URL``, or
``vstore.conformance.run.run(url)``. Importing this package imports neither pytest nor any client.
"""
