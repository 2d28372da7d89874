"""params.yaml → typed, frozen, checked values. The only reader of that file.

Each section is a class whose fields say type and range. Stages name the sections that they
use, the same ones that dvc.yaml lists for them; others are not visible to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from stages.errors import PipelineError

FILE = Path("params.yaml")


def _whole_number_as_float(value: Any) -> Any:
    # YAML writes 1 where a person means 1.0; true is no number though Python thinks so.
    return float(value) if type(value) is int else value


Number = Annotated[float, BeforeValidator(_whole_number_as_float), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Beta = Annotated[Number, Field(ge=0, lt=1)]
EncoderName = Literal["effnet_lite0", "inception", "dinov2"]
ENCODERS: tuple[str, ...] = get_args(EncoderName)
AugmentationKind = Literal["color", "translation", "cutout"]


def _distinct(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("twice", "must name each one once")
    return values


class Section(BaseModel):
    """A part of params.yaml: frozen, strictly typed, without unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    def __getattr__(self, name: str) -> Any:
        if name in type(self).model_fields:
            raise AttributeError(
                f"the parameter {name!r} is not visible here: add it to read_params and to dvc.yaml"
            )
        return super().__getattr__(name)  # type: ignore[misc]


class NpmPackage(Section):
    """An npm package, pinned by version and by the sha512 of its archive."""

    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    integrity: str = Field(pattern=r"^sha512-[A-Za-z0-9+/]{86}==$")
    bytes: Count


class GitFolder(Section):
    """A folder of pictures in a git repository at a pinned commit."""

    repository: str = Field(min_length=1)
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    path: str


class KaggleDataset(Section):
    """A Kaggle data set at a pinned version."""

    dataset: str = Field(pattern=r"^[\w-]+/[\w-]+$")
    version: Count


class Download(Section):
    """Where the pictures come from."""

    source: Literal["npm", "folder", "git", "kaggle"]
    npm: dict[str, NpmPackage]
    folder: Annotated[str, Field(min_length=1)] | None
    git: GitFolder
    kaggle: KaggleDataset


class Prepare(Section):
    """How a picture becomes a square."""

    resolution: Literal[32, 64, 128, 256, 512]
    margin: Annotated[Number, Field(ge=0, lt=0.4)]
    unreadable: Share


class PictureSet(Section):
    """A data set's size; None takes every distinct picture."""

    count: Annotated[int, Field(ge=2)] | None


class Augment(Section):
    """Jitter of the enlargement: factors are drawn from 1 ± value."""

    brightness: Share
    contrast: Share
    saturation: Share
    keep_white: bool


class Label(Section):
    """Where the types of Pokémon come from; without a package no picture has one."""

    npm: dict[str, NpmPackage] | None


Normalization = Literal["batch", "instance", "layer", "none"]
Head = Literal["convolution", "dense"]
Dropout = Annotated[Number, Field(ge=0, lt=1)]


class Network(Section):
    """A GAN of one generator and one discriminator, and what every network has."""

    epochs: Positive
    batch_size: Annotated[int, Field(ge=2)]
    optimizer: Literal["adam", "rmsprop"]
    lr: Positive | None
    lr_generator: Positive | None
    lr_discriminator: Positive | None
    betas: Annotated[list[Beta], Field(min_length=2, max_length=2)]
    weight_decay: Annotated[Number, Field(ge=0)]
    ema: Beta
    architecture: Literal["convolution", "mlp"]
    latent_dim: Count
    width: Count
    upsampling: Literal["transposed", "nearest", "bilinear"]
    head_generator: Head
    head_discriminator: Head
    normalization_generator: Normalization
    normalization_discriminator: Normalization
    dropout_generator: Dropout
    dropout_discriminator: Dropout
    spectral_norm: bool
    augmentation: Annotated[list[AugmentationKind], AfterValidator(_distinct)]
    real_label: Share
    fake_label: Share
    label_noise: Annotated[Number, Field(ge=0)]
    swapped_labels: Share
    snapshots: Count

    @model_validator(mode="after")
    def _dense_layers_have_no_maps(self) -> Self:
        if self.architecture == "mlp":
            for key, value in self:
                if key.startswith("normalization") and value == "instance":
                    raise ValueError(
                        f"{key} is 'instance', but the dense layers of architecture mlp have no "
                        "maps to take it over; choose batch, layer or none"
                    )
        return self

    def learning_rates(self, shared: float) -> tuple[float, float]:
        """Of the generator and of the discriminator: the nearest one that is not null.

        SHARED is the top-level lr.
        """
        own = shared if self.lr is None else self.lr
        return (
            own if self.lr_generator is None else self.lr_generator,
            own if self.lr_discriminator is None else self.lr_discriminator,
        )


