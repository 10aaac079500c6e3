"""Messages between a process and its decoder: pickled, length first, with a file descriptor for the pixels.

Pixels travel as anonymous shared memory whose only handle is that descriptor, so that nothing is left behind however
either side ends.
"""

import array
import contextlib
import mmap
import os
import pickle
import socket
import struct
import tempfile
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SharedPixels", "map_pixels", "receive", "send"]

_LENGTH = struct.Struct("<Q")
_MAX_MESSAGE = 1 << 30


class SharedPixels:
    """Memory for the pixels of one file, allocated when their size is known."""

    def __init__(self) -> None:
        self.fd = -1
        self.shape: tuple[int, int, int] = (0, 0, 0)

    def allocate(self, shape: tuple[int, int, int]) -> NDArray[np.uint16]:
        """A (C, H, W) uint16 array in shared memory."""
        self.close()
        self.shape = shape
        self.fd = _anonymous_file()
        size = 2 * shape[0] * shape[1] * shape[2]
        os.ftruncate(self.fd, size)
        return np.frombuffer(mmap.mmap(self.fd, size), np.uint16).reshape(shape)

    def close(self) -> None:
        """Give up this side's handle; mappings stay."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _anonymous_file() -> int:
    """A file that has no name: memory on Linux, an unlinked temporary file elsewhere."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("isp_ns-pixels", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def map_pixels(fd: int, shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    """The pixels behind a received descriptor, which is closed; the memory goes when the array goes."""
    try:
        memory = mmap.mmap(fd, 2 * shape[0] * shape[1] * shape[2])
    finally:
        os.close(fd)
    return np.frombuffer(memory, np.uint16).reshape(shape)


def send(sock: socket.socket, message: Any, fd: int = -1) -> None:
    """Send one message, with a file descriptor if there is one."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd >= 0 else []
    sock.sendmsg([_LENGTH.pack(len(body))], ancillary)
    sock.sendall(body)


def receive(sock: socket.socket, deadline: float | None = None) -> tuple[Any, int]:
    """The next message and its file descriptor, -1 if it has none.

    Args:
        sock: The channel.
        deadline: `time.monotonic()` by which the message must be complete; None waits for ever.

    Raises:
        EOFError: if the other side is gone.
        TimeoutError: if the deadline passes.
    """
    fd = -1
    try:
        _limit(sock, deadline)
        head, ancillary, _, _ = sock.recvmsg(_LENGTH.size, socket.CMSG_SPACE(4))
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fd = array.array("i", data[:4])[0]
        if not head:
            raise EOFError("the other side closed the channel")
        head += _exactly(sock, _LENGTH.size - len(head), deadline)
        (length,) = _LENGTH.unpack(head)
        if length > _MAX_MESSAGE:
            raise EOFError(f"a message of {length} bytes is not one of ours")
        return pickle.loads(_exactly(sock, length, deadline)), fd
    except BaseException:
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)
        raise


def _limit(sock: socket.socket, deadline: float | None) -> None:
    sock.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-3))


def _exactly(sock: socket.socket, count: int, deadline: float | None) -> bytes:
    """`count` bytes from the channel."""
    parts = []
    while count:
        _limit(sock, deadline)
        part = sock.recv(min(count, 1 << 20))
        if not part:
            raise EOFError("the other side closed the channel in the middle of a message")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
