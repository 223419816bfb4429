"""Who looks at the dashboard, and what they may do there: pure; no streamlit here.

A person is known by an account (OIDC), by a header that a proxy in front sets, or not at all: then
it is whoever the process runs as. Roles are in the settings; each may do what those before it may.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scheduler.errors import AllotError
from scheduler.settings import Dashboard

VIEWER, OPERATOR, ADMIN = ROLES = ("viewer", "operator", "admin")
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")  # what proxies add to requests
MAY = {
    VIEWER: "see everything and change nothing",
    OPERATOR: "act on runs, logs and trainings",
    ADMIN: "decide on networks and sources, too",
}


class NotSignedIn(AllotError):
    """Nobody knows who looks, and the settings ask for a name."""


@dataclass(frozen=True)
class Person:
    """Somebody who looks, by name. `role` is one of ROLES; `how` says how the name is known."""

    name: str
    role: str
    how: str = ""

    def may(self, role: str) -> bool:
        """Whether this person may do what is for people of that role."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def why_not(self, role: str) -> str:
        """Why this person may not; empty where they may."""
        if self.may(role):
            return ""
        return f"This is for the role {role}; yours is {self.role}."


def local(user: str, headers: Mapping[str, str], settings: Dashboard) -> Person:
    """Whoever the process runs as. A request that came by way of a proxy is not theirs."""
    if any(name.lower() in FORWARDED for name in headers):
        return Person("somebody behind a proxy", VIEWER, "by nothing: the proxy names nobody")
    return Person(user, _role(user, settings), "as the user of this machine")


def by_header(values: Sequence[str], settings: Dashboard) -> Person | None:
    """Whom the proxy names in its header; None where it does not name exactly one.

    Two values are nobody: one of them may be what the browser sent.
    """
    if len(values) != 1 or not (name := values[0].strip()):
        return None
    return Person(name, _role(name, settings), f"by {settings.header}")


def by_account(claims: Mapping[str, Any], settings: Dashboard) -> Person | None:
    """Whose account signed in; None where it has no such claim.

    An address counts only where the provider does not say that it is unverified.
    """
    name = claims.get(settings.claim)
    if not isinstance(name, str) or not name.strip():
        return None
    if settings.claim == "email" and claims.get("email_verified") is False:
        return None
    return Person(name.strip(), _role(name.strip(), settings), "by their account")


def _role(name: str, settings: Dashboard) -> str:
    return settings.people.get(name) or settings.role or VIEWER
