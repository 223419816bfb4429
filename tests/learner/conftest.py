import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """More threads than one fight for the cores of a busy machine."""
    torch.set_num_threads(1)
