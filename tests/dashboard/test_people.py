"""Who looks, and what they may do."""

import getpass
import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.user_info import UserInfoProxy

from dashboard import people
from dashboard.cli import asked_of
from dashboard.navigation import FOLDER
from dashboard.people import ROLES
from scheduler import settings
from scheduler.errors import InvalidInput
from scheduler.settings import Dashboard

ANN = Dashboard(people={"ann": "admin", "bob": "operator"}, header="X-Forwarded-User")


def test_each_role_may_do_what_those_before_it_may() -> None:
    may = [[people.Person("ann", mine).may(each) for each in ROLES] for mine in ROLES]
    assert may == [[True, False, False], [True, True, False], [True, True, True]]


def test_who_may_not_is_told_why() -> None:
    assert people.Person("ann", "admin").why_not("operator") == ""
    told = people.Person("bob", "viewer").why_not("admin")
    assert told == "This is for the role admin; yours is viewer."


def test_the_user_of_a_machine_may_do_on_loopback_what_the_command_line_may() -> None:
    assert people.local("eve", {}, asked_of(Dashboard(), "127.0.0.1")).role == "admin"
    assert people.local("eve", {}, asked_of(Dashboard(), "0.0.0.0")).role == "viewer"
    assert people.local("eve", {}, Dashboard()).role == "viewer"


def test_nobody_is_admin_by_the_address_where_people_are_asked_who_they_are() -> None:
    assert asked_of(Dashboard(login=True), "127.0.0.1").role == "viewer"
    assert asked_of(ANN, "127.0.0.1").role == "viewer"


def test_a_role_that_is_set_counts_more_than_the_address() -> None:
    assert asked_of(Dashboard(role="viewer"), "127.0.0.1").role == "viewer"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "x-real-ip"])
def test_what_comes_by_way_of_a_proxy_is_not_the_user_of_this_machine(name: str) -> None:
    found = people.local("eve", {name: "10.0.0.7"}, Dashboard(role="admin"))
    assert (found.name, found.role) == ("somebody behind a proxy", "viewer")


def test_a_proxy_names_who_looks_and_the_settings_their_role() -> None:
    roles = [people.by_header([name], ANN) for name in ("ann", "bob", "carl")]
    assert [each and (each.name, each.role) for each in roles] == [
        ("ann", "admin"),
        ("bob", "operator"),
        ("carl", "viewer"),
    ]


@pytest.mark.parametrize("values", [[], [""], [" "], ["bob", "ann"]])
def test_no_name_or_two_names_are_nobody(values: list[str]) -> None:
    assert people.by_header(values, ANN) is None


@pytest.mark.parametrize(
    ("claims", "role"),
    [({"email": "ann", "email_verified": True}, "admin"), ({"email": "ann"}, "admin"),
     ({"email": "ann", "email_verified": False}, None), ({"name": "ann"}, None),
     ({"email": ["ann"]}, None), ({"email": ""}, None)],
)  # fmt: skip
def test_an_account_is_known_by_its_claim_unless_that_is_unverified(
    claims: dict[str, Any], role: str | None
) -> None:
    found = people.by_account(claims, ANN)
    assert (found and found.role) == role


def test_settings_refuse_a_role_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOT_DASHBOARD", json.dumps({"people": {"ann": "boss"}}))
    with pytest.raises(InvalidInput, match=r"dashboard\.people\.ann.*ALLOT_DASHBOARD\)"):
        settings.load()


def test_a_role_by_flag_leaves_the_people_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOT_DASHBOARD", json.dumps({"people": {"ann": "admin"}}))
    found = settings.load(dashboard={"role": "operator"}).dashboard
    assert (found.people, found.role) == ({"ann": "admin"}, "operator")


def opened(monkeypatch: pytest.MonkeyPatch, url: str, **asked: Any) -> AppTest:
    monkeypatch.setenv("ALLOT_STORE", url)
    monkeypatch.setenv("ALLOT_DASHBOARD", json.dumps(asked))
    return AppTest.from_file(FOLDER.parent / "app.py", default_timeout=60).run()


def sidebar(app: AppTest) -> list[str]:
    return [str(each.value) for each in app.sidebar.text]


def test_the_sidebar_says_who_looks_and_as_what(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, empty_url, role="operator")
    assert sidebar(app) == [f"{getpass.getuser()} · operator"]


def test_whom_the_proxy_does_not_name_sees_nothing(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(monkeypatch, full_url, header="X-Forwarded-User", role="admin")
    assert not app.exception
    assert [each.value for each in app.title] == ["Sign in"]
    assert "X-Forwarded-User" in app.text[0].value
    assert not app.dataframe
    assert not app.button


def test_who_has_not_signed_in_sees_a_button_alone(
    full_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UserInfoProxy, "to_dict", lambda _: {"is_logged_in": False})
    app = opened(monkeypatch, full_url, login=True, role="admin")
    assert [each.label for each in app.button] == ["Sign in"]
    assert not app.dataframe


def test_who_has_signed_in_has_the_role_of_their_address_and_can_sign_out(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = {"is_logged_in": True, "email": "ann@x.org", "email_verified": True}
    monkeypatch.setattr(UserInfoProxy, "to_dict", lambda _: claims)
    app = opened(monkeypatch, empty_url, login=True, people={"ann@x.org": "operator"})
    assert sidebar(app) == ["ann@x.org · operator"]
    assert [each.key for each in app.sidebar.button] == ["sign-out"]
