"""Tools that make parts of the documentation. Nothing that is installed or deployed uses them."""
