"""The Python client. Import its public names from `vitscope`: `Client`, `AsyncClient`, `Admin` and what they return."""
