"""How much memory a batch may use, and how much its images need."""

import os
import threading
from collections.abc import Hashable
from pathlib import Path

from isp_ns.io.tiff import read_tiff

__all__ = [
    "COMPUTE_BYTES",
    "DECODE_BYTES",
    "WRITE_BYTES",
    "Budget",
    "available_bytes",
    "declared_pixels",
]

DECODE_BYTES = 12
"""Bytes per pixel of an image that is decoded ahead: the file, the decoder's own frame, and the shared counts."""

COMPUTE_BYTES = 40
"""Bytes per pixel of an image that is developed: counts, intermediate planes between passes, the result."""

WRITE_BYTES = 12
"""Bytes per pixel of a result that is being encoded."""

USABLE_SHARE = 0.7
IMAGE_WIDTH, IMAGE_LENGTH = 256, 257


def available_bytes() -> int:
    """Memory that can be used without pushing anything out: the machine's or, if smaller, the container's."""
    return min(_machine_bytes(), _container_bytes())


def _machine_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _container_bytes() -> int:
    """What a control group of version 2 or 1 leaves; a very large number without one."""
    root = Path("/sys/fs/cgroup")
    files = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
    for limit, used in files:
        try:
            return max(0, int((root / limit).read_text()) - int((root / used).read_text()))
        except (OSError, ValueError):
            continue
    return 1 << 62


def declared_pixels(path: Path) -> int:
    """How many pixels a file seems to have, before it is decoded: by its directories, else by its length."""
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            tiff = read_tiff(file)
    except OSError:
        return 0
    areas = [ifd.integer(IMAGE_WIDTH) * ifd.integer(IMAGE_LENGTH) for ifd in tiff.all()] if tiff else []
    return max(areas, default=0) or length


class Budget:
    """Memory shared out among the images in flight. One image may always go, however large.

    Args:
        total_bytes: what may be used; by default most of what is available.
    """

    def __init__(self, total_bytes: int | None = None) -> None:
        self.total_bytes = int(available_bytes() * USABLE_SHARE) if total_bytes is None else total_bytes
        self._used: dict[Hashable, int] = {}
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """What is taken now."""
        with self._lock:
            return sum(self._used.values())

    def take(self, owner: Hashable, size_bytes: int) -> bool:
        """Take memory for `owner` if it fits, or if nobody else has any."""
        with self._lock:
            others = sum(size for name, size in self._used.items() if name != owner)
            if others and others + size_bytes > self.total_bytes:
                return False
            self._used[owner] = size_bytes
            return True

    def hold(self, owner: Hashable, size_bytes: int) -> None:
        """Note what `owner` needs now, whether it fits or not."""
        with self._lock:
            self._used[owner] = size_bytes

    def give_back(self, owner: Hashable) -> None:
        """Free what `owner` has taken."""
        with self._lock:
            self._used.pop(owner, None)
