"""promtool accepts what deploy/ gives Prometheus, and exemplars are on everywhere."""

import pathlib

import pytest
import yaml
from deploy_files import DEPLOY, check, documents, one

FLAG = "--enable-feature=exemplar-storage"


def _kubernetes_config() -> dict:
    return yaml.safe_load(one("kubernetes/prometheus.yaml", "ConfigMap", "prometheus")["data"]["prometheus.yml"])


def test_config_is_valid(promtool: str) -> None:
    check(promtool, "config", DEPLOY / "prometheus" / "prometheus.yml")


def test_rules_are_valid(promtool: str) -> None:
    check(promtool, "rules", DEPLOY / "prometheus" / "rules" / "shop.yml")


def test_kubernetes_config_is_valid(promtool: str, tmp_path: pathlib.Path) -> None:
    config = _kubernetes_config()
    # Debian builds Prometheus without service discovery, so that part is
    # compared here and the rest is left to promtool.
    pods = config["scrape_configs"][0]
    assert pods.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"own_namespace": True}}]
    pods["static_configs"] = [{"targets": ["127.0.0.1:8101"]}]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    check(promtool, "config", path)


def test_promtool_refuses_a_wrong_field(promtool: str, tmp_path: pathlib.Path) -> None:
    config = documents("prometheus/prometheus.yml")[0]
    config["storage"]["exemplars"]["maximum"] = config["storage"]["exemplars"].pop("max_exemplars")
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(AssertionError, match="maximum not found"):
        check(promtool, "config", path)


def test_exemplar_storage_has_room() -> None:
    for config in (documents("prometheus/prometheus.yml")[0], _kubernetes_config()):
        assert config["storage"]["exemplars"]["max_exemplars"] >= 100_000


def test_no_job_leaves_out_openmetrics() -> None:
    for config in (documents("prometheus/prometheus.yml")[0], _kubernetes_config()):
        for section in (config["global"], *config["scrape_configs"]):
            protocols = section.get("scrape_protocols", ["OpenMetricsText1.0.0"])
            assert "OpenMetricsText1.0.0" in protocols, section


def test_flag_is_given_or_shown() -> None:
    pod = one("kubernetes/prometheus.yaml", "Deployment", "prometheus")["spec"]["template"]["spec"]
    assert FLAG in pod["containers"][0]["args"]
    assert FLAG in (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    assert FLAG in (DEPLOY / "README.md").read_text()
