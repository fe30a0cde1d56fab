"""The Kubernetes and operator objects name each other, and no field is missing that exemplars need."""

import pytest
from deploy_files import DEPLOY, documents, one

SERVICES = {"users-python": 8101, "users-go": 8102, "orders-c": 8103, "orders-rust": 8104}
MANIFESTS = (
    "kubernetes/shop.yaml",
    "kubernetes/prometheus.yaml",
    "kubernetes/grafana.yaml",
    "prometheus-operator/prometheus.yaml",
    "prometheus-operator/service-monitor.yaml",
    "prometheus-operator/pod-monitor.yaml",
)
API_VERSIONS = {
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "Prometheus": "monitoring.coreos.com/v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "ServiceMonitor": "monitoring.coreos.com/v1",
}


def test_every_manifest_is_listed_here() -> None:
    found = {str(p.relative_to(DEPLOY)) for d in ("kubernetes", "prometheus-operator") for p in (DEPLOY / d).rglob("*")}
    assert found == set(MANIFESTS)


@pytest.mark.parametrize("name", MANIFESTS)
def test_objects_are_whole(name: str) -> None:
    seen = set()
    for document in documents(name):
        kind = document["kind"]
        assert document["apiVersion"] == API_VERSIONS[kind], kind
        key = (kind, document["metadata"]["name"])
        assert key not in seen, key
        seen.add(key)


@pytest.mark.parametrize("name", MANIFESTS)
def test_deployments_and_services_fit_together(name: str) -> None:
    pods = {}
    for document in documents(name):
        if document["kind"] != "Deployment":
            continue
        template = document["spec"]["template"]
        labels = template["metadata"]["labels"]
        assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()
        volumes = {volume["name"] for volume in template["spec"].get("volumes", [])}
        for container in template["spec"]["containers"]:
            assert {m["name"] for m in container.get("volumeMounts", [])} <= volumes
        pods[document["metadata"]["name"]] = template
    for document in documents(name):
        if document["kind"] != "Service":
            continue
        template = pods[document["metadata"]["name"]]
        assert document["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        names = {p["name"] for c in template["spec"]["containers"] for p in c["ports"]}
        assert {port["targetPort"] for port in document["spec"]["ports"]} <= names


@pytest.mark.parametrize("service", SERVICES)
def test_shop_pods_are_found_by_their_annotations(service: str) -> None:
    template = one("kubernetes/shop.yaml", "Deployment", service)["spec"]["template"]
    port = SERVICES[service]
    assert template["spec"]["containers"][0]["ports"] == [{"name": "http", "containerPort": port}]
    # Annotations are text: a bare true or number is refused by Kubernetes.
    assert template["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(port),
        "prometheus.io/path": "/metrics",
    }


def test_arguments_name_values_of_the_config_map() -> None:
    values = one("kubernetes/shop.yaml", "ConfigMap", "shop")["data"]
    for service in SERVICES:
        template = one("kubernetes/shop.yaml", "Deployment", service)["spec"]["template"]
        container = template["spec"]["containers"][0]
        arguments = dict(zip(container["args"][::2], container["args"][1::2], strict=True))
        used = {name: values[value[2:-1]] for name, value in arguments.items()}
        assert used["--host"] == "0.0.0.0"
        if service.startswith("users"):
            host, port = used["--orders"].removeprefix("http://").split(":")
            assert SERVICES[host] == int(port)


def test_static_targets_are_the_shop() -> None:
    job = documents("prometheus/prometheus.yml")[0]["scrape_configs"][0]
    assert job["static_configs"][0]["targets"] == [f"127.0.0.1:{port}" for port in SERVICES.values()]


def test_used_config_maps_exist() -> None:
    kustomization = documents("kustomization.yaml")[0]
    made = {entry["name"] for entry in kustomization["configMapGenerator"]}
    for entry in kustomization["configMapGenerator"]:
        for file in entry["files"]:
            assert (DEPLOY / file).is_file(), file
    for name in kustomization["resources"]:
        made |= {d["metadata"]["name"] for d in documents(name) if d["kind"] == "ConfigMap"}
    for name in kustomization["resources"]:
        for document in documents(name):
            if document["kind"] == "Deployment":
                pod = document["spec"]["template"]["spec"]
                used = {v["configMap"]["name"] for v in pod.get("volumes", []) if "configMap" in v}
                used |= {e["configMapRef"]["name"] for c in pod["containers"] for e in c.get("envFrom", [])}
                assert used <= made, document["metadata"]["name"]


def test_kustomization_names_the_images_of_the_shop() -> None:
    images = {entry["name"] for entry in documents("kustomization.yaml")[0]["images"]}
    used = {
        one("kubernetes/shop.yaml", "Deployment", service)["spec"]["template"]["spec"]["containers"][0]["image"] for service in SERVICES
    }
    assert images == used


def test_operator_stores_exemplars() -> None:
    spec = one("prometheus-operator/prometheus.yaml", "Prometheus", "shop")["spec"]
    assert spec["enableFeatures"] == ["exemplar-storage"]
    assert spec["exemplars"]["maxSize"] >= 100_000


@pytest.mark.parametrize(
    ("name", "kind", "selector", "endpoints"),
    [
        ("prometheus-operator/service-monitor.yaml", "ServiceMonitor", "serviceMonitorSelector", "endpoints"),
        ("prometheus-operator/pod-monitor.yaml", "PodMonitor", "podMonitorSelector", "podMetricsEndpoints"),
    ],
)
def test_monitors_are_selected_and_select_the_shop(name: str, kind: str, selector: str, endpoints: str) -> None:
    prometheus = one("prometheus-operator/prometheus.yaml", "Prometheus", "shop")["spec"]
    monitor = one(name, kind, "shop")
    assert prometheus[selector]["matchLabels"].items() <= monitor["metadata"]["labels"].items()
    assert monitor["spec"]["scrapeProtocols"][0] == "OpenMetricsText1.0.0"
    assert [(e["port"], e["path"]) for e in monitor["spec"][endpoints]] == [("http", "/metrics")]
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    for service in SERVICES:
        chosen = one("kubernetes/shop.yaml", "Service", service)
        if kind == "PodMonitor":
            chosen = one("kubernetes/shop.yaml", "Deployment", service)["spec"]["template"]
        assert wanted <= chosen["metadata"]["labels"].items(), service
