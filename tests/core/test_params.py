from pathlib import Path

import pytest
from click import BadParameter
from click.testing import CliRunner

from pokegan.core.errors import PipelineError
from pokegan.core.params import NetworkName, read_networks, read_params
from tests.conftest import assert_one_sentence, set_params


def test_values_are_typed_and_only_named_sections_are_visible(workspace: Path) -> None:
    params = read_params("lr", "dcgan819")
    assert params.lr == 0.0002
    assert params["dcgan819"].lr is None
    assert isinstance(params["dcgan819"].epochs, float)
    only = read_params("evaluate.pictures", "evaluate.draws")
    assert (only.evaluate.pictures, only.evaluate.draws) == (8, 2)
    assert only.flat() == {"evaluate.pictures": 8, "evaluate.draws": 2}
    with pytest.raises(AttributeError, match="'splits'"):
        _ = only.evaluate.splits
    with pytest.raises(AttributeError, match="'seed'"):
        params.seed  # noqa: B018
    sections = {".".join(key.split(".")[:2]) for key in params.flat()}
    assert sections == {"lr", *(f"dcgan819.{k}" for k in type(params["dcgan819"]).model_fields)}


def test_exponents_without_a_dot_are_numbers(workspace: Path) -> None:
    """`dvc exp run -S lr=0.00001` writes 1e-05, which YAML 1.1 reads as a string."""
    text = Path("params.yaml").read_text()
    for written in ("1e-05", "1E-5", "1.e-5", "1.0e-05", "0.1e-4"):
        Path("params.yaml").write_text(text.replace("lr: 0.0002", f"lr: {written}", 1))
        assert read_params("lr").lr == 1e-5


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("lr", "fast", ["lr is 'fast'", "number"]),
        ("lr", 0, ["lr is 0", "greater than 0"]),
        ("lr", float("nan"), ["lr is nan"]),
        ("lr", True, ["lr is True"]),
        ("seed", 1.5, ["seed is 1.5", "integer"]),
        ("dcgan819.batch_size", 1, ["dcgan819.batch_size is 1", "2"]),
        ("dcgan819.batch_size", "32", ["dcgan819.batch_size is '32'", "integer"]),
        ("dcgan14000.swapped_labels", 1.2, ["dcgan14000.swapped_labels is 1.2", "less than or equal to 1"]),
        ("aegan.betas", [0.5], ["aegan.betas is [0.5]", "2 items"]),
        ("aegan.betas", [0.5, 1.0], ["aegan.betas.1 is 1.0", "less than 1"]),
        ("aegan.augmentation.flip", 1.0, ["aegan.augmentation.flip is not a known key"]),
        ("aegan.augmentation.cutout", 1.5, ["aegan.augmentation.cutout is 1.5", "less than or equal to 1"]),
        ("aegan.augmentation", ["color"], ["aegan.augmentation is ['color']", "dictionary"]),
        ("aegan.loss", "relativistic", ["aegan.loss is 'relativistic'", "'bce', 'hinge' or 'logistic'"]),
        ("projected.taps", ["fire3", "fire3"], ["projected.taps is", "must name each one once"]),
        ("projected.taps", ["fire1"], ["projected.taps.0 is 'fire1'", "'conv1'"]),
        ("evaluate.encoders", [], ["evaluate.encoders is []"]),
        ("evaluate.splits", 401, ["evaluate.splits is 401", "at most evaluate.pictures"]),
        ("evaluate.encoders", ["squeezenet"], ["evaluate.encoders.0 is 'squeezenet'", "'effnet_lite0'"]),
        ("evaluate.encoders", 2 * ["effnet_lite0"], ["must name each one once"]),
        ("dcgan819.upsampling", "cubic", ["must be 'transposed', 'nearest' or 'bilinear'"]),
        ("prepare.resolution", 100, ["prepare.resolution is 100", "64"]),
        ("download.source", "ftp", ["download.source is 'ftp'", "'npm'"]),
        ("download.git.commit", "main", ["download.git.commit is 'main'"]),
        ("dcgan819.learning_rate", 0.1, ["dcgan819.learning_rate is not a known key"]),
        ("lr", "${shared}", ["lr is '${shared}'", "replace the reference by a literal"]),
    ],
)  # fmt: skip
def test_a_bad_value_is_reported_with_key_and_demand(
    workspace: Path, key: str, value: object, words: list[str]
) -> None:
    set_params(workspace, {key: value})
    with pytest.raises(PipelineError) as error:
        read_params("seed")
    assert error.value.message.startswith("params.yaml: ")
    for word in words:
        assert word in error.value.message


def test_missing_keys_missing_files_and_invalid_yaml_are_reported(workspace: Path) -> None:
    file = Path("params.yaml")
    text = file.read_text()
    file.write_text(text.replace("seed: 1", "", 1))
    with pytest.raises(PipelineError, match="seed is missing"):
        read_params("seed")
    file.write_text(text + "\n  : [")
    with pytest.raises(PipelineError, match=r"params.yaml is not valid YAML.* line \d+"):
        read_params("seed")
    file.write_text("")
    with pytest.raises(PipelineError, match="params.yaml holds no mapping"):
        read_params("seed")
    file.unlink()
    with pytest.raises(PipelineError, match="root of the repository"):
        read_params("seed")


def test_a_stage_stops_before_any_work(workspace: Path) -> None:
    from stages.train import train

    set_params(workspace, {"lr": "fast"})
    result = CliRunner().invoke(train, ["dcgan819", "data/x.npy", "models/x", "reports/x"])
    assert_one_sentence(result, "params.yaml", "lr is 'fast'")
    assert sorted(path.name for path in workspace.iterdir()) == ["dvc.yaml", "params.yaml"]


def test_networks_come_from_dvc_yaml(workspace: Path) -> None:
    text = Path("dvc.yaml").read_text()
    networks = read_networks()
    assert networks["dcgan819"] == ("dcgan", "pokemon2457", "pokemon819", "lr")
    assert NetworkName().convert("aegan", None, None) == "aegan"
    with pytest.raises(BadParameter, match=f"'x' is not one of {', '.join(networks)}"):
        NetworkName().convert("x", None, None)
    Path("dvc.yaml").write_text(text.replace("gan: aegan", "gan: vae"))
    with pytest.raises(PipelineError, match=r"networks.aegan.gan is 'vae', but it must be one of"):
        read_params("seed")
    Path("dvc.yaml").write_text(text.replace("- networks:", "- nets:"))
    with pytest.raises(PipelineError, match="dvc.yaml: vars must hold 'networks'"):
        read_networks()


def test_a_network_of_dvc_yaml_needs_a_section(workspace: Path) -> None:
    entry = "      aegan: {"
    added = "      aegan2: {gan: aegan, pictures: a, reference: b, lr: lr}\n"
    text = Path("dvc.yaml").read_text().replace(entry, added + entry)
    Path("dvc.yaml").write_text(text)
    with pytest.raises(PipelineError, match="params.yaml: aegan2 is missing"):
        read_params("seed")
