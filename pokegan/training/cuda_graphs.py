"""A training step as one CUDA graph: captured once, then launched as a whole."""

from collections.abc import Callable

import torch
from torch import Tensor

from pokegan.core.errors import PipelineError

# Before the capture, libraries select kernels and optimizers allocate their state.
WARM_UP_STEPS = 3


class GraphedStep:
    """Run a step function eagerly a few times, then capture it and replay the graph.

    Capturing computes nothing, so every call is exactly one step.
    """

    def __init__(self, step: Callable[[dict[str, Tensor]], Tensor]) -> None:
        self._step = step
        self._calls = 0
        # Warm-up and capture use one stream, because memory and handles belong to a stream.
        self._stream = torch.cuda.Stream()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: dict[str, Tensor] = {}
        self._output = torch.empty(0)

    def __call__(self, inputs: dict[str, Tensor]) -> Tensor:
        """Run one step on GPU tensors, which have the same shapes in every call.

        Raises:
            PipelineError: the step cannot be captured. CUDA is unusable in this process then.
        """
        self._calls += 1
        if self._calls <= WARM_UP_STEPS:
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                output = self._step(inputs)
            torch.cuda.current_stream().wait_stream(self._stream)
            return output
        if self._graph is None:
            self._graph = self._capture(inputs)
        for name, value in inputs.items():
            self._inputs[name].copy_(value, non_blocking=True)
        self._graph.replay()
        # The next replay overwrites the output.
        return self._output.clone()

    def _capture(self, inputs: dict[str, Tensor]) -> torch.cuda.CUDAGraph:
        self._inputs = {name: value.clone() for name, value in inputs.items()}
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._output = self._step(self._inputs)
        except RuntimeError as error:
            raise PipelineError(
                f"The training step cannot be captured as a CUDA graph ({error}); "
                "run again with the environment variable POKEGAN_CUDA_GRAPHS=0."
            ) from error
        return graph