class Aegan(Network):
    """An autoencoding GAN."""

    normalization_encoder: Normalization
    picture_reconstruction: Annotated[Number, Field(ge=0)]
    latent_reconstruction: Annotated[Number, Field(ge=0)]
    picture_adversarial: Annotated[Number, Field(ge=0)]
    latent_adversarial: Annotated[Number, Field(ge=0)]


class Evaluate(Section):
    """The protocol of scoring."""

    encoders: Annotated[list[EncoderName], Field(min_length=1), AfterValidator(_distinct)]
    # Precision and recall look at the third neighbour.
    pictures: Annotated[int, Field(ge=4)]
    draws: Annotated[int, Field(ge=2)]
    splits: Count
    legacy_128: bool


class Params(Section):
    """The whole file."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    lr: Positive
    precision: Literal["auto", "fp32", "bf16"]
    download: Download
    prepare: Prepare
    pokemon819: PictureSet
    pokemon14000: PictureSet
    augment: Augment
    label: Label
    dcgan819: Network
    dcgan14000: Network
    aegan: Aegan
    evaluate: Evaluate

    def resolved(self) -> dict[str, Any]:
        """The visible values as a flat mapping, ``section.key`` → value."""
        return dict(flat(self.model_dump()))


# Each is a section of its own, and a chain of stages.
NETWORKS = tuple(
    name
    for name, field in Params.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Network)
)


def flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested VALUES as pairs of ``section.key`` and value."""
    pairs: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            pairs += flat(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", value))
    return pairs


def read_params(*names: str, file: Path = FILE) -> Params:
    """Read and check the whole of params.yaml; only NAMES are visible.

    A name is a section's or, with a dot, that of one key of a section.

    Raises:
        PipelineError: the file is missing or no YAML, or one value is not what it must be.
    """
    try:
        # YAML 1.2: `dvc exp run -S lr=0.00001` writes 1e-05, which YAML 1.1 reads as a word.
        values = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as fault:
        raise PipelineError(
            f"{file} is not in {Path.cwd()}; run the stage from the root of the repository."
        ) from fault
    except MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else "?"
        raise PipelineError(f"{file}, line {line}: {fault.problem}; mend the YAML.") from fault
    except (YAMLError, UnicodeDecodeError) as fault:
        raise PipelineError(f"{file} is no readable YAML ({fault}); mend or restore it.") from fault
    if not isinstance(values, dict):
        raise PipelineError(f"{file} holds no parameters; restore it with git checkout {file}.")
    for key, value in flat(values):
        if isinstance(value, str) and "${" in value:
            raise PipelineError(
                f"{file}: {key} is {value!r}, but `dvc exp run -S` would freeze it to a literal; "
                "write the value itself (null takes the shared one)."
            )
    try:
        params = Params.model_validate(values)
    except ValidationError as fault:
        raise PipelineError(f"{file}: {_sentence(fault)}") from fault
    visible: dict[str, Any] = {}
    for name in names:
        section, _, key = name.partition(".")
        value = getattr(params, section)
        if key:
            before = dict(visible.get(section, ()))
            value = type(value).model_construct(**before, **{key: getattr(value, key)})
        visible[section] = value
    return Params.model_construct(**visible)


def _sentence(fault: ValidationError) -> str:
    errors = fault.errors(include_url=False)
    error = errors[0]
    key = ".".join(str(part) for part in error["loc"])
    more = f" ({len(errors) - 1} more to mend)" if len(errors) > 1 else ""
    match error["type"]:
        case "extra_forbidden":
            return f"{key} is not a known key; remove it or correct its spelling{more}."
        case "missing":
            return f"{key} is missing; add it (git diff shows what was removed){more}."
        case "value_error":
            return f"{key}.{error['msg'].removeprefix('Value error, ')}{more}."
        case _:
            demand = error["msg"].removeprefix("Input ").replace("should", "must")
            return f"{key} is {error['input']!r}, but it {demand}{more}."
