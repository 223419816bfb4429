"""What every test shares: in CI nothing may be left out."""

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No test judges by the clock; CI draws the same examples every time.
settings.register_profile(
    "allot",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("allot")


@pytest.fixture(scope="session", autouse=True)
def claims_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test leaves claims in the home of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLOT_RUNS", str(tmp_path_factory.mktemp("runs")))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test names what a user's machine lacks; a machine of CI must lack nothing.

    But for public logs, which are not ours to bring along.
    """
    report = yield
    ours = item.get_closest_marker("data") is None
    if report.skipped and ours and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {_reason(report.longrepr)}"
    return report


def _reason(found: Any) -> str:
    return str(found[2]) if isinstance(found, tuple) else str(found)
