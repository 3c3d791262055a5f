"""The machine and the process: processors, the event loop, the log."""
