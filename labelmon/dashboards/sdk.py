"""grafana-foundation-sdk used one way: a query, a panel, a dashboard that encodes to stable JSON."""

from __future__ import annotations

import json
import warnings
from typing import Any

# The SDK warns at import that its classic dashboard has a successor; Grafana 10 and 11 read the classic one.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import common as cb
    from grafana_foundation_sdk.builders import dashboard as d
    from grafana_foundation_sdk.builders import prometheus as prom
    from grafana_foundation_sdk.builders import table, timeseries
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as cm
    from grafana_foundation_sdk.models import dashboard as dm
    from grafana_foundation_sdk.models import prometheus as pm

SOURCE = cm.DataSourceRef(type_val="prometheus", uid="${datasource}")
SELECT = 'job=~"$job", dataset=~"$dataset"'


def query(expr: str, ref: str, legend: str, *, instant: bool = False) -> Any:
    """A range query, or an instant one that fills a table."""
    built = prom.Dataquery().datasource(SOURCE).expr(expr).ref_id(ref).legend_format(legend)
    if instant:
        return built.instant().format(pm.PromQueryFormat.TABLE)
    return built.range().format(pm.PromQueryFormat.TIME_SERIES)


def lines(title: str, description: str, unit: str, empty: str, *, samples: str = "") -> Any:
    """A time series panel; `empty` is what it says without data."""
    panel = (
        timeseries.Panel().title(title).description(description).unit(unit).no_value(empty).datasource(SOURCE)
        .span(12).height(8).line_width(1).fill_opacity(8).show_points(cm.VisibilityMode.NEVER)
        .color_scheme(d.FieldColor().mode(dm.FieldColorModeId.PALETTE_CLASSIC))
        .legend(
            cb.VizLegendOptions().display_mode(cm.LegendDisplayMode.TABLE).placement(cm.LegendPlacement.BOTTOM)
            .show_legend(True).calcs(["lastNotNull"])
        )
        .tooltip(cb.VizTooltipOptions().mode(cm.TooltipDisplayMode.MULTI).sort(cm.SortOrder.DESCENDING))
    )
    if samples:
        panel = panel.data_links([d.DashboardLink("Rows behind this").url(samples).target_blank(True)])
    return panel


def rows(title: str, description: str, empty: str, expr: str) -> Any:
    """A table of an instant query's labels."""
    hide = {name: True for name in ("Time", "__name__", "Value", "instance", "job", "alertstate")}
    return (
        table.Panel().title(title).description(description).no_value(empty).datasource(SOURCE).span(24).height(6)
        .with_target(query(expr, "A", "", instant=True))
        .with_transformation(dm.DataTransformerConfig(id_val="organize", options={"excludeByName": hide}))
    )


def variable(name: str, label: str, expr: str) -> Any:
    """A multi-value variable fed by a query; All matches everything."""
    return (
        d.QueryVariable(name).label(label).datasource(SOURCE).query(expr).definition(expr)
        .refresh(dm.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(dm.VariableSort.ALPHABETICAL_ASC)
        .multi(True).include_all(True).all_value(".+")
        .current(dm.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def source_variable() -> Any:
    """Which Prometheus."""
    return (
        d.DatasourceVariable("datasource").label("Data source").type("prometheus")
        .current(dm.VariableOption(text="default", value="default"))
    )


def dashboard(title: str, uid: str, description: str) -> Any:
    """An empty dashboard that is not meant to be edited by hand."""
    return (
        d.Dashboard(title).uid(uid).description(description).tags(["labelmon"]).readonly()
        .tooltip(dm.DashboardCursorSync.CROSSHAIR).time("now-6h", "now").refresh("1m")
        .timezone(cm.TimeZoneBrowser)
        .link(
            d.DashboardLink("labelmon dashboards").type(dm.DashboardLinkType.DASHBOARDS).tags(["labelmon"])
            .as_dropdown(True).include_vars(True).keep_time(True)
        )
    )


def row(title: str) -> Any:
    """A heading."""
    return d.Row(title)


def web_link(title: str, url: str) -> Any:
    """A link in the dashboard's head."""
    return d.DashboardLink(title).type(dm.DashboardLinkType.LINK).url(url).target_blank(True)


def alerts_annotation() -> Any:
    """Firing alerts as marks on every panel."""
    return (
        d.AnnotationQuery().name("Firing alerts").datasource(SOURCE).enable(True).icon_color("red")
        .expr('ALERTS{dataset=~"$dataset", alertstate="firing"}').title_format("{{alertname}}")
        .text_format("{{dataset}} {{severity}}").tag_keys("severity")
    )


def encode(built: Any) -> str:
    """The dashboard as sorted JSON; panels get ids, which the SDK leaves unset, so that diffs stay small."""
    number = 0
    for panel in built.panels or []:
        for one in (panel, *(getattr(panel, "panels", None) or [])):
            number += 1
            one.id_val = number
    plain = _without_placement(json.loads(JSONEncoder().encode(built)))
    return json.dumps(plain, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _without_placement(node: Any) -> Any:
    """0.0.21 writes placement=inControlsMenu on every link, which older Grafanas do not know."""
    if isinstance(node, dict):
        return {
            key: _without_placement(value)
            for key, value in node.items()
            if not (key == "placement" and value == "inControlsMenu")
        }
    return [_without_placement(value) for value in node] if isinstance(node, list) else node
