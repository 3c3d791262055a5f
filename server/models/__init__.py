"""Bundles as the server holds them: discovered, opened, compiled, warmed up, served, unloaded."""
