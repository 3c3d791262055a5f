"""Commands for whoever runs the server: what this machine can run, and how well."""
