"""Device, precision and determinism of PyTorch."""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def choose_device() -> torch.device:
    """Return the current CUDA device, or the CPU if there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def choose_precision(requested: str, device: torch.device) -> str:
    """Resolve "auto" to "bf16" if the device computes in it natively, else to "fp32"."""
    if requested != "auto":
        return requested
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    # Older versions of torch lack get_capabilities.
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    # Intel's processors compute in bf16 faster than in fp32 with AMX only.
    fast_avx = found.get("avx512_bf16") and not str(found.get("cpu_name")).startswith("Intel")
    return "bf16" if found.get("amx_bf16") or fast_avx else "fp32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Compute convolutions and matrix products in "bf16" or "fp32"; weights stay fp32."""
    if precision == "fp32":
        return nullcontext()
    # A cache would keep bf16 copies of weights that the optimizer has updated since.
    return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)


def set_deterministic(seed: int) -> None:
    """Seed torch's global generators and raise an error for nondeterministic operations."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
    # Adam's moments decay to denormal numbers, with which processors compute many times slower.
    torch.set_flush_denormal(True)
    # Like use_deterministic_algorithms(True), which also imports torch's compiler (one second).
    torch.set_deterministic_debug_mode("error")
    # Only needed by code that reads uninitialized memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    # By default, cuDNN computes fp32 convolutions in TF32, with 10 bits of mantissa.
    torch.backends.cudnn.allow_tf32 = False
