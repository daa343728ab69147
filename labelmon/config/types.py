"""The config as the rest of labelmon sees it: all defaults filled in, every path absolute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labelmon.model import Dataset, Owner, StoreSpec, Urls
from labelmon.profiles import Alerting


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Where notifications go; `settings` holds secrets only as {"file": path}.

    `from_environment` are the settings whose text came out of ${NAME}, which a repository may not be meant to hold.
    """

    name: str
    kind: str
    settings: Mapping[str, object]
    from_environment: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Config:
    """A valid config. `lines` maps dotted keys to lines; `notices` say what defaults hide."""

    path: Path
    ledger_url: str = field(repr=False)
    ledger_retention: int
    stores: Mapping[str, StoreSpec]
    datasets: Mapping[str, Dataset]
    urls: Urls
    receivers: Mapping[str, Receiver]
    operator: Owner
    alerting: Alerting
    pseudonym_keys: tuple[Path, ...]
    notices: tuple[str, ...]
    lines: Mapping[str, int] = field(repr=False)
