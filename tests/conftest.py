"""Shared fixtures. Tests that need files that are not part of the project skip, by name, where these are absent."""

import os
from pathlib import Path

import pytest
import torch

# Tensors of tests are small: a second thread inside an operation costs more than it gives, above all on a busy machine.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of development data beside the checkout, or ISP_NS_SHARED_DATA."""
    folder = Path(os.environ.get("ISP_NS_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"development data not found at {folder}")
    return folder
