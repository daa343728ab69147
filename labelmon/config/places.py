"""Stores, receivers, links and alert windows: everything of a config but its datasets."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from labelmon.config.fields import (
    FLAG,
    LABEL,
    NUMBER,
    SECONDS,
    SOME_TEXT,
    SPAN,
    TEXT,
    URL,
    WHOLE,
    Kind,
    Reader,
)
from labelmon.config.source import Node
from labelmon.config.types import Receiver
from labelmon.durations import format_duration
from labelmon.model import HOUR, Owner, StoreSpec, Urls
from labelmon.profiles import DEFAULT_ALERTING, Alerting, BurnTier, Mode, Profile, workbook

RECEIVER_KEYS: dict[str, tuple[str, ...]] = {
    "pagerduty": ("routing_key",),
    "opsgenie": ("api_key",),
    "slack": ("api_url", "channel"),
    "email": ("to", "from", "smarthost", "auth_username", "auth_password", "require_tls"),
    "webhook": ("url", "bearer_token"),
    "tickets": (),
}
# Alertmanager refuses a receiver without these.
NEEDED_KEYS: dict[str, tuple[str, ...]] = {
    "pagerduty": ("routing_key",),
    "opsgenie": ("api_key",),
    "slack": ("api_url", "channel"),
    "email": ("to", "from", "smarthost"),
    "webhook": ("url",),
}
TRACKER = re.compile(r"(github|gitlab):[\w.-]+(/[\w.-]+)+|jira:[\w.-]+")
SECRET_KEYS = frozenset({"routing_key", "api_key", "api_url", "auth_password", "bearer_token"})
STORE_KEYS = ("url", "files", "statement_timeout", "max_concurrency")
ALERTING_KEYS: dict[str, Kind] = {
    "keep_firing": SECONDS,
    "page_keep_firing": SECONDS,
    "threshold_hold": SECONDS,
    "stale_after": SECONDS,
    "gone_after": SECONDS,
    "evaluation_interval": SECONDS,
    "page_group_wait": SECONDS,
    "page_group_interval": SECONDS,
    "ticket_group_wait": SECONDS,
    "ticket_group_interval": SECONDS,
    "repeat_interval": SECONDS,
    "threshold_margin": NUMBER,
    "alpha": NUMBER,
    "page_alpha": NUMBER,
    "period": SECONDS,
}
# Prometheus and Alertmanager refuse these at zero.
INTERVALS = ("evaluation_interval", "page_group_interval", "ticket_group_interval", "repeat_interval")
TIER_KEYS: dict[str, Kind] = {"burn": NUMBER, "long": SECONDS, "short": SECONDS}
SHORTEST = 4
# Only these are named in an error: what stands before :// in a mistaken URL may be anything, a password too.
KNOWN_ENGINES = frozenset({"postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle", "snowflake", "bigquery"})
DRIVER_HINT = "write postgresql://role@host/database: labelmon brings the driver"


def read_stores(reader: Reader, node: Node | None, folder: Path) -> dict[str, StoreSpec]:
    """`stores:`, by name."""
    found = {}
    for name, entry in reader.mapping(node, None).items():
        if not LABEL_OK(name):
            reader.problem(entry, f"need {LABEL.wants}, got {name!r}")
        keys = reader.mapping(entry, STORE_KEYS)
        if ("url" in keys) == ("files" in keys):
            reader.problem(entry, "need exactly one of url and files")
            found[name] = StoreSpec(name=name)  # so that its datasets are not told that it is unknown
            continue
        url = secret_text(reader, keys.get("url"), folder)
        if url:
            url = _store_url(reader, keys["url"], url, folder)
        files: dict[str, str] = {}
        if "files" in keys and keys["files"].value == {}:
            reader.problem(keys["files"], "need at least one view", "such as {labels: export/labels*.csv}")
        for view, path in reader.mapping(keys.get("files"), None).items():
            text = reader.scalar(path, SOME_TEXT)
            if text:
                files[view] = str(folder / text)
        timeout = reader.scalar(keys.get("statement_timeout"), SPAN, 20.0)
        slots = reader.scalar(keys.get("max_concurrency"), WHOLE, 2)
        found[name] = StoreSpec(name=name, url=url, files=files, statement_timeout=timeout, max_concurrency=slots)
    return found


def LABEL_OK(name: str) -> bool:  # noqa: N802  reads as the constant it checks against
    """Whether a name may be a Prometheus label value that needs no quoting."""
    try:
        LABEL.read(name)
    except ValueError:
        return False
    return True


def secret_text(reader: Reader, node: Node | None, folder: Path) -> str:
    """A text that may be secret: given in place (best as ${ENV}) or as {file: path}."""
    if node is None:
        return ""
    if not isinstance(node.value, dict):
        return str(reader.scalar(node, SOME_TEXT, ""))
    keys = reader.mapping(node, ("file",))
    path = reader.scalar(keys.get("file"), TEXT)
    if not path:
        reader.problem(node, "need text or {file: path}")
        return ""
    try:
        text: str = (folder / path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else "not UTF-8 text, or no file's name"
        reader.problem(keys["file"], f"cannot read the file ({said})")
        return ""
    if not text:
        reader.problem(keys["file"], "the file is empty")
    return text


def _store_url(reader: Reader, node: Node, url: str, folder: Path) -> str:
    from sqlalchemy import make_url  # noqa: PLC0415  only a config with a url needs it
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    from labelmon.stores.postgres import SCHEMES  # noqa: PLC0415

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        reader.problem(
            node,
            "need a database URL such as sqlite:///labels.db",
            "its text is not shown: it may hold a password",
        )
        return ""
    if parsed.drivername in SCHEMES:
        return server_url(reader, node, url)
    backend = parsed.get_backend_name()
    if backend not in {"sqlite", "duckdb"}:
        reader.problem(
            node,
            f"need a sqlite, duckdb or postgresql URL, got {backend if backend in KNOWN_ENGINES else 'another one'}",
            DRIVER_HINT
            if backend in {"postgresql", "postgres"}
            else "other engines: export to files, or wait for a later release",
        )
        return ""
    database = parsed.database or ""
    if not database or database == ":memory:":
        reader.problem(node, "need a database file, got one in memory", "write sqlite:///path/to/file.db")
        return ""
    return parsed.set(database=str(folder / database)).render_as_string(hide_password=False)


def server_url(reader: Reader, node: Node, url: str) -> str:
    """A PostgreSQL URL as it was written, if it says which database; '' if not."""
    from sqlalchemy import make_url  # noqa: PLC0415

    if make_url(url).database:
        return url
    reader.problem(node, "need a database's name", "write postgresql://role@host/database")
    return ""


def read_receivers(reader: Reader, node: Node | None) -> dict[str, Receiver]:
    """`receivers:`, by name."""
    found = {}
    for name, entry in reader.mapping(node, None).items():
        _receiver_name(reader, name, entry)
        kinds = reader.mapping(entry, RECEIVER_KEYS, "receiver kind")
        if len(kinds) != 1:
            reader.problem(entry, f"need exactly one of {', '.join(RECEIVER_KEYS)}")
            found[name] = Receiver(name=name, kind="", settings={})
            continue
        ((kind, body),) = kinds.items()
        if kind == "tickets":
            found[name] = Receiver(name=name, kind=kind, settings={"to": reader.scalar(body, TICKETS, "")})
            continue
        settings: dict[str, object] = {}
        given = reader.mapping(body, RECEIVER_KEYS[kind])
        hidden = [key for key, value in given.items() if value.hides]
        for key, value in given.items():
            if key in SECRET_KEYS:
                settings[key] = _file_reference(reader, value)
            elif key == "url":
                settings[key] = reader.scalar(value, URL, "")
            elif key == "require_tls":
                settings[key] = reader.scalar(value, FLAG, True)
            else:
                settings[key] = reader.scalar(value, NOTICE_TEXT, "")
        missing = [key for key in NEEDED_KEYS[kind] if key not in settings]
        if missing and isinstance(body.value, dict):
            reader.problem(body, f"need {', '.join(missing)}")
        found[name] = Receiver(name=name, kind=kind, settings=settings, from_environment=frozenset(hidden))
    return found


def _receiver_name(reader: Reader, name: str, node: Node) -> None:
    if not LABEL_OK(name):
        reader.problem(node, f"need {LABEL.wants}, got {name!r}")
    if name == "null":
        reader.problem(node, "need another name than null", "alerts that go to nobody end in a receiver of that name")


def _notice_text(text: str) -> str:
    # Alertmanager expands {{ }} when it notifies: a template that does not parse would lose the page, then and there.
    if not text or not text.isprintable() or text.count("{{") != text.count("}}"):
        raise ValueError(text)
    return text


NOTICE_TEXT = Kind(read=_notice_text, wants="text on one line, in which every {{ has its }}", schema=SOME_TEXT.schema)


def _tickets(text: str) -> str:
    return text if TRACKER.fullmatch(text) else str(URL.read(text))


TICKETS = Kind(read=_tickets, wants="github:org/repo, gitlab:group/project, jira:PROJECT or a URL", schema=TEXT.schema)


def _file_reference(reader: Reader, node: Node) -> dict[str, str]:
    if isinstance(node.value, dict):
        path = reader.scalar(reader.mapping(node, ("file",)).get("file"), TEXT)
        if path:
            return {"file": path}
    # Alertmanager reads the secret itself, so it must be able to find it in a file; and a generated
    # config that held the secret would end up in a repository.
    reader.problem(node, "need {file: path}: a secret is never written into a config")
    return {"file": ""}


def read_owner(reader: Reader, node: Node | None, receivers: dict[str, Receiver], team: str) -> Owner:
    """`owner:` or `operator:`."""
    keys = reader.mapping(node, ("team", "page", "tickets") if team == "unowned" else ("page", "tickets"))
    return Owner(
        team=reader.scalar(keys.get("team"), LABEL, team),
        page=reader.choice(keys.get("page"), receivers, "receiver", ""),
        tickets=reader.choice(keys.get("tickets"), receivers, "receiver", ""),
    )


def read_urls(reader: Reader, node: Node | None) -> Urls:
    """`urls:`."""
    names = [field.name for field in fields(Urls)]
    keys = reader.mapping(node, names)
    return Urls(**{name: reader.scalar(keys[name], URL, "") for name in names if name in keys})


def read_alerting(reader: Reader, node: Node | None) -> Alerting:
    """`alerting:`; `profiles` given replaces all default ones, and `mode: plain` has its own."""
    keys = reader.mapping(node, (*ALERTING_KEYS, "mode", "profiles"))
    values = _alerting_values(reader, keys)
    period = values["period"]
    mode = Mode(reader.choice(keys.get("mode"), [m.value for m in Mode], "mode", Mode.EVIDENCE.value))
    if mode is Mode.PLAIN:
        if "profiles" in keys:
            reader.problem(keys["profiles"], "goes with mode: evidence; plain has the windows of the SRE workbook")
        return Alerting(mode=mode, profiles=(workbook(period),), **values)
    profiles = _profiles(reader, keys["profiles"], period) if "profiles" in keys else ()
    return Alerting(profiles=profiles or DEFAULT_ALERTING.profiles, **values)


def _profiles(reader: Reader, node: Node, period: int) -> tuple[Profile, ...]:
    entries = reader.mapping(node, None)
    read = [_profile(reader, name, entry, period) for name, entry in entries.items()]
    found = tuple(profile for profile in read if profile is not None)
    if not entries:
        reader.problem(node, "need at least one profile")
    # Each severity has rules, and tests of them, that are made of its tiers; one with a problem may yet bring them.
    for severity in ("page", "ticket") if found and len(found) == len(read) else ():
        if not any(getattr(profile, severity) for profile in found):
            reader.problem(node, f"need a {severity} tier in at least one profile")
    return found


def _alerting_values(reader: Reader, keys: dict[str, Node]) -> dict[str, Any]:
    """Those of `ALERTING_KEYS` that are given and sound, and the period."""
    values: dict[str, Any] = {}
    for name, kind in ALERTING_KEYS.items():
        if name in keys:
            value = reader.scalar(keys[name], kind)
            if value is not None:
                values[name] = value if kind is NUMBER else int(value)
    for name in ("alpha", "page_alpha"):
        if name in values and not 0 < values[name] < 1:
            reader.problem(keys[name], f"need a chance between 0 and 1, got {keys[name].shown}")
            del values[name]
    for name in INTERVALS:
        if values.get(name) == 0:
            reader.problem(keys[name], "need an interval above 0")
    if values.setdefault("period", DEFAULT_ALERTING.period) < HOUR:
        reader.problem(keys["period"], f"need a period of at least 1h, got {keys['period'].shown}")
        values["period"] = DEFAULT_ALERTING.period
    if not 0 <= values.get("threshold_margin", 0) < 1:
        shown = keys["threshold_margin"].shown
        reader.problem(keys["threshold_margin"], f"need a share of at least 0 and below 1, got {shown}")
        del values["threshold_margin"]
    return values


def _profile(reader: Reader, name: str, node: Node, period: int) -> Profile | None:
    if not LABEL_OK(name):
        reader.problem(node, f"need {LABEL.wants}, got {name!r}")
    keys = reader.mapping(node, ("page", "ticket"))
    page, ticket = (_tiers(reader, keys.get(key), period) for key in ("page", "ticket"))
    if not page and not ticket:
        if not any(reader.items(entry) for entry in keys.values()):
            reader.problem(node, "need at least one tier under page or ticket")
        return None
    return Profile(name=name, page=page, ticket=ticket)


def _tiers(reader: Reader, node: Node | None, period: int) -> tuple[BurnTier, ...]:
    found = []
    for entry in reader.items(node) if node else []:
        keys = reader.mapping(entry, TIER_KEYS)
        values = {name: reader.scalar(keys.get(name), kind) for name, kind in TIER_KEYS.items()}
        missing = [name for name in TIER_KEYS if name not in keys]
        if missing:
            reader.problem(entry, f"need {', '.join(missing)}", "a tier is {burn: 14.4, long: 1h, short: 5m}")
        if any(value is None for value in values.values()):
            continue
        if values["burn"] <= 0:
            reader.problem(entry, f"need a burn rate above 0, got {keys['burn'].shown}")
        elif values["short"] > values["long"]:
            reader.problem(entry, "need a short window that is not longer than the long one")
        elif values["long"] > period:
            got, most = keys["long"].told(format_duration(values["long"])), format_duration(period)
            reader.problem(entry, f"need windows of at most the period, {most}, got {got}")
        elif values["short"] < SHORTEST:
            reader.problem(entry, f"need windows of at least {SHORTEST}s")
        else:
            found.append(BurnTier(burn=values["burn"], long=int(values["long"]), short=int(values["short"])))
    return tuple(found)
