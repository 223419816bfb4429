"""Colours, and the settings that Streamlit is started with. Contrast is checked by a test."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Kinds: after Okabe and Ito (2008), distinguishable with any colour vision; red is for failures.
KINDS_LIGHT = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9",
    "#8A7A00", "#6A51A3", "#7F8C9A", "#1B4965", "#8C510A", "#66A61E", "#80CDC1",
)  # fmt: skip
KINDS_DARK = (
    "#4BA3DC", "#E8B04A", "#2CB88F", "#DB93BB", "#9AD4F2",
    "#C2B54A", "#A691DB", "#A9B6C4", "#6F8FD6", "#B9773A", "#9BD14F", "#5FA89C",
)  # fmt: skip


BLACK, WHITE = "#000000", "#FFFFFF"
# The mark: three bars of a schedule; its colours hold on light and dark ground.
MARK = """<svg viewBox="0 0 24 24"><rect x="2" y="3" width="13" height="5" rx="1.5" fill="#2B93B5"/>
<rect x="8" y="9.5" width="14" height="5" rx="1.5" fill="#E69F00"/>
<rect x="4" y="16" width="10" height="5" rx="1.5" fill="#009E73"/></svg>"""
LOGO = """<svg viewBox="0 0 92 24"><rect x="2" y="3" width="13" height="5" rx="1.5" fill="#2B93B5"/>
<rect x="8" y="9.5" width="14" height="5" rx="1.5" fill="#E69F00"/>
<rect x="4" y="16" width="10" height="5" rx="1.5" fill="#009E73"/>
<text x="30" y="18.5" font-family="sans-serif" font-size="19" font-weight="700"
fill="#2586A6">Allot</text></svg>"""


@dataclass(frozen=True)
class Palette:
    """The colours of one appearance. `kinds` are cycled; states by name."""

    background: str
    panel: str
    text: str
    muted: str
    line: str
    primary: str
    failed: str
    kinds: tuple[str, ...]
    states: Mapping[str, str]
    scale: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """Colours for lines and bars of a chart."""
        return self.kinds


LIGHT = Palette(
    background="#FFFFFF", panel="#F3F6F9", text="#0C1520", muted="#566475", line="#D9E0E8",
    primary="#0B6785", failed="#C4314B", kinds=KINDS_LIGHT,
    states={
        "succeeded": "#1E8A5F", "running": "#0B6785", "failed": "#C4314B", "given up": "#7A3E9D",
        "waiting": "#8593A3", "retrying": "#B26A00", "interrupted": "#B26A00", "lost": "#B26A00",
    },
    scale=("#F3F6F9", "#DCEAF1", "#BBD8E4", "#93C3D5", "#5BA3BD", "#0B6785", "#07485E"),
)  # fmt: skip
DARK = Palette(
    background="#10161E", panel="#18212C", text="#E4EAF1", muted="#9AA8B8", line="#2B3846",
    primary="#4FB3D1", failed="#FF6B7F", kinds=KINDS_DARK,
    states={
        "succeeded": "#43C08D", "running": "#4FB3D1", "failed": "#FF6B7F", "given up": "#C08BE0",
        "waiting": "#7F8FA1", "retrying": "#F0A63A", "interrupted": "#F0A63A", "lost": "#F0A63A",
    },
    scale=("#18212C", "#16394A", "#175268", "#1D6E89", "#2F8DAB", "#4FB3D1", "#A6E0F0"),
)  # fmt: skip


def palette(appearance: str | None) -> Palette:
    """The colours of an appearance as the browser names it; light when it does not say."""
    return DARK if appearance == "dark" else LIGHT


def shade(scale: Sequence[str], share: float) -> str:
    """The colour at a share of the way along a scale whose colours stand at equal distances."""
    at = min(max(share, 0.0), 1.0) * (len(scale) - 1)
    low = min(int(at), len(scale) - 2)
    pairs = zip(_channels(scale[low]), _channels(scale[low + 1]), strict=True)
    return "#" + "".join(f"{round(one + (other - one) * (at - low)):02X}" for one, other in pairs)


def ink(ground: str) -> str:
    """Black or white, whichever is read better on a ground: by 4.5 or more on any."""
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
        for each in (channel / 255 for channel in _channels(ground))
    ]
    luminance = sum(w * each for w, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return BLACK if (luminance + 0.05) ** 2 > 1.05 * 0.05 else WHITE


def options() -> dict[str, object]:
    """What Streamlit is started with, by option name."""
    return {
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "runner.postScriptGC": False,  # all of the heap after each look costs more than the look
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "logger.hideWelcomeMessage": True,
        "logger.level": "warning",
        "theme.baseFontSize": 15,
        "theme.baseRadius": "6px",
        "theme.paddingTop": "3rem",
        "theme.metricValueFontSize": "1.5rem",
        "theme.headingFontSizes": ["1.7rem", "1.3rem", "1.1rem", "1rem", "0.95rem", "0.9rem"],
        "theme.showWidgetBorder": True,
        "theme.showSidebarBorder": True,
        **_coloured("light", LIGHT),
        **_coloured("dark", DARK),
    }


def flags() -> list[str]:
    """The same as command line arguments."""
    return [f"--{name}={_text(value)}" for name, value in options().items()]


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[each : each + 2], 16) for each in (1, 3, 5))


def _coloured(appearance: str, colours: Palette) -> dict[str, object]:
    return {
        f"theme.{appearance}.primaryColor": colours.primary,
        f"theme.{appearance}.backgroundColor": colours.background,
        f"theme.{appearance}.secondaryBackgroundColor": colours.panel,
        f"theme.{appearance}.textColor": colours.text,
        f"theme.{appearance}.linkColor": colours.primary,
        f"theme.{appearance}.borderColor": colours.line,
        f"theme.{appearance}.redColor": colours.failed,
        f"theme.{appearance}.greenColor": colours.states["succeeded"],
        f"theme.{appearance}.orangeColor": colours.states["retrying"],
        f"theme.{appearance}.blueColor": colours.primary,
        f"theme.{appearance}.chartCategoricalColors": list(colours.kinds),
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
