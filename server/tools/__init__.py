"""Commands for operators: what this machine can run, and how well."""
