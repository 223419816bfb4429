"""A store that is cut fifty times while runs use it: each step is kept once, and the runs go on."""

import pytest
from fault_programs import campaign

pytestmark = pytest.mark.timeout(600)  # of seconds on a machine that does much else

SQLITE, POSTGRES = ("--store", "sqlite"), ("--store", "postgresql", "--hasty")
OFTEN = ("--share", "0.9")  # the fewer the runs, the less time a cut takes
HARM = ("lost", "double_starts", "kept_twice", "wrong_ends")


@pytest.mark.parametrize(
    ("store", "cuts", "ways"),
    [
        pytest.param(SQLITE, 20, {"locked", "full", "moved away"}, id="sqlite"),
        pytest.param(
            POSTGRES,
            24,
            {
                "cut before the commit",
                "cut after the commit",
                "cut on the way",
                "session ended",
                "server killed",
            },
            id="postgresql",
            marks=pytest.mark.postgres,
        ),
    ],
)
def test_each_step_is_kept_once_however_the_store_is_cut(
    store: tuple[str, ...], cuts: int, ways: set[str]
) -> None:
    found = campaign("store_cuts.py", *store, *OFTEN, "--cuts", str(cuts), "--seed", "5")
    assert found["landed"] == cuts
    assert set(found["ways"]) == set(found["asked_ways"]) >= ways  # half open: by root alone
    assert {each: found[each] for each in HARM} == {each: [] for each in HARM}
    assert found["let_go"] < cuts  # most are waited for, in place


def test_what_is_not_waited_for_is_left_and_gone_on_with() -> None:
    found = campaign("store_cuts.py", *SQLITE, *OFTEN, "--impatient", "--cuts", "6", "--seed", "6")
    assert found["let_go"] >= 6
    assert {each: found[each] for each in HARM} == {each: [] for each in HARM}


@pytest.mark.postgres
def test_without_numbers_a_commit_whose_answer_was_lost_is_kept_twice() -> None:
    way = "cut after the commit"
    found = campaign(
        "store_cuts.py", *POSTGRES, "--unnumbered", "--way", way, "--cuts", "5", "--seed", "3"
    )
    assert found["kept_twice"]
