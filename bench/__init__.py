"""`make bench`: the server compared with the limits of this machine and with a plain server."""
