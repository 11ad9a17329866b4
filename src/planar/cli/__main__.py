"""`python -m planar.cli` is the command `planar`, for where the script is not on the path."""

from __future__ import annotations

from planar.cli import main

if __name__ == "__main__":
    main()
