"""`calls`: the os module, or on Windows a module that has the same calls under the same names.

What is in neither module is asked for by a function of this package instead.
"""

import sys

if sys.platform == "win32":
    from . import windows_files as calls
else:
    import os as calls

__all__ = ["CAREFULLY", "calls"]

# How a file is opened that somebody else may have put there: no link, and nothing that blocks.
CAREFULLY = 0
for _name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY"):
    CAREFULLY |= getattr(calls, _name, 0)
