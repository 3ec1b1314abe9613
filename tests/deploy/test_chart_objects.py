"""The objects of the chart are those of the guide, and fit together."""

import re
from collections.abc import Mapping

import pytest

from tests.deploy.reading import config_of, container, named, pod, workloads
from tests.deploy.rendering import SCENARIOS, Helm, Values, changed, scenario_values

every_scenario = pytest.mark.parametrize("scenario", SCENARIOS)

CANARY_OF_THE_GUIDE = {
    "maxSurge": "50%",
    "maxUnavailable": 0,
    "steps": [
        *({"setWeight": 20}, {"pause": {"duration": "30s"}}),
        *({"setWeight": 40}, {"pause": {"duration": "30s"}}),
        *({"setWeight": 60}, {"pause": {"duration": "30s"}}),
        *({"setWeight": 80}, {"pause": {"duration": "20s"}}),
    ],
}


def test_the_canary_is_that_of_the_guide(helm: Helm, values: Values) -> None:
    spec = named(helm.manifests(values), "Rollout", "flightspecials")["spec"]
    assert spec["strategy"] == {"canary": CANARY_OF_THE_GUIDE}
    assert spec["revisionHistoryLimit"] == 2
    assert spec["replicas"] == 2
    assert spec["selector"]["matchLabels"] == {"app.kubernetes.io/name": "flightspecials"}


def test_names_are_those_of_the_guide(helm: Helm, values: Values) -> None:
    manifests = helm.manifests(values)
    assert set(config_of(manifests)) == {
        *("environment", "database_endpoint", "database_port", "database_username"),
    }
    rollout = workloads(manifests)["flightspecials"]
    assert pod(rollout)["serviceAccountName"] == "flightspecials-service-account"
    assert container(rollout)["resources"]["requests"] == {"memory": "256Mi", "cpu": "250m"}
    assert container(rollout)["resources"]["limits"] == {"memory": "512Mi", "cpu": "500m"}
    service = named(manifests, "Service", "flightspecials-service")["spec"]
    assert (service["type"], service["ports"][0]["port"]) == ("NodePort", 80)
    ingress = named(manifests, "Ingress", "flightspecials-ingress")
    alb = "alb.ingress.kubernetes.io/"
    told = {key.removeprefix(alb): text for key, text in ingress["metadata"]["annotations"].items()}
    assert told["group.name"] == "travelbuddy"
    assert told["group.order"] == "2"
    assert told["healthcheck-path"] == "/flightspecials/"
    assert (told["scheme"], told["target-type"]) == ("internet-facing", "ip")
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/flightspecials", "Prefix")
    assert ingress["spec"]["ingressClassName"] == "alb"


def test_the_facade_goes_before_travelbuddy_on_the_same_load_balancer(
    helm: Helm, values: Values
) -> None:
    assert not [m for m in helm.manifests(values) if m["metadata"]["name"] == "facade-ingress"]
    made = helm.manifests(changed(values, facade__ingress__enabled=True))
    told = named(made, "Ingress", "facade-ingress")["metadata"]["annotations"]
    assert told["alb.ingress.kubernetes.io/group.name"] == "travelbuddy"
    # None given is 0, TravelBuddy's own is 1, and the smaller one goes first.
    assert "alb.ingress.kubernetes.io/group.order" not in told


@every_scenario
def test_every_object_has_a_name_of_its_own_in_the_namespace(helm: Helm, scenario: str) -> None:
    manifests = helm.manifests(scenario_values(scenario), namespace="elsewhere")
    assert {m["metadata"]["namespace"] for m in manifests} == {"elsewhere"}
    identities = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(set(identities)) == len(identities)


def test_the_migrations_come_first_with_helm_and_with_argo_cd(helm: Helm, values: Values) -> None:
    manifests = helm.manifests(values)
    told = {m["kind"]: m["metadata"].get("annotations", {}) for m in manifests}
    policy = named(manifests, "NetworkPolicy", "flightspecials-migration")
    wave = "argocd.argoproj.io/sync-wave"
    for hook in (told["Job"], policy["metadata"]["annotations"]):
        # With Helm nothing else of a first release is there before the pods: they wait by themselves.
        assert hook["helm.sh/hook"] == "post-install,pre-upgrade"
        assert hook["argocd.argoproj.io/hook"] == "Sync"
        assert hook["helm.sh/hook-weight"] == hook[wave]
    assert int(policy["metadata"]["annotations"][wave]) < int(told["Job"][wave]) < 0
    assert wave not in told["Rollout"]
    job = pod(workloads(manifests)["flightspecials-migration"])
    account = named(manifests, "ServiceAccount", job["serviceAccountName"])["metadata"]
    assert int(account["annotations"][wave]) < int(told["Job"][wave])
    # One role, and its trust policy names one account.
    assert job["serviceAccountName"] == "flightspecials-service-account"


