"""One test on many datasets is many tests: p-values adjusted for all datasets that are tested beside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from threading import Lock

from labelmon.check import Check
from labelmon.estimators.multiplicity import benjamini_hochberg
from labelmon.model import Estimate, Measurement, State, scope_label

Test = tuple[str, str]  # dataset and scope


@dataclass(kw_only=True)
class Families:
    """The latest p-value of each check and statistic, by dataset and scope. Safe to share between threads."""

    known: dict[tuple[str, str], dict[Test, float]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def note(self, dataset: str, measurements: Iterable[Measurement], checks: Iterable[Check]) -> None:
        """Remembers a dataset's p-values, and forgets its earlier ones."""
        found = list(measurements)
        with self.lock:
            for check in checks:
                for adjusted in check.statistics:
                    if not adjusted.adjusts:
                        continue
                    family = self.known.setdefault((check.name, adjusted.adjusts), {})
                    for test in [test for test in family if test[0] == dataset]:
                        del family[test]
                    for m in found:
                        e = m.estimate
                        mine = m.check == check.name and e.statistic == adjusted.adjusts
                        if mine and e.value is not None and e.state is State.OK:
                            family[dataset, scope_label(m.labels)] = e.value

    def adjusted(self, measurements: Iterable[Measurement], checks: Iterable[Check]) -> list[Measurement]:
        """The adjusted twin of every p-value among `measurements`, in the family of those noted before."""
        by_name = {(c.name, s.adjusts): s.name for c in checks for s in c.statistics if s.adjusts}
        found = []
        for m in measurements:
            e = m.estimate
            name = by_name.get((m.check, e.statistic))
            if name is None:
                continue
            if e.value is None:
                twin = Estimate(statistic=name, value=None, n=e.n, state=e.state, reason=e.reason)
            else:
                with self.lock:
                    family = dict(self.known.get((m.check, e.statistic), {}))
                family[m.dataset, scope_label(m.labels)] = e.value
                tests = sorted(family)
                values = dict(zip(tests, benjamini_hochberg([family[t] for t in tests]), strict=True))
                value = values[m.dataset, scope_label(m.labels)]
                twin = Estimate(statistic=name, value=value, n=e.n, state=e.state, reason=e.reason)
            found.append(replace(m, estimate=twin))
        return found

    def forget(self, datasets: Iterable[str]) -> None:
        """Leaves out all datasets but these."""
        kept = set(datasets)
        with self.lock:
            for family in self.known.values():
                for test in [test for test in family if test[0] not in kept]:
                    del family[test]
