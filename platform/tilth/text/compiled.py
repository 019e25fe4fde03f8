"""The one way to compile a hot loop: numba, its machine code kept on disk where that is possible.

Importing numba takes about a second, so nothing that starts the web server may import this module, or
any ``*_kernels`` module, at its top: import them inside the function that runs the loop. Compiled code
lands beside the source, in ``NUMBA_CACHE_DIR`` when that is set, or in the user's cache folder; an
installation that can write none of them compiles anew in every process.
"""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile the function to machine code on its first call."""
    try:
        return njit(cache=True)(function)
    except RuntimeError:  # numba found no folder that it may write its cache to
        return njit(function)
