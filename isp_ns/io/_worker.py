"""The process that decodes, started by `isp_ns.io.decode` and told by arguments: socket, memory limit, time limit.

It never imports torch, ends when its parent does, and may die of any file: nothing but that file is lost.
"""

import contextlib
import os
import resource
import select
import signal
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path

from isp_ns.core.errors import DecodeError, IspError
from isp_ns.io.channel import SharedPixels, receive, send
from isp_ns.io.decoded import Decoded, DecodeOptions
from isp_ns.io.rawfile import decode_file

_COMPLAINTS = ("Unexpected end of file", "data corrupted", "Premature end of JPEG", "Corrupt JPEG data")
"""What LibRaw and its JPEG decoder print when they fill in for damaged data and go on."""


def main() -> None:
    """Serve decoding requests until the parent closes the channel."""
    fd, memory_mb, grace_s = (int(argument) for argument in sys.argv[1:4])
    sock = socket.socket(fileno=fd)
    # LibRaw may print to either stream; both go to the parent's log file, never into the channel.
    os.dup2(2, 1)
    with contextlib.suppress(ValueError, OSError):  # some systems do not limit address spaces
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(fd,), daemon=True).start()
    while True:
        try:
            (path, options), _ = receive(sock)
        except (EOFError, ConnectionError):
            return
        # The kernel ends this process if decoding hangs where neither the parent nor Python could end it.
        signal.alarm(grace_s)
        _answer(sock, path, options)
        signal.alarm(0)


def _end_with_parent(fd: int) -> None:
    """Leave at once when the parent is gone, even in the middle of a file."""
    poller = select.poll()
    poller.register(fd, select.POLLHUP)
    poller.poll()
    os._exit(1)


def _answer(sock: socket.socket, path: str, options: DecodeOptions) -> None:
    """Decode one file and send the result, or the error, back."""
    pixels = SharedPixels()
    said_before = os.fstat(2).st_size
    try:
        decoded = decode_file(Path(path), options, pixels.allocate)
        _check_complaints(decoded, said_before)
    except IspError as error:
        send(sock, ("error", type(error).__name__, str(error)))
    except MemoryError:
        limit_mb = resource.getrlimit(resource.RLIMIT_AS)[0] >> 20
        name = Path(path).name
        send(sock, ("error", "DecodeError", f"{name}: decoding needs more than the {limit_mb} MB that it may use"))
    else:
        plain = replace(decoded, pixels=None)
        has_pixels = decoded.pixels is not None
        send(sock, ("done", plain, pixels.shape if has_pixels else None), pixels.fd if has_pixels else -1)
    finally:
        pixels.close()


def _check_complaints(decoded: Decoded, said_before: int) -> None:
    """Refuse pixels that LibRaw made up: it reports damaged data by printing only.

    Raises:
        DecodeError: with what was printed.
    """
    sys.stderr.flush()
    said = os.pread(2, 4096, said_before).decode("utf-8", "replace")
    damage = next((line for line in said.splitlines() if any(words in line for words in _COMPLAINTS)), None)
    if damage is not None:
        raise DecodeError(
            f"{decoded.path.name}: its pixel data is cut short or damaged (LibRaw: {damage.rpartition(': ')[2]}); "
            "copy the file from the camera's card again"
        )


if __name__ == "__main__":
    main()
