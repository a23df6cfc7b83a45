"""Runs the suite against the fastmmap that is installed: all of it, then the file layer with each other kernel.

    python tools/each_kernel.py [PYTEST ARGUMENT ...]        from a folder with pyproject.toml and tests/

The first run tests every kernel's functions. The others test what stands upon the kernel that is demanded.
"""

from __future__ import annotations

import os
import subprocess
import sys

# In a process of its own, so that what is imported is what is installed: this one has `tools` on its path.
ASK = """
import sys
is_enabled = getattr(sys, "_is_gil_enabled", lambda: True)
before = is_enabled()
import fastmmap
assert is_enabled() == before, "importing fastmmap has switched the GIL on"
print(fastmmap.__file__)
print(*fastmmap.kernels())
"""


def main(arguments: list[str]) -> int:
    clean = {name: value for name, value in os.environ.items() if name != "FASTMMAP_KERNEL"}
    asked = subprocess.run([sys.executable, "-W", "error", "-c", ASK], env=clean, stdout=subprocess.PIPE, text=True)
    if asked.returncode:
        return asked.returncode
    file, kernels = asked.stdout.splitlines()
    print(f"{file}: kernels {kernels}", flush=True)
    suite = [sys.executable, "-m", "pytest", *arguments]
    status = subprocess.run(suite, env=clean).returncode
    for kernel in kernels.split()[1:]:
        print(f"\nfiles with FASTMMAP_KERNEL={kernel}", flush=True)
        layer = [*suite, "-m", "not every_kernel and not any_kernel"]
        status = subprocess.run(layer, env={**clean, "FASTMMAP_KERNEL": kernel}).returncode or status
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
