"""Equal requests share one computation: calls in flight are joined, and answers can be cached."""
