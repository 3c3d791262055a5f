"""Equal requests cost one computation: calls in flight are shared, and answers can be kept."""
