"""`make bench`: how close the server comes to what this machine can do, and how far ahead of a plain server it is."""
