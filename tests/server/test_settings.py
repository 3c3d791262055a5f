from pathlib import Path

import pytest

from vitscope.server.settings import Settings, SettingsInvalid, read_settings, unknown_variables


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "vitscope.toml"
    file.write_text("max_batch = 2\ngrpc_port = 1002\nhttp_port = 1003\n")
    monkeypatch.setenv("VITSCOPE_CONFIG", str(file))
    monkeypatch.setenv("VITSCOPE_GRPC_PORT", "2002")
    monkeypatch.setenv("VITSCOPE_HTTP_PORT", "2003")
    settings = read_settings(["models", "--http-port", "3003"])
    assert (settings.max_batch, settings.grpc_port, settings.http_port) == (2, 2002, 3003)


def test_the_flag_for_the_file_wins_over_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.toml").write_text(f"max_batch = {number}\n")
    monkeypatch.setenv("VITSCOPE_CONFIG", str(tmp_path / "1.toml"))
    assert read_settings([]).max_batch == 1
    assert read_settings([f"--config={tmp_path / '2.toml'}"]).max_batch == 2


def test_what_print_config_prints_is_a_file_that_gives_the_same_settings(tmp_path: Path) -> None:
    settings = read_settings(["some/models", "--max-queue-wait", "2.5", "--allow-uncertified", "--engine", "openvino"])
    file = tmp_path / "printed.toml"
    file.write_text(settings.as_toml())
    again = read_settings(["--config", str(file)])
    assert again.model_copy(update={"config": None}) == settings
    # TOML has no null: what has no value is left out.
    valued = {name for name in Settings.model_fields if getattr(settings, name) is not None}
    assert valued - {"config", "print_config"} == {line.split(" = ")[0] for line in settings.as_toml().splitlines()}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--max-batch", "0"],
            r"max_batch \(--max-batch, VITSCOPE_MAX_BATCH\): found '0'; .* greater than or equal to 1",
        ),
        (
            ["--engine", "triton"],
            r"engine \(--engine, VITSCOPE_ENGINE\): found 'triton'; .*'openvino' or 'onnxruntime'",
        ),
        (["--grpc-port", "70000"], "found '70000'; .* less than or equal to 65535"),
        (["--max-queue-wait", "soon"], "found 'soon'; .* valid number"),
        (
            ["--admin-address", "8502"],
            r"admin_address .*: found '8502'; accepted: host:port .* such as 127.0.0.1:8502, or unix:/path",
        ),
        (["--admin-address", "localhost:99999"], "admin_address .*: found 'localhost:99999'; accepted: host:port"),
        (["--config", "nowhere.toml"], "config: nowhere.toml is not a file"),
    ],
)
def test_a_bad_setting_is_named_with_what_was_found_and_what_is_accepted(arguments: list[str], says: str) -> None:
    with pytest.raises(SettingsInvalid, match=says):
        read_settings(arguments)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max_bach = 1", "max_bach: there is no such setting; did you mean max_batch"),
        ("max_batch = = 1", r"\.toml: Invalid value"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(SettingsInvalid, match=says):
        read_settings(["--config", str(file)])


def test_an_unknown_flag_ends_with_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        read_settings(["--max-bach", "1"])
    assert "unrecognized arguments: --max-bach" in capsys.readouterr().err


def test_an_image_must_fit_in_a_message() -> None:
    with pytest.raises(SettingsInvalid, match="max_image_mib is 20; accepted: less than max_message_mib, which is 8"):
        read_settings(["--max-message-mib", "8"])


@pytest.mark.parametrize("value", ["inf", "nan", "0"])
def test_sizes_are_finite_and_positive(value: str) -> None:
    with pytest.raises(SettingsInvalid, match="max_image_mib"):
        read_settings(["--max-image-mib", value])


def test_variables_that_name_no_setting_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITSCOPE_MAX_BATCHH", "3")
    monkeypatch.setenv("VITSCOPE_MAX_BATCH", "3")
    monkeypatch.setenv("VITSCOPE_SERVER", "models.internal")  # read by the client's commands
    assert unknown_variables() == ["VITSCOPE_MAX_BATCHH"]


def test_text_is_quoted_so_that_it_reads_back(tmp_path: Path) -> None:
    settings = read_settings(['odd "name\\'])
    (tmp_path / "printed.toml").write_text(settings.as_toml())
    assert read_settings(["--config", str(tmp_path / "printed.toml")]).models == settings.models
