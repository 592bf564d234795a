"""``python -m gendsl`` is the command ``gendsl``."""

import sys

from gendsl.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
