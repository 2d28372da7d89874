"""A whole training step as one CUDA graph: recorded once, then launched as a single piece."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

# Steps that run plainly first: libraries choose their kernels and optimizers make their state.
WARM_UP = 3


class Replayed:
    """STEP, from tensors on a GPU to a tensor there, recorded after some plain calls.

    Every call is a true step: recording computes nothing, the replay after it does. Where STEP
    cannot be recorded it goes on plainly, with a warning.
    """

    def __init__(self, step: Callable[[dict[str, Tensor]], Tensor]) -> None:
        self._step = step
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: dict[str, Tensor] = {}
        self._output = torch.empty(0)

    def __call__(self, inputs: dict[str, Tensor]) -> Tensor:
        """STEP of INPUTS, whose shapes are the same in every call."""
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._apart(inputs)
        if self._calls == WARM_UP + 1:
            self._record(inputs)
        if self._graph is None:
            return self._step(inputs)
        for name, value in inputs.items():
            self._inputs[name].copy_(value, non_blocking=True)
        self._graph.replay()
        # The next replay writes over it.
        return self._output.clone()

    def _apart(self, inputs: dict[str, Tensor]) -> Tensor:
        """Off the main stream, as a recording must have been rehearsed."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            output = self._step(inputs)
        torch.cuda.current_stream().wait_stream(stream)
        return output

    def _record(self, inputs: dict[str, Tensor]) -> None:
        self._inputs = {name: value.clone() for name, value in inputs.items()}
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._output = self._step(self._inputs)
            self._graph = graph
        except RuntimeError as fault:
            warnings.warn(
                f"The step cannot be recorded as a CUDA graph and runs plainly ({fault}).",
                stacklevel=2,
            )
