"""Names of the metrics: FID, KID and IS are scores by the Inception network of 2015-12-05 only."""

_INCEPTION = {"fd": "fid", "fd_infinity": "fid_infinity", "kd": "kid", "cs": "is"}


def metric_name(score: str, encoder: str) -> str:
    """Return the name of a score by an encoder: ``fd`` becomes ``fid`` or ``fd_effnet_lite0``.

    Scores are fd (Fréchet distance), fd_infinity (the same, extrapolated), kd (kernel distance), cs
    (classifier score), precision, recall, density, coverage and near_duplicates.
    """
    own = _INCEPTION if encoder == "inception" else {}
    return own.get(score, f"{score}_{encoder}")
