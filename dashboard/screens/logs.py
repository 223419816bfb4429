"""Logs: what came in, what was refused and why, and what is known of each kind."""

from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboard import acts_of_learning as acts
from dashboard import asking, frames, kept, living, session, tables, zones
from dashboard.acts import Acting, Deed
from dashboard.uploads import Upload, take
from dashboard.words import count, still
from scheduler import settings
from scheduler.errors import InvalidInput
from scheduler.ingest import IngestReport, known_formats
from scheduler.mending import read_again
from scheduler.records import as_plain
from scheduler.store import Store
from scheduler.store.mending import Origin
from scheduler.store.values import Quarantined

TITLE, ICON, SECTION, PLACE = "Logs", ":material/database:", "Data", 1

BY_ITSELF = "auto"
PAGE = 200  # refused lines on the screen
MOST = 5000  # lines that are put aside at once
STATES = {"open": "Waiting", "mended": "Mended", "aside": "Put aside"}


def draw() -> None:
    """Upload, history, quarantine and kinds."""
    store = session.store()
    living.on_change(lambda: store.mark("ingests", "refused", "audits"))
    _upload(store)
    names = {
        "history": f"History ({len(store.ingests()):,})",
        "quarantine": f"Quarantine ({store.quarantine_count(state='open'):,})",
        "kinds": "Kinds",
    }
    wanted = session.choose_one("Shown", list(names), "shown", shown=names.__getitem__)
    {"history": _history, "quarantine": _quarantine, "kinds": _kinds}[wanted](store)


def _upload(store: Store) -> None:
    with st.container(border=True):
        st.subheader("Bring in logs", anchor=False)
        formats = {
            BY_ITSELF: "by their beginning",
            **{name: form.title for name, form in known_formats().items()},
        }
        left, middle, right = st.columns((3, 1, 1))
        files = left.file_uploader("Log files", accept_multiple_files=True, key="logs-upload")
        form = middle.selectbox(
            "Format", list(formats), format_func=formats.__getitem__, key="logs-format"
        )
        with right:
            zone = _zone("logs-zone")
        uploads = [Upload(each.name, each.getvalue()) for each in files or []]
        if uploads:
            _take(store, uploads, None if form == BY_ITSELF else form, ZoneInfo(zone))


def _zone(key: str) -> str:
    usual = settings.load().timezone
    found = list(dict.fromkeys([usual, *zones.offered()]))
    return str(st.selectbox("Times without a zone are in", found, key=key))


def _take(store: Store, uploads: list[Upload], form: str | None, zone: ZoneInfo) -> None:
    moment = session.now()
    report = take(uploads, store, format=form, timezone=zone, now=moment, dry_run=True)
    st.markdown("**What would become of them**")
    _report(report)
    fresh = report.accepted or report.quarantined
    asking.button(
        _taking(report),
        lambda who: acts.bring_in(who, uploads, format=form, timezone=zone), key="logs-take",
        primary=True, disabled="" if fresh else "There is nothing new in these files.",
    )  # fmt: skip


def _taking(report: IngestReport) -> str:
    if report.accepted:
        return f"Take in {count(report.accepted, 'record')}"
    if report.quarantined:
        return f"Put {count(report.quarantined, 'line')} in quarantine"
    return "Take in"


def _report(report: IngestReport) -> None:
    rows = [
        {"file": each.file, "format": each.format or "", "read": each.read,
         "accepted": each.accepted, "duplicates": each.duplicates, "quarantined": each.quarantined,
         "message": each.error or each.skipped or ""}
        for each in report.files
    ]  # fmt: skip
    tables.show(pd.DataFrame(rows), key="logs-report", alt="What would become of each file")
    for each in report.errors:
        st.error("A file cannot be read.", icon=":material/error:")
        st.text(each)


def _history(store: Store) -> None:
    ingests = store.ingests()
    if not ingests:
        session.nothing_yet(
            "No log has been read yet.",
            "Upload one above, or read files and folders from the command line.",
            ("allot ingest LOGS",),
        )
        return
    tables.show(frames.ingests(ingests), key="ingests", alt="Files that were read", height=420)


