import pandas as pd
import pytest

from dashboard import charts, charts_learning, frames
from dashboard.reading import RunView
from dashboard.theme import DARK, LIGHT, Palette, shade
from scheduler.store.values import KindSummary, Metric
from tests.dashboard.test_theme import contrast

METRICS = frames.metrics(
    [Metric(epoch, target, name, 1 / epoch)
     for epoch in (1, 2, 3) for target in ("duration", "memory")
     for name in ("loss", "validation_loss")]
)  # fmt: skip


def test_a_bar_reaches_from_the_lowest_to_the_highest_quantile(view: RunView) -> None:
    forecast = view.plan.forecast
    frame = frames.forecast_by_worker(forecast, forecast.tasks[0])
    figure = charts.quantiles(
        frame, "duration", LIGHT, chosen="w1", levels=forecast.quantiles, observed={"w1": 7.0}
    )
    low, high = frame["duration P10"].to_numpy(), frame["duration P90"].to_numpy()
    assert list(figure.data[0].base) == pytest.approx(low)
    assert list(figure.data[0].base + figure.data[0].x) == pytest.approx(high)
    assert list(figure.data[1].x) == pytest.approx(frame["duration P50"].to_numpy())
    assert (list(figure.data[2].y), list(figure.data[2].x)) == (["w1"], [7.0])


def test_only_the_chosen_worker_is_coloured(view: RunView) -> None:
    frame = frames.forecast_by_worker(view.plan.forecast, view.plan.forecast.tasks[0])
    bars = charts.shares(frame, "affinity", LIGHT, chosen="w1").data[0]
    assert [each == LIGHT.primary for each in bars.marker.color] == [False, True, False]


def test_a_number_without_end_stays_an_empty_cell_and_hides_no_other() -> None:
    rows = [("sort", "w1", 2.0), ("sort", "w2", float("inf"))]
    frame = pd.DataFrame(rows, columns=["kind", "worker", "value"])
    figure = charts_learning.cells(frame, LIGHT)
    assert figure.data[0].zmax == 2.0
    assert list(figure.data[1].text) == ["2"]


def test_each_target_has_a_chart_with_a_line_for_each_metric() -> None:
    figure = charts.curves(METRICS, ["loss", "validation_loss"], LIGHT)
    assert [each.text for each in figure.layout.annotations] == ["duration", "memory"]
    assert len(figure.data) == 4
    assert list(figure.data[0].y) == pytest.approx([1, 1 / 2, 1 / 3])


def test_a_metric_stands_once_in_the_legend() -> None:
    figure = charts.curves(METRICS, ["loss", "validation_loss"], LIGHT)
    shown = [each.name for each in figure.data if each.showlegend]
    assert sorted(shown) == ["training loss", "validation loss"]


def test_a_metric_that_not_every_target_has_is_drawn_where_it_is() -> None:
    some = METRICS[(METRICS["target"] == "memory") | (METRICS["name"] == "loss")]
    assert len(charts.curves(some, ["loss", "validation_loss"], LIGHT).data) == 3


def test_attempts_are_split_into_those_that_succeeded_and_the_others() -> None:
    found = [
        KindSummary("sort", "w0", 10, 7, 1.0, 1.0, 1.0),
        KindSummary("sort", "w1", 5, 5, 1, 1, 1),
    ]
    fine, others = charts.attempts_by_kind(frames.kinds(found), LIGHT).data
    assert (list(fine.x), list(others.x)) == ([12], [3])


def test_the_experts_of_a_target_are_stacked_in_their_order() -> None:
    rows = [Metric(1, "cpu", f"expert_load.{i}", 0.1) for i in (10, 2, 1)]
    figure = charts.stacked(frames.metrics(rows), "expert_load", LIGHT)
    assert [each.name for each in figure.data] == ["expert 1", "expert 2", "expert 10"]


def test_experts_with_a_name_are_called_by_it() -> None:
    rows = [Metric(1, "cpu", f"expert_load.{name}", 0.5) for name in ("shared 1", "own")]
    figure = charts.stacked(frames.metrics(rows), "expert_load", LIGHT)
    assert sorted(each.name for each in figure.data) == ["own", "shared 1"]


def test_the_agreement_of_targets_is_a_symmetric_matrix_of_the_last_epoch() -> None:
    rows = [
        Metric(1, "duration", "cosine.memory", -0.9),
        Metric(2, "duration", "cosine.memory", 0.25),
        Metric(2, "cpu", "cosine.duration", -0.5),
    ]
    drawn = charts.agreement(frames.metrics(rows), "cosine", LIGHT).data[0]
    assert list(drawn.x) == ["duration", "memory", "cpu"]
    assert [list(row) for row in drawn.z] == [[1, 0.25, -0.5], [0.25, 1, None], [-0.5, None, 1]]


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_a_number_in_a_heatmap_can_be_read_on_its_cell(colours: Palette) -> None:
    weights = [each / 20 for each in range(21)]
    figure = charts.gate_weights(pd.DataFrame([weights]), colours)
    heat, text = figure.data
    assert list(text.text) == [f"{each:.0%}" for each in weights]
    inks, scale = text.textfont.color, [colour for _, colour in heat.colorscale]
    grounds = [shade(scale, each) for each in weights]
    assert min(contrast(*each) for each in zip(inks, grounds, strict=True)) >= 4.5


def test_names_cannot_bring_markup_into_a_chart() -> None:
    frame = pd.DataFrame({"worker": ["<b>w</b>"], "affinity": [1.0]})
    bars = charts.shares(frame, "affinity", LIGHT, chosen=None).data[0]
    assert list(bars.y) == ["&lt;b>w&lt;/b>"]


@pytest.mark.parametrize(
    ("quantity", "largest", "name"),
    [("duration", 0.2, "ms"), ("duration", 90, "s"), ("duration", 600, "min"),
     ("duration", 90_000, "h"), ("memory", 3e9, "GB"), ("memory", 4e3, "kB"), ("cpu", 3, "cores")],
)  # fmt: skip
def test_an_axis_has_the_unit_that_fits(quantity: str, largest: float, name: str) -> None:
    assert charts.unit(quantity, largest)[0] == name
