"""In which zone somebody reads times, and when its days begin: pure."""

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

BROWSER = "browser"
UTC = "UTC"
# Names by place; the others are old ones for the same, or of no place.
AREAS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe",
         "Indian", "Pacific")  # fmt: skip
NOWHERE = frozenset({"Factory", "localtime", "posixrules"})  # of machines, and unknown to browsers

# What browsers still call places by names of old.
RENAMED = {
    "Africa/Asmera": "Africa/Asmara", "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
    "America/Coral_Harbour": "America/Atikokan", "America/Godthab": "America/Nuuk",
    "America/Indianapolis": "America/Indiana/Indianapolis",
    "America/Louisville": "America/Kentucky/Louisville", "Asia/Calcutta": "Asia/Kolkata",
    "Asia/Katmandu": "Asia/Kathmandu", "Asia/Rangoon": "Asia/Yangon",
    "Asia/Saigon": "Asia/Ho_Chi_Minh", "Atlantic/Faeroe": "Atlantic/Faroe", "Etc/UTC": UTC,
    "Europe/Kiev": "Europe/Kyiv", "Pacific/Enderbury": "Pacific/Kanton",
}  # fmt: skip


@cache
def offered() -> tuple[str, ...]:
    """The zones that are offered, UTC first, by the names of the IANA."""
    places = (each for each in _known() - RENAMED.keys() if each.partition("/")[0] in AREAS)
    return UTC, *sorted(places)


def named(name: str | None) -> ZoneInfo | None:
    """The zone of that name, by its name of today; None where there is none."""
    now = RENAMED.get(name or "", name)
    found = now if now in _known() else name
    return ZoneInfo(found) if found in _known() else None


def chosen(asked: str | None, *, browser: str | None, usual: str) -> ZoneInfo:
    """The zone that is asked for; else that of the browser; else the usual one."""
    return named(asked) or named(browser) or ZoneInfo(usual)


def offset(time: datetime) -> str:
    """How far the clock of an aware time is from UTC: UTC, UTC+05:30."""
    found = time.utcoffset()
    minutes = 0 if found is None else round(found.total_seconds() / 60)
    if not minutes:
        return UTC
    return f"{UTC}{'+' if minutes > 0 else '-'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def midnight(now: datetime, zone: ZoneInfo) -> datetime:
    """When the day began in that zone, where the day has a first hour."""
    local = now.astimezone(zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(now.tzinfo)


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones()) - NOWHERE
