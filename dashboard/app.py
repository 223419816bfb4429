"""The dashboard's frame: the sidebar, and one screen at a time."""

import streamlit as st

from dashboard import asking, living, session
from dashboard.navigation import SECTIONS, screens
from dashboard.people import NotSignedIn, Person
from dashboard.theme import DARK, LIGHT, LOGO, MARK
from dashboard.words import plain, still
from scheduler import settings

# What is drawn anew must not fade meanwhile: live screens redraw every few seconds.
STEADY = "<style>[data-stale='true'] { opacity: 1 !important; transition: none !important }</style>"
# White letters, Streamlit's own, could not be read on the main colour of dark screens. The browser
# chooses, not the script, which does not run when the appearance changes.
CHOSEN = f"""<style>body {{ color-scheme: light dark }}
[data-testid='stMultiSelect'] span[title], [data-testid^='stBaseButton-primary']:not(:disabled) *
{{ color: light-dark({LIGHT.background}, {DARK.background}) !important }}</style>"""

# What came of an act stands over the screen, below on the right: nothing on the screen moves then.
OVER = f"""<style>.st-key-acts-said {{ position: fixed; right: 1rem; bottom: 1rem; z-index: 90;
width: min(36rem, calc(100vw - 2rem)); max-height: 40vh; overflow-y: auto;
background: light-dark({LIGHT.panel}, {DARK.panel}); box-shadow: 0 2px 16px rgba(0, 0, 0, .3) }}
[data-testid='stLayoutWrapper']:has(> .st-key-acts-place) {{ position: absolute }}</style>"""

# An open page keeps what it shows while its server is away; it must not pass for what is now.
AWAY = f"""<style>[data-testid='stApp']:not([data-test-connection-state='CONNECTED'])::after {{
content: 'The server does not answer: what you see may be old. This page goes on by itself.';
position: fixed; top: 0; left: 0; right: 0; z-index: 1000000; padding: .4rem 1rem;
text-align: center; color: light-dark({LIGHT.background}, {DARK.background});
background: light-dark({LIGHT.failed}, {DARK.failed}) }}</style>"""

# Words from outside may be without end: they scroll in their place.
ENDLESS = """<style>[data-testid='stMain'] :is([data-testid='stText'] > *,
[data-testid='stMarkdown'] p, [data-testid='stAlert'] p)
{ max-height: 12rem; overflow: hidden auto }</style>"""

# On a tablet columns are half as wide as the screen at least, and two stand below one another.
NARROW = """<style>@media (max-width: 1100px) {
[data-testid='stMainBlockContainer'] { padding-left: 1.5rem; padding-right: 1.5rem }
[data-testid='stMain'] [data-testid='stColumn'] { min-width: calc(50% - 1rem) }
[data-testid='stMain'] [data-testid='stColumn']:first-child:nth-last-child(2),
[data-testid='stMain'] [data-testid='stColumn']:nth-child(2):last-child { min-width: 100% } }
</style>"""


def main() -> None:
    """Draws the sidebar and the screen that the address names, once it is known who looks."""
    st.set_page_config(page_title="Allot", page_icon=MARK, layout="wide")
    st.html(STEADY)
    st.html(CHOSEN)
    st.html(AWAY)
    st.html(ENDLESS)
    st.html(OVER)
    st.html(NARROW)
    st.logo(LOGO, size="large", icon_image=MARK)
    living.come_back()
    with session.told():
        try:
            person = session.who()
        except NotSignedIn as error:
            _sign_in(str(error))
            return
        _screen(person)


def _screen(person: Person) -> None:
    sections = {
        section: [
            st.Page(each.path, title=each.title, icon=each.icon, default=each is screens()[0])
            for each in screens()
            if each.section == section
        ]
        for section in SECTIONS
    }
    shown = {name: pages for name, pages in sections.items() if pages}
    page = st.navigation(shown, expanded=True)
    _who(person)
    st.title(page.title, anchor=False)
    with living.watched(), session.told():
        session.store()
        asking.told_back()
        page.run()


def _who(person: Person) -> None:
    with st.sidebar:
        st.text(f"{still(person.name)} · {person.role}", help=f"Known {plain(person.how)}.")
        if settings.load().dashboard.login:
            st.button("Sign out", on_click=st.logout, key="sign-out", icon=":material/logout:")
        session.pick_zone()


def _sign_in(why: str) -> None:
    st.title("Sign in", anchor=False)
    st.text(why)
    if settings.load().dashboard.login:
        label = "Sign in with another account" if st.user.get("is_logged_in") else "Sign in"
        st.button(label, on_click=st.login, key="sign-in", type="primary", icon=":material/login:")


main()
