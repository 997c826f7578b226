"""How a shell shows what needs this floor to be drawn: captures, rehearsals that failed, runs, comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from ..backend.run.compare import Comparison
from ..backend.run.handle import Run
from ..capture.capture import Capture
from ..errors import RehearsalFailed
from .capturing.cards import CaptureCard
from .comparison_bundle import comparison_bundle
from .live.current_cell import has_view, is_first_of_cell
from .project_card import ProjectCard
from .rehearsal_card import RehearsalCard

if TYPE_CHECKING:
    from ..edge.project import Project


def show_results(shell: InteractiveShell) -> None:
    """Has a shell draw results of which only their text is known below."""
    formatter = shell.display_formatter
    if formatter is None:
        return
    html: Any = formatter.formatters["text/html"]
    html.for_type(Capture, lambda capture: CaptureCard(capture)._repr_html_())
    html.for_type(RehearsalFailed, lambda failed: RehearsalCard(failed.rehearsal)._repr_html_())
    own: Any = formatter.ipython_display_formatter
    # By name: only who has a project imports what reads one.
    own.for_type_by_name("reson_jupyter.edge.project.project", "Project", _show_project)
    # Under a view of the run, its card would say the same, and go stale.
    html.for_type(Run, lambda run: None if has_view(run.id) else run._repr_html_())
    bundles: Any = formatter.mimebundle_formatter
    bundles.for_type(Comparison, lambda comparison, **_: comparison_bundle(comparison))


def _show_project(project: Project) -> None:
    """Its card, once: the magic that loads it shows it, and it may be the cell's result as well."""
    if is_first_of_cell(project):
        display(ProjectCard(project))
