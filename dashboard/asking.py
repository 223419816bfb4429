"""Acts on the screen: a button with its form, why it cannot be used, and what came of it.

What was asked is followed from screen to screen until somebody has answered it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import streamlit as st

from dashboard import living, session
from dashboard.acts import DONE, OPEN, REFUSED, Acting, Deed, agent_care, come_of, run_care
from dashboard.people import OPERATOR
from dashboard.words import clipped, plain
from scheduler.errors import AllotError
from scheduler.store import Store

SAID, MOST = "acts.said", 20
WIDE, LONG = 380, 500  # pixels of a form, letters of a reason
LOOK = 1.0  # seconds between two looks at the answers
ASKED, NEEDED, NONE = "asked", "needed", "none"  # whether a form asks for a reason


def acting() -> Acting:
    """Whoever looks, acting on the store now."""
    return Acting(session.store(), session.who(), session.now())


def why_not(role: str = OPERATOR) -> str:
    """Why whoever looks may not do what is for this role; empty where they may."""
    return session.who().why_not(role)


def act(
    label: str,
    do: Callable[[Acting, str, Any], Deed | Iterable[Deed]],
    *,
    key: str,
    fields: Callable[[str], Any] = lambda _: None,
    role: str = OPERATOR,
    reason: str = ASKED,
    icon: str | None = None,
    explain: str = "",
    confirm: str = "",
    disabled: str = "",
    stretch: bool = False,
) -> None:
    """A button that opens a form, with a reason to give, and then does something.

    `fields` draws what else is to be filled in, with keys that start as it is told, and its value
    goes to `do`. `disabled` says why it makes no sense now; a missing role is told the same way.
    """
    why = why_not(role) or disabled
    form = f"{key}-{st.session_state.get(f'acts.{key}', 0)}"  # another key closes it after the act
    shown = st.popover(
        label, icon=icon, disabled=bool(why), help=plain(why) or None, key=form,
        width="stretch" if stretch else "content",
    )  # fmt: skip
    if why:
        return
    with shown, st.container(width=WIDE), st.form(f"{form}-form", border=False):
        if explain:
            st.text(explain)
        value = fields(form)
        text = "" if reason == NONE else _reason(form, needed=reason == NEEDED)
        done = st.form_submit_button(confirm or label, type="primary", key=f"{form}-do")
    if done and reason == NEEDED and not text:
        shown.warning("Say why: the reason is kept, and learned from.")
    elif done:
        perform(lambda who: do(who, text, value))
        st.session_state[f"acts.{key}"] = st.session_state.get(f"acts.{key}", 0) + 1
        st.rerun()


def button(
    label: str,
    do: Callable[[Acting], Deed | Iterable[Deed]],
    *,
    key: str,
    role: str = OPERATOR,
    icon: str | None = None,
    disabled: str = "",
    primary: bool = False,
) -> None:
    """A button that does something at once, without a form."""
    why = why_not(role) or disabled
    kind: Any = "primary" if primary else "secondary"
    if st.button(label, key=key, icon=icon, disabled=bool(why), help=plain(why) or None, type=kind):
        perform(do)
        st.rerun()


def perform(do: Callable[[Acting], Deed | Iterable[Deed]]) -> tuple[Deed, ...]:
    """Does it, and keeps what came of it for the screen; what is refused is told, not raised."""
    try:
        found = do(acting())
        deeds = (found,) if isinstance(found, Deed) else tuple(found)
    except AllotError as error:
        deeds = (Deed(REFUSED, str(error)),)
    st.session_state[SAID] = [*st.session_state.get(SAID, []), *deeds][-MOST:]
    return deeds


def each(
    found: Iterable[Any], name: Callable[[Any], str], do: Callable[[Any], Deed]
) -> tuple[Deed, ...]:
    """One act on many things, with a result for each: one that is refused stops no other."""
    deeds = []
    for one in found:
        try:
            deeds.append(do(one))
        except AllotError as error:
            deeds.append(Deed(REFUSED, f"{name(one)}: {error}"))
    return tuple(deeds)


def told_back() -> None:
    """What came of the acts of this session, on every screen, until it is put away.

    It has a place of its own, so that nothing on the screen moves when it comes or goes.
    """
    with st.container(key="acts-place"):
        if st.session_state.get(SAID):
            waits = any(one.state == OPEN for one in st.session_state[SAID])
            living.live(_told, every=LOOK if waits else None)


def _told() -> None:
    store: Store = session.store()
    before = st.session_state.get(SAID, [])
    now = st.session_state[SAID] = [come_of(store, one) for one in before]
    if any(one.state == OPEN for one in before) and all(one.state != OPEN for one in now):
        st.rerun()  # the whole screen: it shows what was changed, and looks no more for answers
    with st.container(border=True, gap="xxsmall", key="acts-said"):
        for one in now:
            _line(store, one)
        if st.button("Put away", key="acts-put-away", type="tertiary", icon=":material/close:"):
            st.session_state[SAID] = []
            st.rerun()


MARKS = {
    DONE: ":green[:material/check_circle:]",
    REFUSED: ":red[:material/block:]",
    OPEN: ":orange[:material/hourglass_empty:]",
}


def _line(store: Store, deed: Deed) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(MARKS[deed.state], width="content")
        number = f"Request {deed.request}: " if deed.request else ""
        waits = " · asked; waiting for somebody to take it up" if deed.state == OPEN else ""
        refused = "Refused: " if deed.state == REFUSED else ""
        st.text(f"{refused}{number}{clipped(deed.words, 400)}{waits}")
    if deed.state == OPEN:
        moment = session.now()
        care = agent_care(store, moment) if deed.run is None else run_care(store, deed.run, moment)
        if not care.there:
            st.caption(f"{plain(care.words)} Nobody takes it up before one is started:")
            st.code(care.command, language="bash")


def _reason(form: str, *, needed: bool) -> str:
    said = st.text_input(
        "Why" if needed else "Why (kept in the audit)", key=f"{form}-why",
        placeholder="needed" if needed else "",
    )  # fmt: skip
    return str(said).strip()[:LONG]
