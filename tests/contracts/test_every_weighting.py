"""What every loss weighting keeps: a new file in learner/weighting is tested at once."""

import pytest
import torch

from learner import weighting
from learner.weighting.base import Weighting
from scheduler.discover import implementations

WEIGHTINGS = implementations(weighting, Weighting)

every_weighting = pytest.mark.parametrize("kind", WEIGHTINGS.values(), ids=WEIGHTINGS)


def test_the_weightings_are_found() -> None:
    assert "static" in WEIGHTINGS


@every_weighting
@pytest.mark.parametrize("losses", [(1.0, 2.0, 3.0), (0.0, 1e-9, 1e6), (5.0, 5.0, 5.0)])
def test_weights_are_positive_and_finite(kind: type[Weighting], losses) -> None:
    told = {name: torch.tensor(loss) for name, loss in zip("abc", losses, strict=True)}
    weights = kind().weights(told)
    assert weights.keys() == told.keys()
    for weight in weights.values():
        assert torch.isfinite(weight)
        assert weight > 0


@every_weighting
def test_equal_losses_get_equal_weights(kind: type[Weighting]) -> None:
    weights = kind().weights({name: torch.tensor(0.7) for name in "abc"})
    assert len({float(weight) for weight in weights.values()}) == 1
