import pytest

from dashboard import theme
from dashboard.theme import DARK, LIGHT, Palette


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_has_the_contrast_that_the_standard_says() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["background", "panel"])
@pytest.mark.parametrize("ink", ["text", "muted", "primary", "failed"])
def test_text_can_be_read(colours: Palette, ground: str, ink: str) -> None:
    assert contrast(getattr(colours, ink), getattr(colours, ground)) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["background", "panel"])
def test_captions_which_streamlit_draws_at_six_tenths_can_be_read(
    colours: Palette, ground: str
) -> None:
    below = getattr(colours, ground)
    pairs = [(int(colours.text[i : i + 2], 16), int(below[i : i + 2], 16)) for i in (1, 3, 5)]
    mixed = "#" + "".join(f"{round(0.6 * ink + 0.4 * under):02X}" for ink, under in pairs)
    assert contrast(mixed, below) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_states_can_be_told_from_the_ground(colours: Palette) -> None:
    assert min(contrast(each, colours.background) for each in colours.states.values()) >= 3


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_no_kind_has_the_colour_of_a_failure(colours: Palette) -> None:
    assert colours.failed not in colours.kinds
    assert colours.states["failed"] == colours.failed


def test_each_kind_has_a_colour_of_its_own_in_both_appearances() -> None:
    assert len(set(LIGHT.kinds)) == len(LIGHT.kinds) == len(set(DARK.kinds)) == len(DARK.kinds)


def test_streamlit_is_told_to_send_nothing_home_and_to_show_no_traceback() -> None:
    flags = theme.flags()
    assert "--browser.gatherUsageStats=false" in flags
    assert "--client.showErrorDetails=none" in flags
    assert "--client.toolbarMode=minimal" in flags
    assert "--server.fileWatcherType=none" in flags
