"""From an admitted request to an engine's run: admission, decode pool, lanes, batches, and the cost model of waits."""
