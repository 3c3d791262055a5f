"""Tests of the Python client and of the `vitscope` command."""
