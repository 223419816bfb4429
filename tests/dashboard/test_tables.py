from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from pandas.io.formats.style import Styler

from dashboard import tables, words

UTC = ZoneInfo("UTC")


def test_a_column_of_seconds_keeps_one_unit_so_that_it_sorts() -> None:
    values, config = tables.humanised(pd.DataFrame({"duration": [0.4, 90.0, None]}), {}, zone=UTC)
    assert values["duration, s"].tolist()[:2] == [0.4, 90.0]
    assert config["duration, s"]["type_config"]["format"] == "%.1f s"


def test_bytes_are_shown_in_the_unit_of_the_largest() -> None:
    values, config = tables.humanised(pd.DataFrame({"memory": [5e8, 3.2e9]}), {}, zone=UTC)
    assert values["memory, GB"].tolist() == [0.5, 3.2]
    assert config["memory, GB"]["type_config"]["format"] == "%.2f GB"


def test_a_share_is_shown_as_a_percentage() -> None:
    values, _ = tables.humanised(pd.DataFrame({"busy": [0.25]}), {}, zone=UTC)
    assert values["busy, %"].tolist() == [25.0]


def test_a_time_says_its_zone_in_the_head_of_its_column() -> None:
    frame = pd.DataFrame({"started": [pd.Timestamp("2026-05-04 09:00", tz="UTC")]})
    _, config = tables.humanised(frame, {}, zone=UTC)
    assert config["started"]["label"] == "Started (UTC)"


def test_a_column_without_any_value_can_be_shown() -> None:
    values, _ = tables.humanised(pd.DataFrame({"realised": [None, None]}), {}, zone=UTC)
    assert values["realised, s"].isna().all()


def test_a_state_is_told_by_more_than_its_colour() -> None:
    values, _ = tables.humanised(pd.DataFrame({"state": ["failed", "succeeded"]}), {}, zone=UTC)
    assert values["state"].tolist() == ["✕ failed", "✓ succeeded"]


def test_an_amount_of_money_has_the_unit_that_prices_have() -> None:
    frame = pd.DataFrame({"cost": [1.5, None]})
    for currency, head, form in (("EUR", "cost, EUR", "%.2f EUR"), ("", "cost", "%.2f")):
        _, config = tables.humanised(frame, {}, zone=UTC, currency=currency)
        assert config[head]["type_config"]["format"] == form
    _, config = tables.humanised(frame / 1000, {}, zone=UTC)
    assert config["cost"]["type_config"]["format"] == "%.4f", "what is little is not nothing"


@pytest.mark.parametrize(
    ("column", "unit", "one"),
    [("duration", "ms", 0.001), ("duration", "s", 1), ("late", "h", 3600), ("cpu", "cores", 1),
     ("failure", "%", 0.01), ("peak memory", "MB", 1e6), ("duration P90", "h", 3600)],
)  # fmt: skip
def test_the_key_of_a_column_names_its_unit_and_its_head_on_the_screen_does_not(
    column: str, unit: str, one: float
) -> None:
    frame = pd.DataFrame({column: [3.0 * one, 4.0 * one]})
    values, config = tables.humanised(frame, {}, zone=UTC)
    assert list(values) == list(config) == [f"{column}, {unit}"]
    assert values[f"{column}, {unit}"].tolist() == pytest.approx([3.0, 4.0])
    shown = config[f"{column}, {unit}"]
    assert shown["label"] == column[0].upper() + column[1:]
    assert shown["type_config"]["format"].replace("%%", "%").endswith(f" {unit}")


def test_a_bar_holds_a_percentage() -> None:
    values, config = tables.humanised(pd.DataFrame({"done": [0.25]}), {"done": "bar"}, zone=UTC)
    assert values["done, %"].tolist() == [25.0]
    assert config["done, %"]["type_config"]["max_value"] == 100


def test_what_is_told_of_a_duration_leaves_its_column_a_number_of_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables.session, "zone", lambda: UTC)
    monkeypatch.setattr(tables.session, "currency", lambda: "")
    frame = pd.DataFrame({"run": [1, 2, 3], "took": [0.02, None, 90_000.0]})
    shown, config = tables.prepared(frame, {"took": words.seconds, "late": words.seconds})
    assert isinstance(shown, Styler)
    held = shown.data["took, s"]  # type: ignore[attr-defined]
    assert held.dropna().tolist() == [0.02, 90_000.0]
    assert [each in shown.to_html() for each in ("20 ms", "1 d 1 h", "—")] == [True] * 3
    assert config["took, s"]["label"] == "Took"
