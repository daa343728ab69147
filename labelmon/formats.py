"""What `labelmon generate --format` makes: plain files, manifests of the Prometheus operator, OpenSLO documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelmon import generate
from labelmon.alerting.operator import (
    ROUTES_MANIFEST,
    RULE_MANIFEST,
    alertmanager_manifest,
    limits,
    metadata,
    prometheus_rule,
)
from labelmon.alerting.rules import all_rules
from labelmon.check import Check
from labelmon.config import Config
from labelmon.config.fields import URL
from labelmon.errors import UsageError
from labelmon.model import Urls
from labelmon.openslo import OPENSLO_FILE, openslo
from labelmon.profiles import DEFAULT_ALERTING

PROMETHEUS, OPERATOR, OPENSLO = FORMATS = ("prometheus", "operator", "openslo")
# Which format an option goes with.
_GOES_WITH = {"name": OPERATOR, "namespace": OPERATOR, "label": OPERATOR, "prometheus_url": OPENSLO}
DEFAULT_NAME = "labelmon"
DEFAULT_PROMETHEUS = "http://127.0.0.1:9090"

Asked = Mapping[str, str | tuple[str, ...] | None]


@dataclass(frozen=True, kw_only=True)
class Made:
    """Relative path to text of every file, the folders that are theirs alone, and what a reader must know."""

    files: Mapping[str, str]
    folders: tuple[str, ...]
    notes: tuple[str, ...] = ()


def make(form: str, catalogue: Sequence[Check], config: Config | None, out: Path, asked: Asked) -> Made:
    """The files of `form`; `asked` are the options of the others too, empty where not given.

    Raises
    ------
    UsageError : for an option of another format, or one that cannot be used.
    GenerateError : if a README.md in `out` cannot be read.
    """
    alien = [option for option, goes_with in _GOES_WITH.items() if asked.get(option) and goes_with != form]
    if alien:
        raise UsageError(
            "; ".join(f"--{option.replace('_', '-')} goes with --format {_GOES_WITH[option]}" for option in alien)
        )
    if form == OPERATOR:
        return _operator(catalogue, config, asked)
    if form == OPENSLO:
        return _openslo(catalogue, config, str(asked.get("prometheus_url") or DEFAULT_PROMETHEUS))
    files = generate.with_readme(generate.render(catalogue, config), catalogue, out)
    return Made(files=files, folders=generate.FOLDERS)


def _operator(catalogue: Sequence[Check], config: Config | None, asked: Asked) -> Made:
    meta = metadata(
        str(asked.get("name") or DEFAULT_NAME), str(asked.get("namespace") or ""), tuple(asked.get("label") or ())
    )
    alerting = config.alerting if config else DEFAULT_ALERTING
    urls = config.urls if config else Urls()
    receivers = config.receivers if config else {}
    files = {
        RULE_MANIFEST: prometheus_rule(all_rules(catalogue, alerting, urls), alerting, meta),
        ROUTES_MANIFEST: alertmanager_manifest(catalogue, config, alerting, urls, meta),
    }
    return Made(files=files, folders=("operator",), notes=tuple(limits(receivers, urls, meta)))


def _openslo(catalogue: Sequence[Check], config: Config | None, prometheus_url: str) -> Made:
    if config is None:
        raise UsageError("--format openslo exports the objectives of a config: name it with --config.file")
    try:
        url = URL.read(prometheus_url)
    except ValueError:
        raise UsageError(f"--prometheus-url: need {URL.wants}, got {prometheus_url!r}") from None
    made = openslo(config, catalogue, url)
    return Made(files={OPENSLO_FILE: made.text}, folders=("openslo",), notes=made.notes)
