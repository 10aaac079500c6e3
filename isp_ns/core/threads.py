"""How many processors one operation may use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, operations of torch that this thread starts use one processor.

    For work on small tensors: a second thread inside an operation gives little, and where other programs want the
    processors, too, every operation waits for it by milliseconds.

    Source: `torch.set_num_threads`, which is a setting of the calling thread.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
