"""Settings and audit: what is in force and where from, who may do what, and who did what."""

import platform
from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import filters, living, session, tables
from dashboard.people import MAY, ROLES
from dashboard.words import count, plain, still
from scheduler import settings as all_settings
from scheduler.governor import policy_in_force
from scheduler.masking import MASK, holds_secret, looks_secret, masked
from scheduler.settings import Dashboard, Settings
from scheduler.store import Store
from scheduler.store.audits import Audit
from scheduler.store.engine import shown
from scheduler.store.watching import AuditsWanted

TITLE, ICON, SECTION, PLACE = "Settings and audit", ":material/shield_person:", "Admin", 1

PAGE = 100
TITLES = {"audit": "Audit", "settings": "Settings", "people": "People and roles"}
PERIODS = {"all": None, "hour": timedelta(hours=1), "day": timedelta(days=1),
           "week": timedelta(days=7), "month": timedelta(days=30)}  # fmt: skip
SINCE = {"all": "All times", "hour": "Last hour", "day": "Last 24 hours", "week": "Last 7 days",
         "month": "Last 30 days"}  # fmt: skip
PACKAGES = ("allot", "streamlit", "numpy", "numba", "sqlalchemy", "torch", "ray")


def draw() -> None:
    """One of three parts, as the address says."""
    wanted = session.choose_one("Part", list(TITLES), "part", shown=TITLES.__getitem__)
    store = session.store()
    living.on_change(lambda: store.mark("audits"))
    {"audit": _audit, "settings": _settings, "people": _people}[wanted](store)


def _audit(store: Store) -> None:
    names = store.audited()
    if not names["action"]:
        session.nothing_yet(
            "Nobody has done anything yet.",
            "Whatever people and the agent do to runs, networks, sources and logs is kept here: "
            "who, when, what, why. Nothing changes or deletes it.",
            ("allot audit",),
        )
        return
    wanted = _wanted(names)
    total = store.count_audits(wanted)
    pages = max(-(-total // PAGE), 1)
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Page of {pages:,}", 1, pages, 1, key=f"audit-page-{pages}"))
    found = store.find_audits(wanted, limit=PAGE, offset=(page - 1) * PAGE)
    st.caption(
        f"{count(total, 'entry', 'entries')}, newest first"
        + (f"; {PAGE:,} on a page." if pages > 1 else ". Select a row to see all of it.")
    )
    if not found:
        st.write("Nothing of this kind was done.")
        return
    tables.show(
        _frame(found), key=f"audit-{page}", alt="Who did what", height=460,
        on_row=lambda row: session.choose("entry", str(found[row].id)),
    )  # fmt: skip
    chosen = next((each for each in found if str(each.id) == session.chosen("entry")), None)
    if chosen is not None:
        _entry(chosen)
    st.download_button(
        f"All {total:,} as CSV" if total <= 10_000 else "The newest 10,000 as CSV",
        data=lambda: tables.csv(_frame(store.find_audits(wanted, limit=10_000))),
        file_name="allot-audit.csv", mime="text/csv", icon=":material/download:",
        key="audit-csv", on_click="ignore",
    )  # fmt: skip


def _wanted(names: Mapping[str, tuple[str, ...]]) -> AuditsWanted:
    who, what, since, text = st.columns((2, 2, 2, 3))
    with who:
        by = filters.several("By", names["by"], "by", none="Everybody")
    with what:
        actions = filters.several("Did", names["action"], "action", none="Everything")
    with since:
        period = session.pick("When", list(PERIODS), "since", shown=SINCE.__getitem__)
    with text:
        words = st.text_input(
            "In the subject or the reason", key="text", bind="query-params", max_chars=200
        )
    length = PERIODS[period]
    return AuditsWanted(
        by=by, actions=actions, text=str(words or "").strip(),
        since=None if length is None else session.now() - length,
    )  # fmt: skip


def _frame(found: tuple[Audit, ...]) -> pd.DataFrame:
    return pd.DataFrame.from_records(
        [
            {
                "at": each.at, "by": each.by, "did": each.action, "to": each.subject,
                "what came of it": str(each.details.get("words", "")), "reason": each.reason,
            }
            for each in found
        ]
    )  # fmt: skip


def _entry(entry: Audit) -> None:
    with st.container(border=True, gap="xsmall"):
        st.caption(f"Entry {entry.id} · {session.when(entry.at)}")
        st.text(still(f"{entry.by}: {entry.action}, {entry.subject}"))
        if entry.reason:
            st.text(f"Why: {entry.reason}")
        for name, value in entry.details.items():
            if value not in ("", [], None):
                st.caption(plain(name))
                st.code(str(value), language=None, wrap_lines=True)


def _settings(store: Store) -> None:
    found = all_settings.load()
    where = all_settings.sources(found)
    st.caption(
        "A flag counts more than the environment, which counts more than the file. `allot "
        "dashboard` hands its flags on in the environment. Secrets are masked."
    )
    rows = [
        {"setting": name, "value": _shown(name, getattr(found, name)), "from": where[name]}
        for name in Settings.model_fields
    ]
    rows.append({"setting": "folder of networks", "value": str(store.folder), "from": "the store"})
    tables.show(pd.DataFrame(rows), key="settings", alt="The settings in force")
    st.subheader("Policy in force", anchor=False)
    policy = policy_in_force(store)
    if policy:
        st.json(_masked(dict(policy)))
    else:
        st.write("Nobody has set one: nothing needs approval, and nothing is kept off workers.")
    st.subheader("Installed", anchor=False)
    installed = [{"package": each, "version": _version(each)} for each in PACKAGES]
    installed.append({"package": "python", "version": platform.python_version()})
    tables.show(pd.DataFrame(installed), key="installed", alt="What is installed")


def _shown(name: str, value: object) -> str:
    """A setting as it may be shown: without a password or a token."""
    if name == "store":
        return shown(str(value))
    if isinstance(value, Dashboard):
        value = value.model_dump(exclude_defaults=True)
    return str(_masked(value, name)) if value not in (None, {}, "") else "nothing"


def _masked(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {str(key): _masked(each, str(key)) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(each, name) for each in value]
    text = str(value)
    if looks_secret(name) and holds_secret(name, text):
        return MASK
    return masked(text) if isinstance(value, str) else value


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _people(store: Store) -> None:
    asked, me = all_settings.load().dashboard, session.who()
    st.text(f"You are {me.name}, known {me.how}, with the role {me.role}.")
    tables.show(
        pd.DataFrame({"role": list(ROLES), "may": [MAY[each] for each in ROLES]}),
        key="roles", alt="Roles",
    )  # fmt: skip
    how = "their accounts" if asked.login else f"the header {asked.header}" if asked.header else ""
    st.text(
        f"People are known by {how}."
        if how
        else "Nobody is asked who they are: whoever can open "
        "this dashboard has the role below. See [dashboard] in the documentation of settings."
    )
    rows = [{"name": name, "role": role} for name, role in sorted(asked.people.items())]
    rows.append({"name": "everybody else", "role": asked.role or ROLES[0]})
    tables.show(pd.DataFrame(rows), key="people", alt="People and their roles")
    st.caption(plain(f"The store is {shown(store.url)}"))


draw()
