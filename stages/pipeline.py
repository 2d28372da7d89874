"""Draw the graph of the stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from stages.errors import PipelineError

if TYPE_CHECKING:
    import networkx as nx

WIDTH, HEIGHT = 118, 38  # pixels of a stage's box
ACROSS, DOWN = 34, 8  # pixels between boxes
SWEEPS = 8  # of the layout, to untangle the lines


class Drawing(NamedTuple):
    """BOXES, name → left upper corner; LINES between them as paths of SVG; pixels in all."""

    boxes: dict[str, tuple[float, float]]
    lines: list[str]
    width: float
    height: float


@click.command()
def pipeline() -> None:
    """Draw the stages of dvc.yaml, and what leads from one to the next, as SVG (docs/pipeline.svg).

    It is DVC's graph that is drawn; no data are needed. The stages that there are for each encoder
    are one box, and a line that follows from others is left out.

    \b
    python -m stages.pipeline > docs/pipeline.svg
    """  # noqa: D301
    from stages.pictures.charts import palette
    from stages.pictures.templates import template

    graph = ask_dvc()
    trained = [name for name in graph if name.startswith("train_")]
    svg = template("pipeline.svg.j2").render(
        **drawn(graph)._asdict(),
        box=(WIDTH, HEIGHT),
        colours=palette(name.removeprefix("train_") for name in trained),
    )
    click.echo(svg)


def ask_dvc() -> nx.DiGraph[str]:
    """The stages of the repository in the working directory, in the order of dvc.yaml.

    A line leads from a stage to one that reads what it writes, unless others lead there, too (the
    transitive reduction, Aho, Garey & Ullman 1972).

    Raises:
        PipelineError: DVC cannot read its files, or there is no repository.
    """
    import networkx as nx
    from dvc.exceptions import DvcException  # type: ignore[import-untyped]
    from dvc.repo import Repo  # type: ignore[import-untyped]

    def family(stage: Any) -> str:
        name: str = stage.addressing
        return name.partition("@")[0]

    try:
        with Repo() as repo:
            index = repo.index
            graph: nx.DiGraph[str] = nx.DiGraph()
            graph.add_nodes_from(family(stage) for stage in index.stages)
            # DVC's lines lead from a stage to those before it.
            graph.add_edges_from((family(first), family(then)) for then, first in index.graph.edges)
    except DvcException as fault:
        reason = " ".join(str(fault).split())
        raise PipelineError(
            f"DVC cannot read the pipeline ({reason}); mend dvc.yaml, or run it in a git clone."
        ) from fault
    return nx.transitive_reduction(graph)


def drawn(graph: nx.DiGraph[str]) -> Drawing:
    """GRAPH from left to right, in layers with few crossings (Sugiyama et al. 1981)."""
    from grandalf.graphs import Edge, Graph, Vertex
    from grandalf.layouts import SugiyamaLayout, VertexViewer
    from grandalf.routing import EdgeViewer

    places = {name: Vertex(name) for name in sorted(graph)}
    for place in places.values():
        # The layout goes downwards; the drawing to the right.
        place.view = VertexViewer(w=HEIGHT, h=WIDTH)
    ways = [Edge(places[before], places[after]) for before, after in sorted(graph.edges)]
    for way in ways:
        way.view = EdgeViewer()
    boxes: dict[str, tuple[float, float]] = {}
    lines, width, height = [], 0.0, 0.0
    for part in Graph(list(places.values()), ways).C:
        layout = SugiyamaLayout(part)
        layout.xspace, layout.yspace = DOWN, ACROSS
        layout.init_all()
        layout.draw(SWEEPS)
        middles = {place.data: place.view.xy for place in part.sV}
        top = min(y for y, _ in middles.values()) - HEIGHT / 2 - height
        left = min(x for _, x in middles.values()) - WIDTH / 2
        for name, (y, x) in sorted(middles.items()):
            boxes[name] = x - WIDTH / 2 - left, y - HEIGHT / 2 - top
        for way in sorted(part.sE, key=lambda way: (way.v[0].data, way.v[1].data)):
            lines.append(path([(x - left, y - top) for y, x in way.view._pts]))
        width = max(x for x, _ in boxes.values()) + WIDTH
        height = max(y for _, y in boxes.values()) + HEIGHT + DOWN
    return Drawing(boxes, lines, width, height - DOWN)


def path(points: list[tuple[float, float]]) -> str:
    """A line through POINTS, the middles of boxes or of the room between them, level at each."""
    (x, y), *others = points
    told = f"M{x:.0f},{y:.0f}"
    for across, down in others:
        middle = (x + across) / 2
        told += f" C{middle:.0f},{y:.0f} {middle:.0f},{down:.0f} {across:.0f},{down:.0f}"
        x, y = across, down
    return told


if __name__ == "__main__":
    pipeline()
