"""Engines: the contract, one file for each, and how one is chosen."""
