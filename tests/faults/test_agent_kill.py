"""Agents that are killed or overtaken at known moments: no task is lost, none begins twice."""

import pytest
from fault_programs import campaign

pytestmark = pytest.mark.timeout(600)  # of seconds on a machine that does much else


def test_no_task_is_lost_and_none_begins_twice_however_agents_are_killed() -> None:
    found = campaign("agent_lives.py", "--kills", "20", "--frozen", "6", "--seed", "2")
    assert found["landed"] == 26
    assert len(found["moments"]) >= 4  # before and after what matters, killed and frozen
    assert (found["lost"], found["double_starts"], found["wrong_ends"]) == ([], [], [])
    assert found["unknown"] == 0  # what runs outlives its agent, so that all can be found out
    assert found["takeover_longest"] < 30


@pytest.mark.parametrize(
    ("without", "options"),
    [
        ("claims", ["--blind", "--kills", "6", "--frozen", "0"]),
        ("epochs", ["--unfenced", "--kills", "0", "--frozen", "4"]),
    ],
)
def test_without_claims_or_epochs_the_same_faults_are_seen_to_do_harm(
    without: str, options: list[str]
) -> None:
    found = campaign("agent_lives.py", *options, "--seed", "3")
    harm = [*found["double_starts"], *found["lost"], *found["wrong_ends"]]
    assert harm, f"nothing went wrong without {without}: the test shows nothing"
