"""A whole training step as one CUDA graph: recorded once, then launched as a single piece."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pokegan.core.errors import PipelineError

# Steps that run plainly first: libraries choose their kernels and optimizers make their state.
WARM_UP = 3


class GraphedStep:
    """STEP, from tensors on a GPU to a tensor there, recorded after some plain calls.

    Every call is a true step: recording computes nothing, the replay after it does.
    """

    def __init__(self, step: Callable[[dict[str, Tensor]], Tensor]) -> None:
        self._step = step
        self._calls = 0
        # One stream for rehearsals and recording: memory and handles are kept a stream.
        self._stream = torch.cuda.Stream()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: dict[str, Tensor] = {}
        self._output = torch.empty(0)

    def __call__(self, inputs: dict[str, Tensor]) -> Tensor:
        """STEP of INPUTS, whose shapes are the same in every call.

        Raises:
            PipelineError: STEP cannot be recorded. What CUDA leaves behind then cannot be computed
                with, so there is no going on plainly in the same process.
        """
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._rehearse(inputs)
        if self._graph is None:
            self._graph = self._record(inputs)
        for name, value in inputs.items():
            self._inputs[name].copy_(value, non_blocking=True)
        self._graph.replay()
        # The next replay writes over it.
        return self._output.clone()

    def _rehearse(self, inputs: dict[str, Tensor]) -> Tensor:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            output = self._step(inputs)
        torch.cuda.current_stream().wait_stream(self._stream)
        return output

    def _record(self, inputs: dict[str, Tensor]) -> torch.cuda.CUDAGraph:
        self._inputs = {name: value.clone() for name, value in inputs.items()}
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._output = self._step(self._inputs)
        except RuntimeError as fault:
            raise PipelineError(
                f"The training step cannot be recorded as a CUDA graph ({fault}); "
                "run again with the environment variable POKEGAN_CUDA_GRAPHS=0."
            ) from fault
        return graph
