"""The dashboard's frame: the sidebar, and one screen at a time."""

import streamlit as st

from dashboard import session
from dashboard.navigation import SECTIONS, screens
from dashboard.theme import LOGO, MARK

# What is drawn anew must not fade meanwhile: live screens redraw every few seconds.
STEADY = "<style>[data-stale='true'] { opacity: 1 !important; transition: none !important }</style>"


def main() -> None:
    """Draws the sidebar and the screen that the address names."""
    st.set_page_config(page_title="Allot", page_icon=MARK, layout="wide")
    st.html(STEADY)
    st.logo(LOGO, size="large", icon_image=MARK)
    sections = {
        section: [
            st.Page(each.path, title=each.title, icon=each.icon, default=each is screens()[0])
            for each in screens()
            if each.section == section
        ]
        for section in SECTIONS
    }
    page = st.navigation(sections)
    st.title(page.title, anchor=False)
    with session.told():
        session.store()
        page.run()


main()
