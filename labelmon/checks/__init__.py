"""The catalogue: every module of this package that holds a CHECK, in order of name.

A new check is one new file here. Other packages can add theirs: LABELMON_CHECKS_PATH lists folders that are
searched as well, so that a team can keep a check beside its own code.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
from functools import cache
from pathlib import Path

from labelmon.check import Check
from labelmon.errors import UsageError


@cache
def catalogue() -> tuple[Check, ...]:
    """Every known check, sorted by name.

    Raises
    ------
    UsageError : if two files declare the same name, or a file of LABELMON_CHECKS_PATH holds no CHECK.
    """
    found: dict[str, Check] = {}
    for module in pkgutil.iter_modules(__path__):
        check = importlib.import_module(f"{__name__}.{module.name}").CHECK
        found[check.name] = check
    for folder in filter(None, os.environ.get("LABELMON_CHECKS_PATH", "").split(os.pathsep)):
        for path in sorted(Path(folder).glob("*.py")):
            check = _load(path)
            if check.name in found:
                raise UsageError(f"{path}: a check named {check.name!r} exists already; rename this one")
            found[check.name] = check
    return tuple(found[name] for name in sorted(found))


def check_named(name: str) -> Check:
    """The check called `name`; KeyError if there is none."""
    return {check.name: check for check in catalogue()}[name]


def _load(path: Path) -> Check:
    spec = importlib.util.spec_from_file_location(f"labelmon_extra_checks.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    check = getattr(module, "CHECK", None)
    if not isinstance(check, Check):
        raise UsageError(f"{path}: need a module-level CHECK = Check(...), found none")
    return check
