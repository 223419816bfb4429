import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import words


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 s"), (0.0004, "0.4 ms"), (0.34, "340 ms"), (1.234, "1.2 s"), (9.96, "9.96 s"),
     (59.94, "59.9 s"), (59.96, "1 min 00 s"), (200, "3 min 20 s"), (3900, "1 h 05 min"),
     (3599.7, "1 h 00 min"), (183600, "2 d 3 h"), (-1.5, "-1.5 s"), (None, "—"),
     (float("nan"), "—"), (float("inf"), "—")],
)  # fmt: skip
def test_seconds_are_said_in_the_unit_that_fits(value: float | None, text: str) -> None:
    assert words.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (3.4e9, "3.4 GB"), (2.5e16, "25 PB"), (None, "—")],
)
def test_bytes_are_said_in_decimal_units(value: float | None, text: str) -> None:
    assert words.size(value) == text


@pytest.mark.parametrize(
    ("step", "value", "text"),
    [(1, 187927, "2 d 4 h 12 min 07 s"), (1, 86400, "1 d 0 h 00 min 00 s"),
     (1, 3900, "1 h 05 min 00 s"), (0.1, 0.375, "375 ms"),
     (0.1, 1503.44, "25 min 03.4 s"), (0.001, 1.204, "1.204 s"), (0.001, 0.34, "340 ms"),
     (1e-5, 0.00042, "0.42 ms"), (1, 59.6, "1 min 00 s"), (1, -61, "-1 min 01 s"), (1, 0, "0 s"),
     (1, 0.012, "12 ms"), (0.1, -0.0, "0 s")],
)  # fmt: skip
def test_durations_are_told_down_to_a_step(step: float, value: float, text: str) -> None:
    assert words.exactly(step)(value) == text


LONG = st.floats(1e-5, 1e7)
IN_SECONDS = {"d": 86400, "h": 3600, "min": 60, "s": 1, "ms": Decimal("0.001")}


def read(told: str) -> tuple[Decimal, Decimal]:
    """The seconds that a told duration means, and its smallest unit."""
    parts = re.findall(r"(\d+(?:\.\d+)?) (d|h|min|s|ms)\b", told)
    assert " ".join(f"{number} {unit}" for number, unit in parts) == told.removeprefix("-")
    total = sum((Decimal(number) * IN_SECONDS[unit] for number, unit in parts), Decimal())
    last, unit = parts[-1]
    smallest = Decimal(10) ** -len(last.partition(".")[2]) * IN_SECONDS[unit]
    return -total if told.startswith("-") else total, smallest


@given(LONG, st.integers(0, 6))
def test_what_is_told_of_a_duration_is_within_half_of_its_smallest_unit(
    value: float, digits: int
) -> None:
    told, smallest = read(words.exactly(10.0**-digits)(value))
    assert abs(told - Decimal(value)) <= smallest / 2 + Decimal(value) * Decimal("1e-15")
    assert smallest <= 1


@given(LONG, LONG, st.integers(0, 6))
def test_a_longer_duration_is_never_told_as_a_shorter_one(a: float, b: float, digits: int) -> None:
    told = words.exactly(10.0**-digits)
    assert read(told(min(a, b)))[0] <= read(told(max(a, b)))[0]


@given(st.floats(0, 1e7), LONG)
def test_a_start_and_a_difference_that_are_told_together_add_up(start: float, later: float) -> None:
    moments = [start, start + later, later]
    step = words.step_of(moments)
    first, second, between = (read(words.exactly(step)(each))[0] for each in moments)
    assert abs(first + between - second) <= Decimal(step) * Decimal("1.51")
    assert step <= max(later, 1e-6 * max(moments)), "the difference does not drown in the rounding"


def test_a_share_is_said_as_a_percentage() -> None:
    assert [words.share(each) for each in (0.123, 1.0, 0.000796)] == ["12.3 %", "100 %", "0.08 %"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-9, "0 %"), (-1e-12, "0 %"), (1e-6, "< 0.01 %"), (-1e-6, "> -0.01 %"), (21.5, "2,150 %")],
)
def test_a_share_of_nearly_nothing_is_said_without_powers_of_ten(value: float, text: str) -> None:
    assert words.share(value) == text


