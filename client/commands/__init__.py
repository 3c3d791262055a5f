"""The command line of the client: `vitscope classify`, `vitscope models` and `vitscope admin`."""
