"""Reports: the explorer's page in one file, with what a server said of some photos, to be opened without a server."""
