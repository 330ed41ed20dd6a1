"""From a request to rounds on disk."""
