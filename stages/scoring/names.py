"""What the scores of each encoder are called.

FID, KID and IS are names of scores by the Inception network of 2015-12-05 and of nothing else.
"""

from __future__ import annotations

# fd: Fréchet distance, kd: kernel distance, cs: classifier score, where there are classes.
NAMES = {
    "effnet_lite0": {"fd": "fd_effnet_lite0", "kd": "kd_effnet_lite0", "cs": "cs_effnet_lite0"},
    "inception": {"fd": "fid", "kd": "kid", "cs": "is"},
    "dinov2": {"fd": "fd_dinov2", "kd": "kd_dinov2"},
}
