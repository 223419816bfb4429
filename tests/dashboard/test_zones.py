"""Times in the zone of whoever looks: half hours, and changes of summer time."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import charts_loads, charts_times, tables, watching, zones
from dashboard.theme import LIGHT
from scheduler.store.values import Drift

# Half and quarter hours; summer time in north and south, by half an hour, and at midnight.
PLACES = ("UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe",
          "Europe/Berlin", "America/Havana", "America/Asuncion", "Africa/Cairo")  # fmt: skip
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
ZONES = st.sampled_from(PLACES).map(ZoneInfo)
BERLIN = ZoneInfo("Europe/Berlin")
SET_BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)  # in Berlin, from three o'clock to two
SET_FORWARD = datetime(2026, 3, 29, 1, tzinfo=UTC)  # from two o'clock to three


def clock(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


@given(MOMENTS, ZONES)
def test_a_day_begins_with_the_first_moment_of_its_date(now: datetime, zone: ZoneInfo) -> None:
    began = zones.midnight(now, zone)
    assert began <= now
    assert clock(began, zone).date() == clock(now, zone).date()
    assert clock(began - timedelta(seconds=1), zone).date() < clock(now, zone).date()


def test_a_zone_is_the_one_that_is_asked_for_else_the_browsers_else_the_usual_one() -> None:
    def found(asked: str | None, browser: str | None) -> str:
        return zones.chosen(asked, browser=browser, usual="Europe/Paris").key

    assert found("Asia/Kolkata", "Europe/Berlin") == "Asia/Kolkata"
    assert found(None, "Europe/Berlin") == "Europe/Berlin"
    assert found(None, None) == found("Mars/Olympus", "nonsense") == "Europe/Paris"


def test_a_zone_has_its_name_of_today_whatever_browsers_call_it() -> None:
    for old, now in zones.RENAMED.items():
        found, same = zones.named(old), zones.named(now)
        assert found is not None
        assert same is not None
        assert (found.key, found.utcoffset(SET_BACK)) == (now, same.utcoffset(SET_BACK))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "", "a" * 5000, "localtime"])
def test_what_is_no_zone_by_its_name_is_none(name: str) -> None:
    assert zones.named(name) is None


def test_zones_are_offered_by_place_with_utc_first() -> None:
    assert zones.offered()[0] == "UTC"
    assert set(PLACES) <= set(zones.offered())
    assert not {"US/Eastern", "Etc/GMT+5", "EST5EDT"} & set(zones.offered())


@pytest.mark.parametrize(
    ("zone", "text"),
    [("UTC", "UTC"), ("Asia/Kathmandu", "UTC+05:45"), ("America/St_Johns", "UTC-02:30")],
)
def test_how_far_a_zone_is_from_utc_is_told_in_hours_and_minutes(zone: str, text: str) -> None:
    assert zones.offset(datetime(2026, 7, 1, tzinfo=ZoneInfo(zone))) == text


@given(MOMENTS, st.floats(1.0, 4e8), ZONES)
def test_marks_of_an_axis_stand_in_order_at_round_times_of_the_zone(
    first: datetime, length: float, zone: ZoneInfo
) -> None:
    last = first + timedelta(seconds=length)
    marks = charts_times.ticks(first, last, zone)
    moments = [each for each, _ in marks]
    assert all(a < b for a, b in pairwise(moments))
    assert all(first <= each <= last for each in moments)
    assert len(marks) <= 2 * charts_times.MOST
    step = min((b - a for a, b in pairwise(moments)), default=timedelta())
    for each in moments:
        shown = clock(each, zone)
        assert shown.microsecond == 0
        if step > timedelta(hours=26):
            assert (shown.hour, shown.minute, shown.second) == (0, 0, 0)
        elif step > timedelta(minutes=61):
            assert (shown.minute, shown.second) == (0, 0)


def test_an_hour_that_comes_twice_has_two_marks_and_one_that_never_comes_has_none() -> None:
    def hours(around: datetime) -> list[str]:
        half = timedelta(hours=2, minutes=30)
        marks = charts_times.ticks(around - half, around + half, BERLIN)
        return [text.partition("<")[0] for _, text in marks]

    assert hours(SET_BACK) == ["01:00", "02:00", "02:00", "03:00", "04:00"]
    assert hours(SET_FORWARD) == ["00:00", "01:00", "03:00", "04:00", "05:00"]


def test_a_picture_of_the_load_names_the_zone_and_tells_its_times() -> None:
    times = [SET_BACK + timedelta(hours=each) for each in (-1, 0, 1)]
    frame = pd.DataFrame([[0.1, 0.2, 0.3]], index=["w1"], columns=[0, 1, 2])
    figure = charts_loads.load_map(frame, times, LIGHT, BERLIN)
    assert figure.layout.xaxis.title.text == "Europe/Berlin"
    assert list(figure.data[0].customdata[0]) == [
        "25 Oct 02:00:00", "25 Oct 02:00:00", "25 Oct 03:00:00"
    ]  # fmt: skip
    assert list(figure.data[0].x) == [each.replace(tzinfo=None) for each in times]


def test_a_column_of_times_is_shown_in_the_zone_that_its_head_names_and_keeps_its_moments() -> None:
    frame = pd.DataFrame({"started": [SET_BACK, SET_BACK - timedelta(hours=1), None]})
    values, config = tables.humanised(frame, {}, zone=BERLIN)
    assert config["started"]["label"] == "Started (Europe/Berlin)"
    assert config["started"]["type_config"]["timezone"] == "Europe/Berlin"
    assert values["started"].dropna().tolist() == frame["started"].dropna().tolist()


def test_a_saved_table_has_its_times_in_iso_8601_with_the_offset() -> None:
    frame = pd.DataFrame({"at": pd.to_datetime([SET_BACK, None], utc=True), "by": ["ann", "bob"]})
    assert tables.csv(frame).splitlines() == ["at,by", "2026-10-25T01:00:00+00:00,ann", ",bob"]


def test_a_drift_is_told_with_the_moment_in_the_zone() -> None:
    drift = Drift("duration", "sort", "w1", 1.8, 40, 6.5, "cgc-3", SET_FORWARD, SET_FORWARD)
    assert watching.sentence(drift, BERLIN).startswith("Since 2026-03-29 03:00:00 UTC+02:00 the ")
