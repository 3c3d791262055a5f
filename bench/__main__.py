"""`python -m bench`. Worker processes import this file too, so it imports nothing at the top."""

import sys

if __name__ == "__main__":
    from bench.cli import main

    sys.exit(main())
