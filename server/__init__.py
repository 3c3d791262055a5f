"""Stage 3: bundles -> a gRPC service. Imports neither torch nor `export`."""
