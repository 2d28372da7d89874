"""What the scores of each encoder are called.

FID, KID and IS are names of scores by the Inception network of 2015-12-05 and of nothing else.
"""

from __future__ import annotations

_OWN = {"inception": {"fd": "fid", "kd": "kid", "cs": "is"}}


def metric_name(score: str, encoder: str) -> str:
    """What SCORE by ENCODER is called where no encoder stands beside it.

    SCORE is fd (Fréchet distance), kd (kernel distance), cs (classifier score), precision, recall
    or near_duplicates.
    """
    return _OWN.get(encoder, {}).get(score, f"{score}_{encoder}")
