"""The command that opens the playground; tests/playground/ has the page itself."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import pytest

from tests.cli.test_common import save_model
from tests.conftest import Stage, assert_one_sentence


def test_without_models_it_says_what_to_run(stage: Stage) -> None:
    assert_one_sentence(stage("play"), "models/", "make repro", "dvc pull")


def test_without_the_extra_it_says_what_to_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(Path("models/dcgan819"))
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: None if name == "nicegui" else found(name)
    )
    assert_one_sentence(stage("play", "--port", str(free_port())), "nicegui", "make play")


def test_a_port_that_is_taken_is_named(stage: Stage) -> None:
    save_model(Path("models/dcgan819"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert_one_sentence(
            stage("play", "--port", str(port)), f"Port {port}", f"--port {port + 1}"
        )


def test_what_is_no_model_is_refused(stage: Stage) -> None:
    Path("models").mkdir()
    assert_one_sentence(stage("play", "models"), "models is no trained model")


def free_port() -> int:
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        port: int = ours.getsockname()[1]
        return port
