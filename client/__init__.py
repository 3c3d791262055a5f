"""Call a vitscope server from Python. `from vitscope import Client, AsyncClient` is the way in."""
