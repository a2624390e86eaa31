"""What stands behind a call: stores, collections, validation, retries, and the way from a URL to an adapter."""
