"""python -m fastmmap"""

import sys

try:
    from _fastmmap_command import main
except ModuleNotFoundError:  # the package's folder alone was copied
    from .cli import main

sys.exit(main())