def _quarantine(store: Store) -> None:
    if not store.quarantine_count():
        st.success("No line has been refused.", icon=":material/check_circle:")
        return
    state = session.choose_one("State", list(STATES), "lines", shown=STATES.__getitem__)
    total, refused = store.quarantine_count(state=state), store.quarantined(state=state, limit=PAGE)
    if not refused:
        st.success(f"{STATES[state]}: no line.", icon=":material/check_circle:")
        return
    if total > len(refused):
        st.caption(f"The newest {len(refused):,} of {total:,} lines.")
    left, right = st.columns((3, 2), gap="medium")
    with left:
        st.caption("Select a row to see the whole line" + (", and to mend it." if state == "open"
                   else "."))  # fmt: skip
        tables.show(
            frames.quarantine(refused), key=f"quarantine-{state}", alt="Refused lines", height=360,
            on_row=lambda row: session.choose("line", str(refused[row].id)),
            columns=("file", "line", "field", "rule", "value", "raw", "at"),
        )  # fmt: skip
    with right:
        st.caption("Which rules the waiting lines break")
        rules = pd.DataFrame(store.refused_by_rule(), columns=["field", "rule", "lines"])
        rules = rules[["lines", "field", "rule"]]
        tables.show(rules, key="rules", alt="Waiting lines by the rule that they break", height=360)
    numbers = {str(each.id): each for each in refused}
    chosen = numbers.get(session.chosen("line") or "", refused[0])
    session.choose("line", str(chosen.id))  # what somebody mends stays, whatever else comes in
    _line(store, chosen)


def _line(store: Store, line: Quarantined) -> None:
    refused = line.refused
    with st.container(border=True):
        where = still(refused.file)
        st.text(f"{where}, line {refused.line}: {refused.field} {refused.rule}, "
                f"found {refused.value}")  # fmt: skip
        st.code(refused.raw, language=None, wrap_lines=True)
        if line.state == "open":
            _mend(store, line)
            return
        for each in store.audits(subject=f"refused line {line.id}", limit=5):
            st.caption(session.when(each.at))
            st.text(still(f"{each.by}: {each.action}. {each.reason}").strip())
            if after := each.details.get("after"):
                st.code(str(after), language=None, wrap_lines=True)


def _mend(store: Store, line: Quarantined) -> None:
    """The line to be edited, read again as its file was, and taken in; or put aside."""
    origin = store.origin(line.refused.file)
    form = known_formats().get(origin.format) if origin else None
    if origin is None or form is None or form.whole:
        st.caption(
            "It says nothing without the rest of its file: mend the file and read it again. What "
            "was taken in stays, and comes in once."
        )
    else:
        _mending(line, origin, headed=form.headed)
    asking.act(
        "Put aside", partial(_aside, store, line), key=f"aside-{line.id}", reason=asking.NEEDED,
        icon=":material/inventory_2:", confirm="It needs nobody any more",
        explain="The line stays in the store, and is not asked about again.",
        fields=lambda key: st.radio(
            "Which", ["this", "all"], key=f"{key}-which",
            format_func={"this": "This line", "all": "All that break the same rule"}.__getitem__,
        ),
    )  # fmt: skip


def _mending(line: Quarantined, origin: Origin, *, headed: bool) -> None:
    why, key, header = asking.why_not(), f"mend-{line.id}", ""
    if headed and origin.header:
        st.caption("Its columns")
        st.code(origin.header, language=None, wrap_lines=True)
    with st.form(key, border=False):
        if headed and not origin.header:
            header = st.text_input("The header of its file", key=f"{key}-header")
        text = st.text_area("The line, mended", line.refused.raw, key=f"{key}-text", height=100)
        left, right = st.columns(2)
        with left:
            zone = ZoneInfo(_zone(f"{key}-zone"))
        reason = right.text_input("Why (kept in the audit)", key=f"{key}-why", max_chars=500)
        with st.container(horizontal=True):
            check = st.form_submit_button("Check", key=f"{key}-check", icon=":material/rule:")
            done = st.form_submit_button(
                "Take it in", key=f"{key}-do", type="primary", disabled=bool(why), help=why or None
            )
    if check:
        _checked(line, text, origin, zone, header)
    if done:
        asking.perform(
            lambda who: acts.mend(who, line.id, text, reason.strip(), timezone=zone, header=header)
        )
        st.rerun()


def _checked(line: Quarantined, text: str, origin: Origin, zone: ZoneInfo, header: str) -> None:
    try:
        _, record = read_again(line.refused, text, origin=origin, timezone=zone, header=header)
    except InvalidInput as error:
        st.warning("It cannot be taken in like this.", icon=":material/rule:")
        st.text(str(error))
        return
    st.success("It keeps every rule. It would be:", icon=":material/check_circle:")
    st.json(as_plain(record))


def _aside(store: Store, line: Quarantined, who: Acting, reason: str, which: Any) -> Deed:
    lines = [line.id]
    if which == "all":
        rule = (line.refused.field, line.refused.rule)
        every = store.quarantined(state="open", limit=MOST)
        lines = [e.id for e in every if (e.refused.field, e.refused.rule) == rule]
    return acts.put_aside(who, lines, reason)


def _kinds(store: Store) -> None:
    kinds = kept.kinds(store)
    if not kinds:
        st.write("No record is known yet.")
        return
    st.caption("Means over the attempts that succeeded, of many records without the very newest.")
    tables.show(frames.kinds(kinds), key="kinds", alt="Kinds by worker", height=460)


draw()
