from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from logged_worlds import compared_logs

from learner.arms.network import NetworkArm
from learner.arms.offset import OffsetArm
from learner.calibration import Calibration
from learner.examples import Examples
from learner.features import Columns, Number
from learner.held_out import HeldOut
from learner.learned import Learned
from learner.lineup import Lineup
from learner.making import Former, make
from learner.methods.base import Scene
from learner.methods.champions import Begun, carried, champion_of, started, translated
from learner.methods.transfer import Transfer
from learner.networks.base import Shape
from learner.networks.network import Network, Plan, Rows, sharings
from learner.offsets import Offsets
from learner.offsets.level import levels
from learner.targets import targets
from learner.targets.quantities import MIDDLE
from learner.training.lesson import lessons_of
from learner.training.settings import TrainingSettings
from scheduler.errors import InvalidInput

QUICK = TrainingSettings(epochs=3, shape=Shape(width=8, experts=2), folds=0)


@cache
def examples() -> Examples:
    return Examples.of(compared_logs(30))


def champion(sharing: str = "cgc") -> Learned:
    """A network with weights drawn by chance: what it says is odd, and not nothing."""
    torch.manual_seed(3)
    network = Network(Plan.over(examples().columns, sharing, QUICK.shape)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    offsets = Offsets.fit(examples())
    return Learned(network, examples().columns, offsets, Calibration.none())


def grown(columns: Columns) -> Columns:
    """The same columns with a further name or number before, between and after the known ones."""
    first, *others = columns.numbers
    return replace(
        columns,
        kinds=("", "aaa", *columns.kinds[1:], "zzz"),
        workers=("", "aaa", *columns.workers[1:]),
        workflows=(*columns.workflows, "weekly"),
        numbers=(Number("new", 1.0, 2.0), first, Number("newer", 0.0, 1.0), *others),
    )


def scene(learned: Learned | None, columns: Columns | None = None, **options) -> Scene:
    known = replace(examples(), columns=columns or examples().columns)
    plan = Plan.over(known.columns, "cgc", options.pop("shape", QUICK.shape))
    return Scene(plan, known, Offsets.fit(examples()), {}, QUICK, learned)


def begun(learned: Learned, columns: Columns) -> Network:
    torch.manual_seed(9)
    network = Network(Plan.over(columns, learned.network.plan.sharing, QUICK.shape))
    Begun(carried(learned, network.plan, columns)).begin(network)
    return network.eval()


@pytest.mark.parametrize("sharing", sharings())
def test_with_more_names_and_columns_it_says_what_the_champion_says(sharing: str) -> None:
    learned, columns = champion(sharing), grown(examples().columns)
    rows = Rows.of(columns.encode_records(examples().records))
    told = begun(learned, columns)(rows)
    expected = learned.network(translated(rows, columns, learned.columns))
    for name, each in expected.items():
        torch.testing.assert_close(told[name], each)


def test_medians_stay_what_they_were_where_the_levels_under_them_have_moved() -> None:
    """In seconds and bytes: the units and the level of the heads are those of the new offsets."""
    learned, known = champion(), examples()
    level = levels(known, learned.offsets)
    moved = {
        name: replace(ridge, intercept=ridge.intercept + 1.5, scale=2.0 * ridge.scale)
        for name, ridge in level.ridges.items()
    }
    learned = replace(learned, offsets=level)
    there = replace(scene(learned), offsets=replace(level, ridges=moved))
    network = Network(there.plan)
    Begun(started(learned, there)).begin(network)
    after = replace(learned, network=network.eval(), offsets=there.offsets)
    before, now = learned.quantities(known.inputs), after.quantities(known.inputs)
    for name in before:
        np.testing.assert_allclose(now[name][:, MIDDLE], before[name][:, MIDDLE], atol=1e-4)


def test_a_kind_and_a_worker_that_the_champion_did_not_know_begin_as_unknown() -> None:
    learned, columns = champion(), grown(examples().columns)
    network = begun(learned, columns)
    rows = Rows.of(columns.encode_records(examples().records[:4]))
    new = rows._replace(kind=torch.full((4,), 1), worker=torch.full((4,), 1))
    unknown = rows._replace(kind=torch.zeros(4).long(), worker=torch.zeros(4).long())
    torch.testing.assert_close(network(new), network(unknown))
    assert not torch.equal(network(new)["duration"], network(rows)["duration"])


def test_a_new_column_says_nothing_at_first_and_can_learn() -> None:
    learned, columns = champion(), grown(examples().columns)
    network = begun(learned, columns)
    rows = Rows.of(columns.encode_records(examples().records))
    numbers = rows.numbers.clone()
    numbers[:, 0] = torch.linspace(-2, 2, len(numbers))
    with_it = rows._replace(numbers=numbers, missing=rows.missing.clone())
    torch.testing.assert_close(network(rows), network(with_it))
    network(with_it)["duration"].sum().backward()
    gradient = network.get_parameter("sharing.pool.weights.0").grad
    assert gradient is not None
    assert (gradient[:, 20:29].abs() > 0).any()


def test_a_frozen_trunk_stays_while_heads_learn() -> None:
    settings = replace(QUICK, methods={"transfer": {"frozen": 1.0}})
    learned = champion()
    arm = NetworkArm.fit(examples(), Offsets.fit(examples()), settings, champion=learned)
    before, after = learned.network.state_dict(), arm.network.state_dict()
    still = {name for name, each in after.items() if torch.equal(each, before[name])}
    assert {n for n in after if n.startswith(("sharing.", "numbers."))} == still


def test_it_takes_a_sixth_of_the_epochs() -> None:
    asked = replace(scene(champion()), settings=TrainingSettings(epochs=30))
    assert Transfer().prepared(asked).settings.epochs == 5
    assert Transfer(epochs=0.5, rate=0.1).prepared(asked).settings.epochs == 15
    assert Transfer(rate=0.1).prepared(asked).settings.rate == pytest.approx(3e-4)


def test_without_a_champion_it_says_what_to_do() -> None:
    with pytest.raises(InvalidInput, match="none serves yet; train once without"):
        Transfer().steering(scene(None))


def test_a_champion_of_another_make_is_refused() -> None:
    with pytest.raises(InvalidInput, match="made like the new one"):
        champion_of(scene(champion(), shape=Shape(width=16)), "transfer")
    with pytest.raises(InvalidInput, match="made like the new one"):
        champion_of(scene(champion("hard")), "transfer")


def test_a_champion_whose_network_has_other_names_is_refused() -> None:
    learned = replace(champion(), columns=grown(examples().columns))
    with pytest.raises(InvalidInput, match="knows its names"):
        champion_of(scene(learned), "transfer")


def test_a_refit_begins_with_the_network_that_knows_its_own_names() -> None:
    """Where other arms serve everything, the one in use was left as it was judged."""
    judged = champion()
    offset = OffsetArm.fit(examples(), judged.offsets)
    used = replace(
        judged, columns=grown(examples().columns), arms=dict.fromkeys(judged.serves, offset)
    )
    assert Former(used, judged).refitted is judged
    assert Former(replace(used, arms={}), judged).refitted is not judged


def test_a_whole_training_begins_with_the_champion() -> None:
    records = compared_logs(40)
    first = make(Examples.of(records[:90]), QUICK)
    settings = replace(QUICK, methods={"transfer": {}})
    made = make(Examples.of(records), settings, former=Former(first.used, first.judged))
    assert made.used.predict(made.examples.inputs)


def test_fits_that_must_not_have_seen_a_fold_do_not_begin_with_the_champion() -> None:
    """It has seen all of them, and there it would be asked for: a champion is none here."""
    settings = replace(QUICK, folds=2, methods={"transfer": {}, "jitter": {}})
    names = {"network", "offset"}
    lineup = Lineup.fit(examples(), settings, names=names, champion=champion())
    held = HeldOut.of(lineup, settings, dict.fromkeys(targets(), "network"))
    told = held.predicted["duration"][examples().split.train]
    assert np.isfinite(told).all()


def test_lessons_of_other_columns_are_translated() -> None:
    columns = grown(examples().columns)
    lesson = lessons_of(examples(), Offsets.fit(examples()), seed=0)["train"]
    there = Rows.of(columns.encode_records(examples().part(examples().split.train)))
    back = translated(there, columns, examples().columns)
    for one, two in zip(back, lesson.attempts, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)
