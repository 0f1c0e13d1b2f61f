"""`python -m experiments`: see `experiments.lab.cli`."""

import sys

from experiments.lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
