"""The machine: where to compute, in which precision, and how to be exact about it."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import torch


def choose_device() -> torch.device:
    """The CUDA GPU of this process, else the CPU. CUDA_VISIBLE_DEVICES= hides the GPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def choose_precision(wanted: str, device: torch.device) -> str:
    """'bf16' or 'fp32' for WANTED 'auto', 'bf16' or 'fp32': bf16 where DEVICE computes in it."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    # Younger than the oldest torch that this runs on; an older one computes in fp32.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Compute convolutions and products in PRECISION; weights and losses stay fp32."""
    if precision == "fp32":
        return nullcontext()
    # Without its cache, weights that an optimizer has just moved are never used in an old copy.
    return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)


def set_deterministic(seed: int) -> None:
    """Seed torch's global generators and allow only operations that repeat bit by bit."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
    # As use_deterministic_algorithms(True), which loads torch's compiler besides: a second a stage.
    torch.set_deterministic_debug_mode("error")
    # Nothing here reads memory before it is written; filling it first costs time for nothing.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    # On GPUs cuDNN would else compute fp32 convolutions in TF32, with 10 bits of mantissa.
    torch.backends.cudnn.allow_tf32 = False
