"""Sites that learn together: what crosses their border, and what comes of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from logged_worlds import logs

from learner.features import UNKNOWN
from learner.federation.messages import packed, unpacked
from learner.federation.names import agreed, names_of
from learner.federation.site import Site
from learner.networks.base import Shape
from learner.training.federated import Federated, _Shares, federated, here
from learner.training.settings import TrainingSettings
from scheduler.errors import InvalidInput
from scheduler.records import TaskRecord

QUICK = TrainingSettings(epochs=3, shape=Shape(width=8, experts=2))


def clusters(n: int = 240) -> list[list[TaskRecord]]:
    """Two clusters: `alpha` belongs to the first, the other workers to the second."""
    records = logs(n)
    return [[r for r in records if (r.worker == "alpha") is mine] for mine in (True, False)]


class Border:
    """Passes messages on and remembers every byte that crossed."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self.ask, self.asked, self.answered = here(sites), [], []

    def __call__(self, messages: Sequence[bytes]) -> Sequence[bytes]:
        self.asked += messages
        answers = self.ask(messages)
        self.answered += answers
        return answers


@pytest.fixture(scope="module")
def watched() -> tuple[Border, list[Site], Federated]:
    sites = [Site(each, seed=i) for i, each in enumerate(clusters())]
    border = Border(sites)
    return border, sites, federated(border, 2, QUICK)


def floats_in(messages: Sequence[bytes]) -> np.ndarray:
    """Every number that crossed, in whatever array or text it was."""
    found = [np.zeros(0)]
    for plain, arrays in map(unpacked, messages):
        found += [each.ravel().astype(np.float64) for each in arrays.values()]
        found.append(np.array(list(numbers_in(plain)), dtype=np.float64))
    return np.concatenate(found)


def numbers_in(plain: object):
    if isinstance(plain, dict):
        for each in plain.values():
            yield from numbers_in(each)
    elif isinstance(plain, list):
        for each in plain:
            yield from numbers_in(each)
    elif isinstance(plain, (int, float)) and not isinstance(plain, bool):
        yield float(plain)


def secrets(site: Site) -> np.ndarray:
    """Durations, memories, cores in use and sizes of records: plain, as logarithms, as columns."""
    records = site.examples.records
    raw = [(r.duration, r.peak_memory, r.cpu, *r.sizes.values()) for r in records]
    values = np.array(raw, dtype=np.float64).ravel()
    found = [values, np.log(values), np.log1p(values), site.examples.inputs.numbers[:, 0]]
    return np.unique(np.concatenate(found))


def leaked(secret: np.ndarray, crossed: np.ndarray) -> int:
    """How many secrets crossed, to nine digits; numbers below a thousandth tell nothing."""
    known = np.sort(crossed)
    secret = secret[np.abs(secret) > 1e-3]
    place = np.searchsorted(known, secret)
    near = np.minimum(
        np.abs(known[np.clip(place, 0, len(known) - 1)] - secret),
        np.abs(known[np.clip(place - 1, 0, len(known) - 1)] - secret),
    )
    return int((near < 1e-9 * np.abs(secret)).sum())


def test_no_duration_memory_or_size_of_a_record_leaves_its_site(watched) -> None:
    border, sites, _ = watched
    crossed = floats_in([*border.answered, *border.asked])
    assert len(crossed) > 10_000
    assert [leaked(secrets(site), crossed) for site in sites] == [0, 0]


def test_the_watch_would_see_a_record_that_crossed(watched) -> None:
    _, sites, _ = watched
    record = sites[0].examples.records[7]
    told = packed({"rows": [record.duration]}, {"x": np.log([record.peak_memory])})
    assert leaked(secrets(sites[0]), floats_in([told])) >= 2


def test_no_run_or_task_is_named_across_the_border(watched) -> None:
    border, sites, _ = watched
    everything = b"".join([*border.answered, *border.asked])
    names = {name for s in sites for r in s.examples.records for name in (r.run, r.task)}
    assert not [name for name in names if f'"{name}"'.encode() in everything]
    assert b'"align"' in everything  # kinds are agreed by name


def test_names_that_come_once_or_twice_stay_at_home() -> None:
    records = logs(60)
    rare = [replace(r, kind="secret-project") if i < 2 else r for i, r in enumerate(records)]
    told = names_of(rare)
    assert "secret-project" not in told["names"]["kind"]
    assert "secret-project" not in agreed([told]).kinds


def test_sums_of_sizes_agree_on_the_columns_that_all_rows_would_have() -> None:
    """The mean and deviation of a union from the sums of its parts."""
    records = logs(120)
    columns = agreed([names_of(records[:50]), names_of(records[50:])])
    sizes = np.log1p([r.sizes["input_bytes"] for r in records])
    number = next(each for each in columns.numbers if each.name == "input_bytes")
    assert number.centre == pytest.approx(sizes.mean())
    assert number.scale == pytest.approx(sizes.std())


def test_all_sites_end_with_the_same_network(watched) -> None:
    _, sites, found = watched
    for name, weight in found.network.state_dict().items():
        for site in sites:
            assert np.array_equal(weight, site.course.network.state_dict()[name])


def test_a_site_forecasts_workers_that_only_another_one_has(watched) -> None:
    """Site two has no record of `alpha`; what the first told it is within a third of the truth."""
    _, sites, _ = watched
    first, second = (site.examples for site in sites)
    rows = first.split.test
    known = sites[1].course.offsets.ridges["duration"].at(first.inputs.take(rows))
    off = np.nanmedian(np.abs(known - first.truth["duration"][rows]))
    assert "alpha" not in {r.worker for r in second.records}
    assert off < 0.35


def test_one_seed_gives_one_federation() -> None:
    def run() -> Federated:
        return federated(here([Site(each) for each in clusters(120)]), 2, QUICK)

    one, two = run(), run()
    assert one.checked == two.checked
    weights = zip(one.network.parameters(), two.network.parameters(), strict=True)
    assert all(np.array_equal(a.detach(), b.detach()) for a, b in weights)


def test_weights_are_averaged_by_attempts_and_names_by_who_knows_them() -> None:
    counts = [np.array([0.0, 30.0, 0.0]), np.array([0.0, 0.0, 10.0])]
    told = [
        ({"attempts": n}, {"kind": c, "worker": c, "workflow": c})
        for n, c in zip((30, 10), counts, strict=True)
    ]
    weights = [
        {"gate": np.array([x], np.float32), "skills.weight": np.full((3, 1), x, np.float32)}
        for x in (0.0, 4.0)
    ]
    found = _Shares.of(told).averaged(weights)
    assert found["gate"].tolist() == [1.0]
    assert found["skills.weight"].ravel().tolist() == [1.0, 0.0, 4.0]
    assert UNKNOWN == 0


def test_a_site_refuses_what_it_does_not_know_how_to_answer() -> None:
    with pytest.raises(InvalidInput, match="names, offsets, begin, learn, check, end, found 'rec"):
        Site(logs(40)).answer(packed({"ask": "records"}))


def test_a_site_refuses_to_learn_before_it_began() -> None:
    with pytest.raises(InvalidInput, match="not told to begin"):
        Site(logs(40)).answer(packed({"ask": "learn", "round": 0}))


def test_a_federation_of_nobody_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one site"):
        federated(here([]), 0, QUICK)


def test_messages_come_out_as_they_went_in() -> None:
    plain, arrays = {"a": [1, 2.5], "b": {"c": None}}, {"x": np.arange(6.0).reshape(2, 3)}
    back, told = unpacked(packed(plain, arrays))
    assert back == plain
    assert np.array_equal(told["x"], arrays["x"])
