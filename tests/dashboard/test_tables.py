from zoneinfo import ZoneInfo

import pandas as pd

from dashboard import tables

UTC = ZoneInfo("UTC")


def test_a_column_of_seconds_keeps_one_unit_so_that_it_sorts() -> None:
    values, config = tables.humanised(pd.DataFrame({"duration": [0.4, 90.0, None]}), {}, zone=UTC)
    assert values["duration"].tolist()[:2] == [0.4, 90.0]
    assert config["duration"]["type_config"]["format"] == "%.1f s"


def test_bytes_are_shown_in_the_unit_of_the_largest() -> None:
    values, config = tables.humanised(pd.DataFrame({"memory": [5e8, 3.2e9]}), {}, zone=UTC)
    assert values["memory"].tolist() == [0.5, 3.2]
    assert config["memory"]["type_config"]["format"] == "%.2f GB"


def test_a_share_is_shown_as_a_percentage() -> None:
    values, _ = tables.humanised(pd.DataFrame({"busy": [0.25]}), {}, zone=UTC)
    assert values["busy"].tolist() == [25.0]


def test_a_time_says_its_zone_in_the_head_of_its_column() -> None:
    frame = pd.DataFrame({"started": [pd.Timestamp("2026-05-04 09:00", tz="UTC")]})
    _, config = tables.humanised(frame, {}, zone=UTC)
    assert config["started"]["label"] == "Started (UTC)"


def test_a_column_without_any_value_can_be_shown() -> None:
    values, _ = tables.humanised(pd.DataFrame({"realised": [None, None]}), {}, zone=UTC)
    assert values["realised"].isna().all()


def test_a_state_is_told_by_more_than_its_colour() -> None:
    values, _ = tables.humanised(pd.DataFrame({"state": ["failed", "succeeded"]}), {}, zone=UTC)
    assert values["state"].tolist() == ["✕ failed", "✓ succeeded"]


def test_an_amount_of_money_has_the_unit_that_prices_have() -> None:
    frame = pd.DataFrame({"cost": [1.5, None]})
    for currency, form in (("EUR", "%.2f EUR"), ("", "%.2f")):
        _, config = tables.humanised(frame, {}, zone=UTC, currency=currency)
        assert config["cost"]["type_config"]["format"] == form
    _, config = tables.humanised(frame / 1000, {}, zone=UTC)
    assert config["cost"]["type_config"]["format"] == "%.4f", "what is little is not nothing"
