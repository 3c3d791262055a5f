"""Engines, which run a bundle's graphs: the interface, one file or folder for each, and how one is chosen."""
