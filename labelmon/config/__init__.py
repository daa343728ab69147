"""The config file: read whole, every problem at once, nothing started on a broken one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from labelmon.buckets import bucket_width
from labelmon.config.datasets import Surroundings, read_datasets
from labelmon.config.fields import SECONDS, SOME_TEXT, Reader
from labelmon.config.places import (
    read_alerting,
    read_owner,
    read_receivers,
    read_stores,
    read_urls,
    secret_text,
    server_url,
)
from labelmon.config.schema import json_schema
from labelmon.config.source import Node, Source
from labelmon.config.types import Config, Receiver
from labelmon.errors import ConfigError
from labelmon.model import DAY

__all__ = ["Config", "Receiver", "json_schema", "load"]

TOP_KEYS = ("ledger", "stores", "urls", "receivers", "operator", "privacy", "alerting", "datasets")
MOST_KEYS = 2


def load(path: Path, *, environ: Mapping[str, str] | None = None) -> Config:
    """The config at `path`.

    Raises
    ------
    ConfigError : with every problem found, in file order.
    """
    source = Source(file=str(path), environ=os.environ if environ is None else environ)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        source.problem(1, "config", f"cannot be read: {said}", "name another file with --config.file")
        raise ConfigError(source.problems) from None
    config = _build(source, source.parse(text), path)
    if source.problems:
        raise ConfigError(source.problems)
    return config


def _build(source: Source, root: Node, path: Path) -> Config:
    reader = Reader(source=source)
    folder = path.resolve().parent
    keys = reader.mapping(root, TOP_KEYS)
    if not source.problems or root.value:
        for needed in ("stores", "datasets"):
            if needed not in keys or not keys[needed].value:
                source.problem(keys[needed].line if needed in keys else 1, needed, "need at least one entry")
    ledger = reader.mapping(keys.get("ledger"), ("url", "retention"))
    stores = read_stores(reader, keys.get("stores"), folder)
    receivers = read_receivers(reader, keys.get("receivers"))
    alerting = read_alerting(reader, keys.get("alerting"))
    around = Surroundings(
        folder=folder, stores=stores, receivers=receivers, bucket=bucket_width(alerting.shortest_window)
    )
    datasets = read_datasets(reader, keys.get("datasets"), around)
    url = secret_text(reader, ledger.get("url"), folder)
    if "url" not in ledger:
        around.notices.append("no ledger.url: the ledger is labelmon.db beside the config")
    if not receivers:
        around.notices.append("no receivers: routes end in a null receiver")
    return Config(
        path=path,
        ledger_url=_ledger_url(reader, ledger.get("url"), url, folder),
        ledger_retention=_retention(reader, ledger.get("retention")),
        stores=stores,
        datasets=datasets,
        urls=read_urls(reader, keys.get("urls")),
        receivers=receivers,
        operator=read_owner(reader, keys.get("operator"), receivers, "labelmon"),
        alerting=alerting,
        pseudonym_keys=_pseudonym_keys(reader, keys.get("privacy"), folder),
        notices=tuple(around.notices),
        lines=source.lines,
    )


def _retention(reader: Reader, node: Node | None) -> int:
    seconds = int(reader.scalar(node, SECONDS, 400 * DAY))
    if node is not None and seconds == 0:
        reader.problem(node, "need a retention above 0")
    return seconds


def _ledger_url(reader: Reader, node: Node | None, url: str, folder: Path) -> str:
    from sqlalchemy import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    from labelmon.stores.postgres import SCHEMES  # noqa: PLC0415

    try:
        parsed = make_url(url or "sqlite:///labelmon.db")
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        parsed = None
    if parsed is not None and node is not None and parsed.drivername in SCHEMES:
        return server_url(reader, node, url)
    if parsed is None or parsed.get_backend_name() != "sqlite" or not parsed.database:
        if node is not None and url:
            reader.problem(node, "need a URL such as sqlite:///labelmon.db or postgresql://role@host/database")
        return ""
    return parsed.set(database=str(folder / parsed.database)).render_as_string(hide_password=False)


def _pseudonym_keys(reader: Reader, node: Node | None, folder: Path) -> tuple[Path, ...]:
    keys = reader.mapping(node, ("pseudonym_keys",)).get("pseudonym_keys")
    if keys is None:
        return ()
    found = []
    entries = reader.items(keys)
    if len(entries) > MOST_KEYS:
        reader.problem(keys, f"need at most {MOST_KEYS} keys: the current one and the one rotated out")
    for entry in entries:
        path = reader.scalar(reader.mapping(entry, ("file",)).get("file"), SOME_TEXT)
        if not path:
            reader.problem(entry, "need {file: path}")
        elif not (folder / path).is_file():
            reader.problem(entry, "the key file does not exist", "make one: openssl rand -hex 32 > FILE")
        else:
            found.append(folder / path)
    return tuple(found)
