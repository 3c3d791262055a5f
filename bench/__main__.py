"""`python -m bench`. Worker processes import this file too, so it holds next to nothing."""

import sys

if __name__ == "__main__":
    from bench.cli import main

    sys.exit(main())
