"""Grafana leads from a dot to a trace, and the dashboard asks for series that exist."""

import json
import pathlib
import re

import yaml
from deploy_files import DEPLOY, check, documents, one

METRICS = {"shop_request_duration_seconds_bucket", "shop_request_duration_seconds_count", "shop_errors_total"}


def _datasources() -> dict[str, dict]:
    found = documents("grafana/provisioning/datasources/datasources.yaml")[0]
    assert found["apiVersion"] == 1
    return {source["uid"]: source for source in found["datasources"]}


def _dashboard() -> dict:
    return json.loads((DEPLOY / "grafana" / "dashboards" / "shop.json").read_text())


def _targets() -> list[tuple[dict, dict]]:
    return [(panel, target) for panel in _dashboard()["panels"] for target in panel["targets"]]


def test_prometheus_links_exemplars_to_both_trace_stores() -> None:
    sources = _datasources()
    assert {uid: source["type"] for uid, source in sources.items()} == {
        "prometheus": "prometheus",
        "tempo": "tempo",
        "jaeger": "jaeger",
    }
    destinations = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert {d["name"] for d in destinations} == {"trace_id"}
    assert {d["datasourceUid"] for d in destinations} == {"tempo", "jaeger"}


def test_provider_reads_the_mounted_folder() -> None:
    provider = documents("grafana/provisioning/dashboards/providers.yaml")[0]["providers"][0]
    pod = one("kubernetes/grafana.yaml", "Deployment", "grafana")["spec"]["template"]["spec"]
    mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    assert provider["type"] == "file"
    assert provider["options"]["path"] == mounts["dashboards"]


def test_panels_use_the_provisioned_prometheus() -> None:
    for panel, target in _targets():
        for where in (panel, target):
            assert where["datasource"] == {"type": "prometheus", "uid": "prometheus"}, panel["title"]


def test_panel_and_target_ids_are_unique() -> None:
    panels = _dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_durations_show_exemplars_on_one_target() -> None:
    panel = _dashboard()["panels"][0]
    assert [target["legendFormat"] for target in panel["targets"]] == ["p50", "p95", "p99"]
    assert [target["exemplar"] for target in panel["targets"]] == [False, False, True]
    for _, target in _targets():
        # Grafana asks query_exemplars for range queries only.
        assert not target["exemplar"] or target["range"]


def test_there_is_an_error_rate_and_a_heat_map() -> None:
    by_title = {panel["title"]: panel for panel in _dashboard()["panels"]}
    assert "shop_errors_total" in by_title["Error rate"]["targets"][0]["expr"]
    heat_map = by_title["Request durations by bucket"]
    assert heat_map["type"] == "heatmap"
    # Prometheus has made the buckets already.
    assert heat_map["options"]["calculate"] is False
    assert heat_map["targets"][0]["format"] == "heatmap"
    assert "sum by (le)" in heat_map["targets"][0]["expr"]


def test_panels_do_not_overlap() -> None:
    taken = set()
    for panel in _dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells


def test_only_metrics_of_the_shop_are_asked_for() -> None:
    rules = documents("prometheus/rules/shop.yml")[0]["groups"][0]["rules"]
    expressions = [target["expr"] for _, target in _targets()] + [rule["expr"] for rule in rules]
    for expression in expressions:
        asked = set(re.findall(r"\bshop_\w+", expression))
        assert asked and asked <= METRICS, expression


def test_expressions_parse(promtool: str, tmp_path: pathlib.Path) -> None:
    expressions = [t["expr"].replace("$__rate_interval", "5m").replace("$service", ".*") for _, t in _targets()]
    rules = [{"record": f"dashboard:expression{i}", "expr": e} for i, e in enumerate(expressions)]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    check(promtool, "rules", path)
