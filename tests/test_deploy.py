"""The files in deploy/ and the page on scaling say what the project really offers."""

import re
import shlex
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from scheduler import cli
from scheduler.settings import Settings

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DOCUMENTS = sorted(DEPLOY.rglob("*.yaml"))
DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
SCALING = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


def loaded(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def texts(content: Any) -> list[str]:
    """Every text in a document, keys included."""
    if isinstance(content, dict):
        return [each for pair in content.items() for part in pair for each in texts(part)]
    if isinstance(content, list):
        return [each for part in content for each in texts(part)]
    return [content] if isinstance(content, str) else []


def everything() -> str:
    files = [*DOCUMENTS, DEPLOY / "docker" / "Dockerfile", ROOT / "docs" / "scaling.md"]
    return "\n".join(each.read_text(encoding="utf-8") for each in files)


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda each: each.name)
def test_every_document_can_be_read(file: Path) -> None:
    assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict)


def test_images_carry_the_release_of_the_project() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        release = tomllib.load(file)["project"]["version"]
    assert set(re.findall(r"allot:(\d[\w.]*)", everything())) == {release}


def test_the_ray_of_kuberay_is_the_ray_of_the_project() -> None:
    assert loaded("kuberay/raycluster.yaml")["spec"]["rayVersion"] == version("ray")


@pytest.mark.parametrize("name", ["kuberay/raycluster.yaml", "kuberay/rayjob.yaml"])
def test_kuberay_knows_the_sort_of_each_document(name: str) -> None:
    document = loaded(name)
    assert document["apiVersion"] == "ray.io/v1"
    assert document["kind"] in ("RayCluster", "RayJob")


def test_the_job_trains_on_the_cluster_that_is_described() -> None:
    selector = loaded("kuberay/rayjob.yaml")["spec"]["clusterSelector"]["ray.io/cluster"]
    assert selector == loaded("kuberay/raycluster.yaml")["metadata"]["name"]


def test_a_job_that_fails_leaves_the_cluster_of_others_alone() -> None:
    """KubeRay deletes the cluster before it tries a job again, also one that it did not make."""
    spec = loaded("kuberay/rayjob.yaml")["spec"]
    assert not {"backoffLimit", "shutdownAfterJobFinishes"} & set(spec)


def test_the_image_has_what_kuberay_asks_of_it() -> None:
    assert "install -y --no-install-recommends wget" in DOCKERFILE
    assert '"ray[default]"' in DOCKERFILE


def test_the_user_of_the_image_may_write_to_the_shared_folder() -> None:
    spec = loaded("kuberay/raycluster.yaml")["spec"]
    pods = [each["template"]["spec"] for each in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    user = re.findall(r"--uid (\d+)", DOCKERFILE)
    assert [str(each["securityContext"]["fsGroup"]) for each in pods] == user * len(pods)


def test_every_volume_claimed_is_described() -> None:
    claimed = re.findall(r"claimName: ([\w-]+)", everything())
    assert set(claimed) == {loaded("kuberay/storage.yaml")["metadata"]["name"]}


def test_all_settings_named_are_settings() -> None:
    named = set(re.findall(r"ALLOT_([A-Z]+)\b(?!_)", everything()))
    assert {each.lower() for each in named} <= set(Settings.model_fields)


def test_every_allot_command_named_parses() -> None:
    said = re.findall(r"(?:entrypoint: |\$ |ray-head )(allot [^#\n]+)", everything())
    app = typer.main.get_command(cli.build())
    assert len(said) >= 6
    for words in said:
        name, *arguments = shlex.split(words)[1:]
        command = app.commands[name]  # type: ignore[attr-defined]
        command.make_context(name, [each for each in arguments if each != "\\"])


def test_the_image_starts_the_dashboard_with_flags_that_it_has() -> None:
    found = re.search(r"^CMD \[(.*)\]$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    name, *arguments = [each.strip(' "') for each in found[1].split(",")]
    app = typer.main.get_command(cli.build())
    app.commands[name].make_context(name, arguments)  # type: ignore[attr-defined]


def test_the_image_copies_what_is_there_and_installs_extras_that_exist() -> None:
    for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE):
        assert all((ROOT / each).exists() for each in line.split())
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    found = re.search(r"^ARG EXTRAS=(.*)$", DOCKERFILE, re.MULTILINE)
    assert found is not None
    assert set(found[1].split(",")) <= set(extras)


def test_services_wait_for_services_that_tell_their_health() -> None:
    services = loaded("compose.yaml")["services"]
    waited = {name for each in services.values() for name in each.get("depends_on", {})}
    assert waited
    assert all("healthcheck" in services[name] for name in waited)


def test_no_document_holds_a_secret() -> None:
    example = (DEPLOY / ".env.example").read_text(encoding="utf-8")
    assert re.findall(r"^\w+=(.+)$", example, re.MULTILINE) == []
    used = re.findall(r"\$\{(\w+)", "\n".join(texts(loaded("compose.yaml"))))
    assert set(used) == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_every_port_that_is_opened_is_told() -> None:
    opened = set(re.findall(r"(?:containerPort: |--port=|EXPOSE )(\d+)", everything()))
    assert all(f"| {port} |" in SCALING for port in opened)
