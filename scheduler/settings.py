"""What can be set from outside: flag over environment (ALLOT_...) over allot.toml over default.

Read by doors only; everything inside takes its values as arguments.
"""

import os
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any, Literal
from unicodedata import category
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from scheduler.errors import InvalidInput

Role = Literal["viewer", "operator", "admin"]


class Dashboard(BaseModel):
    """Who may look and act in a browser (`[dashboard]` in the file).

    `people` gives names their roles, `role` is that of all others. A name comes from `login` (an
    account, by OIDC; `claim` is what of it is the name) or from `header`, which a proxy in front
    sets; else it is the user that the process runs as. `hosts` are names by which browsers reach
    the dashboard beside those of its machine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    people: dict[str, Role] = Field(default_factory=dict)
    role: Role | None = None
    header: str = ""
    login: bool = False
    claim: str = "email"
    hosts: tuple[str, ...] = ()


class Settings(BaseSettings):
    """The settings of one command.

    `store` is the database URL and `folder` where saved networks and checkpoints lie, beside a
    SQLite store when not given; `timezone` is that of log times without a zone; `currency` is the
    unit of all prices, which is only named beside amounts; `seed` makes a command repeatable;
    `objective` is what plans aim at, with the keys of an objective document (`[objective]` in the
    file). `policy` is what people demand of every run (`[policy]` in the file); instead of it
    `policy_file` may name a TOML file. `dashboard` says who may do what in a browser.
    """

    model_config = SettingsConfigDict(env_prefix="ALLOT_", extra="forbid", frozen=True)

    store: str = "sqlite:///allot.db"
    folder: Path | None = None
    timezone: str = "UTC"
    currency: str = ""
    seed: int = 1
    objective: dict[str, Any] = Field(default_factory=dict)
    policy: dict[str, Any] = Field(default_factory=dict)
    policy_file: Path | None = None
    dashboard: Dashboard = Dashboard()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("must be a time zone's name such as Europe/Paris") from None
        return name

    @field_validator("currency")
    @classmethod
    def _short(cls, name: str) -> str:
        if len(name) > 8 or not all(each.isalpha() or category(each) == "Sc" for each in name):
            raise ValueError("must be a unit of money such as EUR or €, in at most 8 letters")
        return name

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  called by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags first, then the environment, then the file that ALLOT_CONFIG names."""
        file = Path(os.environ.get("ALLOT_CONFIG", "allot.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)


def load(**flags: object) -> Settings:
    """The settings in force; flags that are None were not given.

    Raises InvalidInput naming the setting, the rule and the value.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except (TOMLDecodeError, UnicodeDecodeError) as error:
        file = os.environ.get("ALLOT_CONFIG", "allot.toml")
        raise InvalidInput(f"The settings in {file} are not TOML in UTF-8: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise InvalidInput(
            f"Setting {name!r}: {first['msg']}, found {first.get('input')!r}; it comes from a "
            f"flag, the environment (ALLOT_{str(first['loc'][0]).upper()}) or allot.toml."
        ) from None


def sources(settings: Settings) -> dict[str, str]:
    """Where each setting comes from, by name: the environment, the file, or the default.

    What came by a flag counts as the default where it is the same, and else as a flag.
    """
    file = Path(os.environ.get("ALLOT_CONFIG", "allot.toml"))
    written = TomlConfigSettingsSource(Settings, file)() if file.is_file() else {}
    found = {}
    for name, field in Settings.model_fields.items():
        variable = f"ALLOT_{name.upper()}"
        if variable in os.environ:
            found[name] = f"the environment ({variable})"
        elif name in written:
            found[name] = f"the file {file.name}"
        else:
            usual = field.get_default(call_default_factory=True)
            found[name] = "the default" if getattr(settings, name) == usual else "a flag"
    return found
