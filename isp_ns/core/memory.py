"""Keep the memory of tiles in the process.

The C library hands freed buffers of tile size back to the system and faults them in again for the next stage, which
costs more than most stages do. Three settings of glibc make it keep them; buffers of whole images still go back.
"""

import ctypes
import functools
import sys

__all__ = ["keep_tile_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_KEPT_BYTES = 32 << 20
_FREE_KEPT_BYTES = 512 << 20


@functools.cache
def keep_tile_memory() -> bool:
    """Ask glibc to keep freed buffers up to 32 MiB; returns whether it agreed (False on other C libraries).

    All threads share one arena: those that further threads get are cut into heaps of 64 MiB, which go back to the
    system as soon as they are empty.

    Source: mallopt(3), M_TRIM_THRESHOLD, M_MMAP_THRESHOLD and M_ARENA_MAX.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES), (_M_TRIM_THRESHOLD, _FREE_KEPT_BYTES), (_M_ARENA_MAX, 1))
    agreed = [mallopt(name, value) for name, value in settings]
    return all(agreed)
