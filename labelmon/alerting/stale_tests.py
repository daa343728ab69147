"""The promtool test of datasets whose checks fail while their store answers."""

from __future__ import annotations

from typing import Any

from labelmon import naming
from labelmon.alerting.promtool_parts import OWNER, STEPS, ending, expect, fades, loaded, one, selector
from labelmon.alerting.rules import Rule, stale_limit
from labelmon.durations import format_duration
from labelmon.profiles import Alerting


def dataset_stale_test(rule: Rule, alerting: Alerting) -> dict[str, Any]:
    """Every way to be stale, every way not to be, and what the store's own alert tells already."""
    step = alerting.evaluation_interval
    hold, stale = -(-rule.hold // step), stale_limit(alerting) // step
    length = hold + stale + STEPS
    stopped, running, times = f"0x{length}", f"0+{step}x{length}", f"x{length}"
    seen, failed = naming.CHECK_LAST_SUCCESS, f"{naming.CHECK_FAILURES}_total"
    series = [loaded(1000, times)]

    def store(name: str, up: int, success: str) -> None:
        series.append(one(naming.STORE_UP, {"store": name}, up, times))
        if success:
            series.append({"series": selector(naming.STORE_LAST_SUCCESS, {"store": name}), "values": success})

    def check(dataset: str, sli: str, success: str, failures: int | None = None, instance: str = "x") -> None:
        labels = {"dataset": dataset, "sli": sli, "instance": instance}
        if success:
            series.append({"series": selector(seen, labels), "values": success})
        if failures is not None:
            series.append(one(failed, {**labels, "reason": "timeout"}, failures, times))

    for name, of in (
        ("fine", "up"),
        ("partly", "up"),
        ("hung", "up"),
        ("never", "up"),
        ("two", "up"),
        ("broken", "down"),
        ("waiting", "silent"),
        ("slow", "at-limit"),
        ("slower", "past-limit"),
    ):
        series.append(one(naming.DATASET_INFO, {"dataset": name, **OWNER, "store": of}, 1, times))
    store("up", 1, running)
    store("down", 0, running)  # it has only just gone
    store("silent", 1, stopped)  # its statements hang
    # An instant that moves with the clock is a constant age.
    store("at-limit", 1, f"{-alerting.stale_after}+{step}x{length}")
    store("past-limit", 1, f"{-1.1 * alerting.stale_after:.10g}+{step}x{length}")
    check("fine", "a", running, 3)
    check("partly", "a", running, 3)
    check("partly", "b", stopped, 3)
    check("partly", "c", stopped, 3)
    check("hung", "a", stopped)
    check("never", "a", "", 1)
    check("two", "a", stopped, 3)
    check("two", "a", running, instance="y")
    check("broken", "a", stopped, 3)
    check("waiting", "a", stopped, 3)
    check("slow", "a", stopped, 3)
    check("slower", "a", stopped, 3)

    def expected(dataset: str, failing: str, of: str = "up") -> dict[str, Any]:
        told = {
            key: text.replace("{{ $labels.dataset }}", dataset).replace("{{ $labels.dataset | urlquery }}", dataset)
            for key, text in rule.annotations.items()
        }
        before, _, rest = told["description"].partition("{{ range")
        told["description"] = before + failing + rest.partition("{{ end }}")[2]
        labels = {**dict(rule.labels), **OWNER, "store": of, "dataset": dataset}
        return {"exp_labels": labels, "exp_annotations": told}

    early = [expected("never", "a ")]
    all_of_them = [expected("hung", ""), *early, expected("partly", "b c "), expected("slow", "a ", "at-limit")]
    return {
        "name": "one check of several stopped, all hang, one never came; the store fine, gone, silent; two replicas",
        "interval": format_duration(step),
        "input_series": ending(series),
        "alert_rule_test": [
            expect(hold - 1, rule.alert, [], alerting),
            expect(stale + hold, rule.alert, early, alerting),
            expect(stale + hold + 1, rule.alert, all_of_them, alerting),
            *fades(length, rule.alert, all_of_them, alerting),
        ],
    }
