"""The house: who may import whom, how long a module may be, what a check looks like."""

from __future__ import annotations

import ast
from pathlib import Path

import labelmon

ROOT = Path(labelmon.__file__).parent
# Left never imports right; members of one layer may import each other, without a cycle.
LAYERS = (
    {"errors", "model", "roles", "durations", "buckets", "bins", "profiles", "patterns"},
    {"counts"},
    {"estimators", "check", "slo"},
    {"naming", "sampling"},
    {"checks"},
    {
        "config",
        "stores",
        "cells",
        "ledger",
        "timeline",
        "pseudonyms",
        "exporter",
        "alerting",
        "dashboards",
        "docs",
        "recount",
        "slices",
        "logs",
    },
    {
        "reading",
        "measure",
        "point",
        "standing",
        "walk",
        "families",
        "sampler",
        "once",
        "samples",
        "generate",
        "formats",
        "openslo",
        "web",
        "preflight",
        "explain",
        "report",
        "gate",
        "stages",
        "replay",
        "backtest",
        "audit_sample",
        "schedule",
        "selfmetrics",
    },
    {"daemon"},
    {"service", "demo"},
    {"cli", "__main__"},
)
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
CHECKS = sorted(path for path in (ROOT / "checks").glob("*.py") if path.name != "__init__.py")


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The labelmon parts a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "labelmon":
            names = [f"labelmon.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("labelmon.")}
    return found - {"__version__"}


def test_every_module_has_its_place() -> None:
    assert {part_of(path) for path in FILES} <= set(RANK)


def test_imports_go_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {other}"
        for path in FILES
        for other in imports(path)
        if RANK[other] > RANK[part_of(path)]
    ]

    assert wrong == []


def test_no_cycles_within_a_layer() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        graph.setdefault(part_of(path), set()).update(imports(path) - {part_of(path)})
    done: set[str] = set()

    def visit(part: str, trail: tuple[str, ...]) -> None:
        assert part not in trail, " > ".join((*trail, part))
        if part not in done:
            for other in sorted(graph.get(part, ())):
                visit(other, (*trail, part))
            done.add(part)

    for part in sorted(graph):
        visit(part, ())


def test_checks_are_values() -> None:
    """No engine, clock, prometheus or grafana in a check; one screen each."""
    allowed = {"check", "counts", "estimators", "model", "sampling"}
    for path in CHECKS:
        assert imports(path) <= allowed, path.name
        others = {
            (node.module or "").split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
        } - {"labelmon", "__future__"}
        assert others <= {"sqlalchemy"}, path.name
        assert path.read_text().count("\n") <= 110, path.name


def test_nothing_else_holds_a_checks_name() -> None:
    names = {path.stem for path in CHECKS}
    places = [p for p in FILES if p.parent != ROOT / "checks" and "demo" not in p.parts]
    wrong = [(path.name, name) for path in places for name in names if f'"{name}"' in path.read_text()]

    assert wrong == []


def test_modules_are_one_topic_long() -> None:
    assert [path.name for path in FILES if path.read_text().count("\n") > 400] == []
