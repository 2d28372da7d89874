"""`pokegan play` before it serves; tests/cli/playground/ has the page."""

import importlib.util
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Pokegan
from tests.conftest import assert_one_sentence
from tests.models import save_model


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_without_trained_networks_it_names_the_commands(pokegan: Pokegan) -> None:
    assert_one_sentence(pokegan("play"), "models/", "dvc repro", "dvc pull")


def test_without_nicegui_it_names_the_command(
    pokegan: Pokegan, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(Path("models/dcgan819"))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: None if name == "nicegui" else find_spec(name)
    )
    assert_one_sentence(pokegan("play", "--port", free_port()), "nicegui", "make play")


def test_a_port_in_use_is_rejected(pokegan: Pokegan) -> None:
    save_model(Path("models/dcgan819"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert_one_sentence(pokegan("play", "--port", port), f"Port {port} is in use", "--port")


def test_a_folder_without_a_model_is_rejected(pokegan: Pokegan) -> None:
    Path("models").mkdir()
    assert_one_sentence(pokegan("play", "models"), "models is not a trained model")
