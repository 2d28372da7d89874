"""The sections of params.yaml: one class per section, whose fields state types and ranges.

A new family of GANs adds a class to `FAMILIES`; a new network of a known family adds none.
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic_core import PydanticCustomError

Fraction = Annotated[float, Field(ge=0, le=1)]
HalfOpenFraction = Annotated[float, Field(ge=0, lt=1)]
EncoderName = Literal["effnet_lite0", "alexnet", "inception", "dinov2"]
ENCODERS: tuple[str, ...] = get_args(EncoderName)
Normalization = Literal["batch", "instance", "layer", "none"]
Head = Literal["convolution", "dense"]
# Layers of SqueezeNet, from the finest to the coarsest maps.
Tap = Literal["conv1", "fire2", "fire3", "fire4", "fire5", "fire6", "fire7", "fire8", "fire9"]


def _distinct(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("twice", "must name each one once")
    return values


class Section(BaseModel):
    """A part of params.yaml: frozen, strictly typed, without unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class NpmPackage(Section):
    """An npm package, pinned by version and by the sha512 of its archive."""

    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    integrity: str = Field(pattern=r"^sha512-[A-Za-z0-9+/]{86}==$")
    bytes: PositiveInt


class GitFolder(Section):
    """A folder of pictures in a git repository at a pinned commit."""

    repository: str = Field(min_length=1)
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")
    path: str


class KaggleDataset(Section):
    """A Kaggle dataset at a pinned version."""

    dataset: str = Field(pattern=r"^[\w-]+/[\w-]+$")
    version: PositiveInt


class Download(Section):
    """Source of the pictures."""

    source: Literal["npm", "folder", "git", "kaggle"]
    npm: dict[str, NpmPackage]
    folder: Annotated[str, Field(min_length=1)] | None
    git: GitFolder
    kaggle: KaggleDataset


class Prepare(Section):
    """Conversion of a picture to a square."""

    resolution: Literal[32, 64, 128, 256, 512]
    margin: Annotated[float, Field(ge=0, lt=0.4)]
    unreadable: Fraction


class PictureSet(Section):
    """Size of a data set; None takes every distinct picture."""

    count: Annotated[int, Field(ge=2)] | None


class Augment(Section):
    """Copies that enlarge a data set; factors of the color jitter are sampled from 1 ± value."""

    copies: Annotated[list[Literal["mirrored", "jittered"]], AfterValidator(_distinct)]
    brightness: Fraction
    contrast: Fraction
    saturation: Fraction
    keep_white: bool


class Label(Section):
    """Source of the types of Pokémon; without a package no picture has a type."""

    npm: dict[str, NpmPackage] | None


class Augmentation(Section):
    """Strengths of DiffAugment; 0 turns an operation off."""

    probability: Fraction
    translation: HalfOpenFraction
    cutout: Fraction
    brightness: NonNegativeFloat
    saturation: Fraction
    contrast: Fraction


class GanParams(Section):
    """A GAN with one generator and one discriminator; the keys that every family has."""

    epochs: PositiveFloat
    batch_size: Annotated[int, Field(ge=2)]
    optimizer: Literal["adam", "rmsprop"]
    lr: PositiveFloat | None
    lr_generator: PositiveFloat | None
    lr_discriminator: PositiveFloat | None
    betas: Annotated[list[HalfOpenFraction], Field(min_length=2, max_length=2)]
    weight_decay: NonNegativeFloat
    ema_half_life: NonNegativeFloat
    latent_dim: PositiveInt
    width: PositiveInt
    loss: str
    lecam: NonNegativeFloat
    r1: NonNegativeFloat
    r1_interval: PositiveInt
    mirror: bool
    augmentation: Augmentation
    snapshots: PositiveInt

    def learning_rates(self, shared: float) -> tuple[float, float]:
        """Return those of generator and discriminator; `shared` replaces a missing one."""
        own = shared if self.lr is None else self.lr
        return (
            own if self.lr_generator is None else self.lr_generator,
            own if self.lr_discriminator is None else self.lr_discriminator,
        )


class DcganParams(GanParams):
    """A deep convolutional GAN, or one of dense layers."""

    architecture: Literal["convolution", "mlp"]
    upsampling: Literal["transposed", "nearest", "bilinear"]
    head_generator: Head
    head_discriminator: Head
    normalization_generator: Normalization
    normalization_discriminator: Normalization
    dropout_generator: HalfOpenFraction
    dropout_discriminator: HalfOpenFraction
    spectral_norm: bool
    loss: Literal["bce", "hinge", "logistic", "relativistic"]
    real_label: Fraction
    fake_label: Fraction
    label_noise: NonNegativeFloat
    swapped_labels: Fraction

    @model_validator(mode="after")
    def _mlp_without_instance_norm(self) -> Self:
        if self.architecture == "mlp":
            for key, value in self:
                if key.startswith("normalization") and value == "instance":
                    raise ValueError(
                        f"{key} is 'instance', but the dense layers of architecture mlp have no "
                        "feature maps to normalize; choose batch, layer or none"
                    )
        return self


class AeganParams(DcganParams):
    """An autoencoding GAN."""

    loss: Literal["bce", "hinge", "logistic"]
    normalization_encoder: Normalization
    picture_reconstruction: NonNegativeFloat
    latent_reconstruction: NonNegativeFloat
    picture_adversarial: NonNegativeFloat
    latent_adversarial: NonNegativeFloat


class ProjectedParams(GanParams):
    """A GAN whose discriminator works on the features of a frozen network."""

    loss: Literal["hinge", "logistic", "relativistic"]
    feature_network: Literal["squeezenet"]
    feature_resolution: Annotated[int, Field(ge=32)]
    feature_channels: PositiveInt
    taps: Annotated[list[Tap], Field(min_length=1), AfterValidator(_distinct)]
    width_discriminator: PositiveInt
    normalization_discriminator: Literal["batch", "none"]
    spectral_norm_generator: bool
    spectral_norm_discriminator: bool


# Module in pokegan/gans → class of its networks' sections.
FAMILIES: dict[str, type[GanParams]] = {
    "projected": ProjectedParams,
    "dcgan": DcganParams,
    "aegan": AeganParams,
}


class Evaluate(Section):
    """Scoring protocol."""

    encoders: Annotated[list[EncoderName], Field(min_length=1), AfterValidator(_distinct)]
    # Density and coverage need the fifth neighbour.
    pictures: Annotated[int, Field(ge=6)]
    draws: Annotated[int, Field(ge=2)]
    curve_points: PositiveInt
    splits: PositiveInt

    @model_validator(mode="after")
    def _check_splits(self) -> Self:
        if self.splits > self.pictures:
            raise ValueError(f"splits is {self.splits}, but it must be at most evaluate.pictures")
        return self


class SharedParams(Section):
    """params.yaml without the sections of the networks, which dvc.yaml names."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    lr: PositiveFloat
    precision: Literal["auto", "fp32", "bf16"]
    download: Download
    prepare: Prepare
    pokemon819: PictureSet
    pokemon14000: PictureSet
    augment: Augment
    label: Label
    evaluate: Evaluate
