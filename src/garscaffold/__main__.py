"""`python -m garscaffold` and the console script `garscaffold`."""

import sys


def main() -> None:
    """Run the command line on `sys.argv` and leave with its exit code."""
    from garscaffold.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