@every_scenario
def test_selectors_find_what_they_are_for(helm: Helm, scenario: str) -> None:
    manifests = helm.manifests(scenario_values(scenario))
    labels = {
        name: workload["spec"]["template"]["metadata"]["labels"]
        for name, workload in workloads(manifests).items()
    }

    def chosen(selector: Mapping[str, str]) -> set[str]:
        return {name for name, own in labels.items() if selector.items() <= own.items()}

    for manifest in manifests:
        kind, name, spec = manifest["kind"], manifest["metadata"]["name"], manifest.get("spec", {})
        if kind in ("Rollout", "Deployment"):
            assert chosen(spec["selector"]["matchLabels"]) == {name}
            for spread in spec["template"]["spec"]["topologySpreadConstraints"]:
                assert chosen(spread["labelSelector"]["matchLabels"]) == {name}
        elif kind == "Service":
            assert chosen(spec["selector"]) == {re.sub("-(service|admin|operations)$", "", name)}
        elif kind == "PodDisruptionBudget":
            assert chosen(spec["selector"]["matchLabels"]) == {name}
        elif kind == "NetworkPolicy":
            assert chosen(spec["podSelector"]["matchLabels"]) == {name}
        elif kind == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            found = named(manifests, target["kind"], target["name"])
            assert found["apiVersion"] == target["apiVersion"]
            assert "replicas" not in found["spec"]
        elif kind == "ServiceMonitor":
            wanted = spec["selector"]["matchLabels"].items()
            (service,) = [
                m
                for m in manifests
                if m["kind"] == "Service" and wanted <= m["metadata"]["labels"].items()
            ]
            (endpoint,) = spec["endpoints"]
            assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


@every_scenario
def test_what_is_referred_to_is_there(helm: Helm, scenario: str) -> None:
    manifests = helm.manifests(scenario_values(scenario))
    names = {(m["kind"], m["metadata"]["name"]) for m in manifests}
    for workload in workloads(manifests).values():
        assert ("ServiceAccount", pod(workload)["serviceAccountName"]) in names
        volumes = {volume["name"] for volume in pod(workload)["volumes"]}
        assert {mount["name"] for mount in container(workload)["volumeMounts"]} == volumes
        ports = {port["name"] for port in container(workload).get("ports", [])}
        for service in (m for m in manifests if m["kind"] == "Service"):
            selector = service["spec"]["selector"].items()
            if selector <= workload["spec"]["template"]["metadata"]["labels"].items():
                assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for ingress in (m for m in manifests if m["kind"] == "Ingress"):
        backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        service = named(manifests, "Service", backend["name"])
        assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


@every_scenario
def test_every_pod_is_one_that_the_restricted_standard_lets_in(helm: Helm, scenario: str) -> None:
    for workload in workloads(helm.manifests(scenario_values(scenario))).values():
        spec, own = pod(workload), container(workload)["securityContext"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert {kind for v in spec["volumes"] for kind in v} <= {
            *("name", "configMap", "emptyDir", "persistentVolumeClaim", "secret"),
        }
        is_runner = workload["metadata"]["name"] == "facade-rollout"
        assert spec["automountServiceAccountToken"] is is_runner
        assert set(container(workload)["resources"]) == {"requests", "limits"}


def test_other_settings_of_the_service_are_another_version(helm: Helm, values: Values) -> None:
    before = workloads(helm.manifests(values))["flightspecials"]
    other = changed(values, database__endpoint="other.example.com")
    after = workloads(helm.manifests(other))["flightspecials"]
    assert after["spec"]["template"] != before["spec"]["template"]


def test_only_prometheus_the_runner_and_the_replicas_reach_the_admin_port_and_only_with_the_token(
    helm: Helm, values: Values
) -> None:
    made = helm.manifests(scenario_values("everything"))
    rules = named(made, "NetworkPolicy", "facade")["spec"]["ingress"]
    metrics, tables, figures = [
        rule for rule in rules if {p["port"] for p in rule["ports"]} == {9901}
    ]
    assert metrics["from"] == scenario_values("everything")["networkPolicy"]["prometheusFrom"]
    replicas = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "facade"}}}
    assert tables["from"] == [replicas]
    (runner,) = figures["from"]
    labels = named(made, "Job", "facade-rollout")["spec"]["template"]["metadata"]["labels"].items()
    assert runner["podSelector"]["matchLabels"].items() <= labels
    (endpoint,) = named(made, "ServiceMonitor", "facade")["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "facade-admin", "key": "token"}
    closed = named(helm.manifests(values), "NetworkPolicy", "facade")["spec"]["ingress"]
    assert [{p["port"] for p in rule["ports"]} for rule in closed] == [{8080}]


def test_the_runner_of_a_rollout_may_patch_the_table_and_nothing_else(helm: Helm) -> None:
    made = helm.manifests(scenario_values("everything"))
    (rule,) = named(made, "Role", "facade-rollout")["rules"]
    assert rule == {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": ["facade-routes"],
        "verbs": ["patch"],
    }
    spec = pod(named(made, "Job", "facade-rollout"))
    assert spec["serviceAccountName"] == "facade-rollout"
    assert spec["automountServiceAccountToken"] is True
    others = [pod(each) for name, each in workloads(made).items() if name != "facade-rollout"]
    assert not any(each["automountServiceAccountToken"] for each in others)


def test_a_role_is_told_to_the_service_account(helm: Helm, values: Values) -> None:
    role = "arn:aws:iam::123456789012:role/flightspecials"
    key, name = "eks.amazonaws.com/role-arn", "flightspecials-service-account"
    made = helm.manifests(changed(values, service__serviceAccount__roleArn=role))
    assert named(made, "ServiceAccount", name)["metadata"]["annotations"][key] == role
    plain = helm.manifests(values)
    assert key not in named(plain, "ServiceAccount", name)["metadata"]["annotations"]


def test_a_digest_goes_with_its_tag(helm: Helm, values: Values) -> None:
    digest = "sha256:" + "a" * 64
    made = workloads(helm.manifests(changed(values, image__digest=digest)))
    address = values["image"]["repository"]
    assert container(made["flightspecials"])["image"] == f"{address}:t1a2b3c@{digest}"
    assert container(made["facade"])["image"] == f"{address}-facade:t1a2b3c"
