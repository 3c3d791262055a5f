"""From decoded pixels to an engine's run: admission, lanes, batches, and the cost model that predicts waits."""
