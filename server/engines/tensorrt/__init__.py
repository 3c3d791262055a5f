"""TensorRT on an NVIDIA GPU: from a bundle's graph to a plan that this machine may run, and running it."""
