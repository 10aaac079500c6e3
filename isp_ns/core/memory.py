"""Keep the memory of tiles in the process.

The C library hands freed buffers of tile size back to the system and faults them in again for the next stage, which
costs more than most stages do. Two settings of glibc make it keep them; buffers of whole images still go back.
"""

import ctypes
import functools
import sys

__all__ = ["keep_tile_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT_BYTES = 32 << 20
_FREE_KEPT_BYTES = 512 << 20


@functools.cache
def keep_tile_memory() -> bool:
    """Ask glibc to keep freed buffers up to 32 MiB; returns whether it agreed (False on other C libraries).

    Source: mallopt(3), M_TRIM_THRESHOLD and M_MMAP_THRESHOLD.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES), mallopt(_M_TRIM_THRESHOLD, _FREE_KEPT_BYTES)
    return all(kept)
