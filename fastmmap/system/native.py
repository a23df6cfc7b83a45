"""The operating system's own file. What each name means is said in `__init__.py`."""

import sys

if sys.platform == "linux":
    from . import linux as native
elif sys.platform == "darwin":
    from . import darwin as native
elif sys.platform == "win32":
    from . import windows as native
else:
    from . import generic as native

__all__ = ["native"]
