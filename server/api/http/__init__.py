"""Pages over HTTP: metrics, and the probes of orchestrators."""
