"""The inhibition tree of the Alertmanager config: one cause is one notification, and what it explains stays quiet.

labelmon gone > a store that does not answer > a stalled pipeline > a dataset that is not measured > schema > quality;
a page over the ticket of the same objective; a dataset over its own parts. A ticket never keeps a page quiet: whoever
reads it in the morning is not whom the page would have woken. All of it concerns alerts that carry `sli` alone, so that
an Alertmanager may be shared.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labelmon import naming
from labelmon.check import Check
from labelmon.model import Cause, Severity

OURS = f'{naming.SLI}=~".+"'
PAGE, TICKET = (f'{naming.SEVERITY}="{severity.value}"' for severity in (Severity.PAGE, Severity.TICKET))
OWN, OF_STORES, OF_DATASETS = "labelmon", "store", "dataset"  # `sli` of the alerts about no objective


def inhibitions(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """The rules of the tree over the alerts of `checks`, as Alertmanager's keys and values."""
    known = sorted(checks, key=lambda check: check.name)
    stalled, schema, quality = (
        [check.name for check in known if check.cause is cause] for cause in (Cause.STALL, Cause.SCHEMA, Cause.QUALITY)
    )
    same = [naming.DATASET]
    tree: list[tuple[list[str], list[str], list[str]]] = [
        ([_named(naming.ALERT_GONE)], [f'{naming.SLI}!="{OWN}"'], []),
        ([_named(naming.ALERT_STORE_STALE)], [f'{naming.SLI}!~"{OWN}|{OF_STORES}"'], [naming.STORE]),
    ]
    if stalled:
        # Tickets of this kind stand for weeks: old items that were forgotten explain nothing else.
        tree.append(([PAGE, _any_of(stalled)], [_any_of([OF_DATASETS, *schema, *quality])], same))
    if schema or quality:
        tree.append(([_named(naming.ALERT_DATASET_STALE)], [TICKET, _any_of([*schema, *quality])], same))
    if schema and quality:
        tree.append(([PAGE, _any_of(schema)], [_any_of(quality)], same))
        tree.append(([TICKET, _any_of(schema)], [TICKET, _any_of(quality)], same))
    tree.append(([PAGE], [TICKET], [naming.DATASET, naming.SLI, naming.SCOPE]))
    tree.append(
        ([f'{naming.SCOPE}=""'], [f'{naming.SCOPE}=~".+"'], [naming.DATASET, naming.SLI, naming.SEVERITY]),
    )
    return [
        {"source_matchers": [*source, OURS], "target_matchers": [*target, OURS]} | ({"equal": equal} if equal else {})
        for source, target, equal in tree
    ]


def _named(alert: str) -> str:
    return f'{naming.ALERT_NAME}="{alert}"'


def _any_of(names: Iterable[str]) -> str:
    return f'{naming.SLI}=~"{"|".join(names)}"'
