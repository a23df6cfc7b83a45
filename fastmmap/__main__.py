"""python -m fastmmap"""

import sys

from _fastmmap_command import main

sys.exit(main())
