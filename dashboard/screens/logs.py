"""Logs: what came in, what was refused and why, and what is known of each kind."""

from zoneinfo import ZoneInfo, available_timezones

import pandas as pd
import streamlit as st

from dashboard import frames, session, tables
from dashboard.uploads import Upload, take
from dashboard.words import count
from scheduler.ingest import IngestReport, known_formats
from scheduler.store import Store

TITLE, ICON, SECTION, PLACE = "Logs", ":material/database:", "Data", 1

BY_ITSELF = "auto"


def draw() -> None:
    """Upload, history, quarantine and kinds."""
    store = session.store()
    _upload(store)
    names = {
        "history": f"History ({len(store.ingests()):,})",
        "quarantine": f"Quarantine ({store.quarantine_count():,})",
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
        zones = sorted(available_timezones())
        zone = right.selectbox(
            "Times without a zone are in", zones, index=zones.index("UTC"), key="logs-zone"
        )
        uploads = [Upload(each.name, each.getvalue()) for each in files or []]
        if uploads:
            _take(store, uploads, None if form == BY_ITSELF else form, ZoneInfo(zone))
        if said := st.session_state.pop("logs-said", None):
            st.success(said, icon=":material/check_circle:")


def _take(store: Store, uploads: list[Upload], form: str | None, zone: ZoneInfo) -> None:
    moment = session.now()
    report = take(uploads, store, format=form, timezone=zone, now=moment, dry_run=True)
    st.markdown("**What would become of them**")
    _report(report)
    fresh = report.accepted or report.quarantined
    label = f"Take in {count(report.accepted, 'record')}"
    if st.button(label, disabled=not fresh, key="logs-take"):
        done = take(uploads, store, format=form, timezone=zone, now=moment, dry_run=False)
        st.session_state["logs-said"] = (
            f"{count(done.accepted, 'new record')}, {count(done.duplicates, 'duplicate')}, "
            f"{count(done.quarantined, 'line')} in quarantine."
        )
        st.rerun()


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
    total = store.quarantine_count()
    if not total:
        st.success("No line has been refused.", icon=":material/check_circle:")
        return
    refused = store.quarantined()
    if total > len(refused):
        st.caption(f"The newest {len(refused):,} of {total:,} lines.")
    frame = frames.quarantine(refused)
    st.caption(
        "Select a row to see the whole line. Mend the file and read it again: what was taken stays."
    )
    tables.show(
        frame, key="quarantine", alt="Refused lines", height=360,
        on_row=lambda row: session.choose("line", str(refused[row].id)),
        columns=("file", "line", "field", "rule", "value", "raw", "at"),
    )  # fmt: skip
    for each in refused:
        if str(each.id) == session.chosen("line"):
            st.text(
                f"{each.refused.file}, line {each.refused.line}: "
                f"{each.refused.field} {each.refused.rule}"
            )
            st.code(each.refused.raw, language=None, wrap_lines=True)


def _kinds(store: Store) -> None:
    kinds = store.kinds()
    if not kinds:
        st.write("No record is known yet.")
        return
    st.caption("Means over the attempts that succeeded.")
    tables.show(frames.kinds(kinds), key="kinds", alt="Kinds by worker", height=460)


draw()
