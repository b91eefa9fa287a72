"""python -m scaling VERB …, the same as the console script."""

import sys

from scaling.cli import main

sys.exit(main())