@given(st.floats(1e-9, 1e12), st.integers(1, 6))
def test_a_number_is_written_without_powers_of_ten_and_to_its_digits(
    value: float, digits: int
) -> None:
    text = words.number(value, digits)
    assert re.fullmatch(r"\d{1,3}(,\d{3})*(\.\d*[1-9])?", text)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))


def test_money_is_said_with_the_unit_that_prices_have() -> None:
    told = [words.money(each, "EUR") for each in (0.0051, 12.345, 300.5, 1204.2, None)]
    assert told == ["0.0051 EUR", "12.35 EUR", "300.5 EUR", "1,204 EUR", "—"]
    assert words.money(3.4) == "3.4"
    assert [words.money(each) for each in (9.567, 99.567, 999.567)] == ["9.57", "99.57", "999.57"]
    assert words.unit_of("Price an hour", "€") == "Price an hour, €"


def test_one_is_singular_and_more_are_plural() -> None:
    assert [words.count(each, "task") for each in (0, 1, 1204)] == [
        "0 tasks",
        "1 task",
        "1,204 tasks",
    ]
    assert [words.cores(each) for each in (1, 1.84)] == ["1 core", "1.84 cores"]


@pytest.mark.parametrize(
    ("zone", "text"),
    [("UTC", "2026-05-04 09:00:07 UTC"), ("Asia/Kolkata", "2026-05-04 14:30:07 UTC+05:30"),
     ("America/St_Johns", "2026-05-04 06:30:07 UTC-02:30")],
)  # fmt: skip
def test_a_moment_is_said_in_a_zone_with_how_far_that_is_from_utc(zone: str, text: str) -> None:
    assert words.when(datetime(2026, 5, 4, 9, 0, 7, tzinfo=UTC), ZoneInfo(zone)) == text


def test_the_hour_that_comes_twice_in_autumn_is_told_apart() -> None:
    berlin, change = ZoneInfo("Europe/Berlin"), datetime(2026, 10, 25, 1, tzinfo=UTC)
    told = [words.when(change - timedelta(minutes=each), berlin) for each in (30, -30)]
    assert told == ["2026-10-25 02:30:00 UTC+02:00", "2026-10-25 02:30:00 UTC+01:00"]


@pytest.mark.parametrize(
    ("passed", "text"),
    [(timedelta(seconds=59), "just now"), (timedelta(minutes=4), "4 min ago"),
     (timedelta(hours=47), "1 d ago"), (timedelta(seconds=-5), "in the future")],
)  # fmt: skip
def test_an_age_is_said_roughly(passed: timedelta, text: str) -> None:
    now = datetime(2026, 5, 4, tzinfo=UTC)
    assert words.ago(now - passed, now) == text


def test_every_mark_of_punctuation_in_a_name_stands_for_itself() -> None:
    assert words.plain("**a** <b>\n[c](d)") == r"\*\*a\*\* \<b\> \[c\]\(d\)"


def test_a_long_list_says_how_many_it_leaves_out() -> None:
    assert words.listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


@pytest.mark.parametrize(
    "text", ["http://evil.example/x", "HTTPS://evil.example", "www.evil.example", "a@evil.example"]
)
def test_what_looks_like_an_address_becomes_no_link(text: str) -> None:
    links = r"(https?://|www(?=\.))[-.\w]+|[-.\w+]+@[-\w]+(\.[-\w]+)+"  # as Markdown finds them
    shown = words.plain(text).replace("\\", "")
    assert re.search(links, text, re.IGNORECASE)
    assert not re.search(links, shown, re.IGNORECASE)
    assert shown.replace(words.JOINER, "") == text


def test_marks_that_turn_the_words_around_them_are_seen_and_do_not() -> None:
    name = "a\u202eb\u2066c"
    told = [words.still(name), words.plain(name), words.clipped(name), words.listed([name])]
    assert told == ["a\ufffdb\ufffdc"] * 4
