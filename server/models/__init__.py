"""Models from their bundle to the engine that serves them: the models folder, loading, replacing, retiring, freeing."""
