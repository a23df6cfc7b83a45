"""The definition of every kernel in plain Python, and the kernel named "python".

Nothing in here knows another implementation. The names, signatures and docstrings are those of the kernels in src/,
and type checkers see these functions for either.
"""
