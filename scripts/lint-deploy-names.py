"""Compares names in deploy/ and docs/deployment.md with what the server really has.

    lint-deploy-names.py RENDERED_MANIFESTS...

Settings are those of .env.example, metrics those of docs/metrics.md, paths those of docs/openapi.json. Also
compares the times that must fit each other, and KEDA's objects with KEDA's types.
"""

import json
import pathlib
import re
import sys

import cloudcoil.models.keda.v1alpha1 as keda
import yaml

DEPLOY = pathlib.Path("deploy")
GUIDE = pathlib.Path("docs/deployment.md")
IMAGE = "messaging-server"
UNIT = DEPLOY / "systemd/messaging-server.service"

findings: list[str] = []


def settings() -> tuple[dict[str, str], set[str]]:
    """Every setting with its default, and the names that a variable may have."""
    found = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$", pathlib.Path(".env.example").read_text(), re.M)
    defaults = dict(found)
    return defaults, {*defaults, *(f"{name}_FILE" for name in defaults)}


DEFAULTS, SETTINGS = settings()
METRICS = set(re.findall(r"^\| `(messaging_\w+)`", pathlib.Path("docs/metrics.md").read_text(), re.M))
PATHS = set(json.loads(pathlib.Path("docs/openapi.json").read_text())["paths"])


def check_settings(where: object, names) -> None:
    """Each name must be a setting's; and there must be some, or this check looks in the wrong place."""
    names = list(names)
    if not names:
        findings.append(f"{where}: no setting found")
    findings.extend(f"{where}: {name} is no setting of the server" for name in names if name not in SETTINGS)


def check_metrics(where: object, text: str) -> None:
    """Histograms are asked for by the names of their parts."""
    for name in sorted(set(re.findall(r"\bmessaging_[a-z_]+\b", text))):
        if name not in METRICS and re.sub(r"_(bucket|count|sum)$", "", name) not in METRICS:
            findings.append(f"{where}: {name} is no metric of the server")


def is_secret(name: str) -> bool:
    return re.search(r"(SECRET|PASSWORD|TOKEN|KEY|DATABASE_URL|REDIS_URL|WAHA_SERVERS)$", name) is not None


def names_in_lines(path: pathlib.Path) -> list[str]:
    """The names in a file of lines NAME=value."""
    return re.findall(r"^([A-Za-z_][A-Za-z0-9_]*)=", path.read_text(), re.M)


def check_compose(path: pathlib.Path) -> None:
    services = yaml.safe_load(path.read_text())["services"]
    ours = [service for service in services.values() if service["image"].split(":")[0] == IMAGE]
    for service in ours:
        environment = service.get("environment", {})
        check_settings(path, environment)
        # A secret comes from outside, or nothing starts: not even with one that stands here.
        for name, value in environment.items():
            if is_secret(name) and not value.startswith(f"${{{name}:?"):
                findings.append(f"{path}: {name} has a value that is in the repository")
        if seconds(service["stop_grace_period"]) <= DRAIN:
            findings.append(f"{path}: stop_grace_period is not longer than SHUTDOWN_TIMEOUT")


def check_manifests(path: pathlib.Path) -> None:
    documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
    for document in documents:
        kind, name = document["kind"], document["metadata"]["name"]
        where = f"{kind} {name}"
        if kind in ("ConfigMap", "Secret"):
            values = document.get("data") or document.get("stringData")
            check_settings(where, values)
            findings.extend(
                f"{where}: {name} has a value that is in the repository"
                for name, value in values.items()
                if is_secret(name) and value
            )
        if kind in ("Deployment", "Job"):
            check_pod(where, document["spec"]["template"]["spec"])
        if kind == "ScaledObject":
            check_metrics(where, json.dumps(document))
            read = keda.ScaledObject.model_validate(document).model_dump(by_alias=True, mode="json")
            findings.extend(f"{where}: KEDA knows no {key}" for key in unknown(document, read))


def check_pod(where: str, pod: dict) -> None:
    for container in pod["containers"]:
        if container.get("env"):
            check_settings(where, [variable["name"] for variable in container["env"]])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = container.get(probe, {}).get("httpGet", {}).get("path")
            if path is not None and path not in PATHS:
                findings.append(f"{where}: the server has no {path}")
        for port in container.get("ports", []):
            if str(port["containerPort"]) != DEFAULTS["PORT"]:
                findings.append(f"{where}: the server listens on {DEFAULTS['PORT']}")
        if container["args"] == ["serve"]:
            wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            if pod["terminationGracePeriodSeconds"] <= DRAIN + wait:
                findings.append(f"{where}: ends before it has drained")


def unknown(given: object, read: object, at: str = ""):
    """Keys that were given and that nobody read."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            if key in read:
                yield from unknown(value, read[key], f"{at}.{key}")
            else:
                yield f"{at}.{key}"
    elif isinstance(given, list) and isinstance(read, list):
        for index, (one, other) in enumerate(zip(given, read)):
            yield from unknown(one, other, f"{at}[{index}]")


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


DRAIN = seconds(DEFAULTS["SHUTDOWN_TIMEOUT"])


def main() -> None:
    for path in sorted(DEPLOY.glob("compose*.yaml")):
        check_compose(path)
    for path in [*map(pathlib.Path, sys.argv[1:]), DEPLOY / "kubernetes/secret.example.yaml"]:
        check_manifests(path)
    drain = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "kubernetes/base/settings.env").read_text(), re.M))
    if seconds(drain["SHUTDOWN_TIMEOUT"]) != DRAIN:
        findings.append("settings.env: SHUTDOWN_TIMEOUT differs from the default; so must the grace periods")

    unit = UNIT.read_text()
    check_settings(UNIT, re.findall(r"([A-Z][A-Z0-9_]*)=", " ".join(re.findall(r"^Environment=(.*)$", unit, re.M))))
    if seconds(re.search(r"^TimeoutStopSec=(\w+)$", unit, re.M)[1]) <= DRAIN:
        findings.append(f"{UNIT}: TimeoutStopSec is not longer than SHUTDOWN_TIMEOUT")
    # Not .env itself, which is an operator's own.
    for path in sorted([*DEPLOY.rglob("?*.env"), *DEPLOY.rglob("*.env.example")]):
        check_settings(path, names_in_lines(path))
    dockerfile = DEPLOY / "Dockerfile"
    final_stage = dockerfile.read_text().rsplit("\nFROM ", 1)[1].replace("\\\n", "")
    check_settings(dockerfile, re.findall(r"(\w+)=", " ".join(re.findall(r"^ENV (.*)$", final_stage, re.M))))

    healthcheck = (DEPLOY / "healthcheck").read_text()
    if re.search(r"GET (\S+) ", healthcheck)[1] not in PATHS:
        findings.append("deploy/healthcheck: asks for a path that the server does not have")
    for path in [*sorted(DEPLOY.rglob("prometheus/*.yaml")), GUIDE]:
        check_metrics(path, path.read_text())
    # In prose, words of capitals joined by _ are settings.
    prose = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", GUIDE.read_text()))
    check_settings(GUIDE, sorted(prose))
    routes = "|".join(sorted({path.split("/")[1] for path in PATHS}))
    for path in re.findall(rf"`(?:[A-Z]+ )?(/(?:{routes})\b[^` ?]*)[^`]*`", GUIDE.read_text()):
        if path not in PATHS:
            findings.append(f"{GUIDE}: the server has no {path}")

    if findings:
        sys.exit("\n".join(findings))


main()
