"""The machine and the process: CPUs, the event loop, the log."""
