"""The cell magics that capture: each runs its cell as usual and then takes from its text what ships."""

from __future__ import annotations

import argparse
import sys

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand
from IPython.display import display

from ...backend.rehearsal import warm
from ...capture.across.inputs import Kernel
from ...capture.across.missing import USUAL
from ...capture.capture import Capture, capture_cell
from ...capture.objects import made_beside
from ...capture.roles.command import require_command_name
from ...capture.roles.contract import Role
from ...capture.stale import outdated
from ...capture.text.cell import Cell, parse
from ...errors import CaptureError
from ...review import review_model
from ...session import Refusal, current_session
from ...session_card import held
from ..commands.parser import HelpShown
from .cards import CaptureCard
from .cell_parser import cell_parser
from .kernel import future_annotations
from .plain import dedented, plain_cell
from .running import run_as_cell


@magics_class
class CaptureMagics(Magics):
    """%%reson_model, %%reson_train, %%reson_executor, %%reson_persistor, %%reson_startup, %%reson_command."""

    @no_var_expand
    @cell_magic
    def reson_model(self, line: str, cell: str) -> None:
        """Run the cell and capture the model it defines; `%%reson_model --help` tells more."""
        self._run("model", line, cell)

    @no_var_expand
    @cell_magic
    def reson_train(self, line: str, cell: str) -> None:
        """Run the cell and capture the train function it defines; `%%reson_train --help` tells more."""
        self._run("train", line, cell)

    @no_var_expand
    @cell_magic
    def reson_executor(self, line: str, cell: str) -> None:
        """Run the cell and capture the executor it defines; `%%reson_executor --help` tells more."""
        self._run("executor", line, cell)

    @no_var_expand
    @cell_magic
    def reson_persistor(self, line: str, cell: str) -> None:
        """Run the cell and capture the persistor it defines; `%%reson_persistor --help` tells more."""
        self._run("persistor", line, cell)

    @no_var_expand
    @cell_magic
    def reson_startup(self, line: str, cell: str) -> None:
        """Run the cell and capture the callbacks of Scaleout Edge it registers; `%%reson_startup --help` tells more."""
        self._run("startup", line, cell)

    @no_var_expand
    @cell_magic
    def reson_command(self, line: str, cell: str) -> None:
        """Run the cell and capture a function to call on the sites; `%%reson_command --help` tells more."""
        self._run("command", line, cell)

    def _run(self, role: Role, line: str, cell: str) -> None:
        try:
            arguments = cell_parser(role).parse_line(line)
        except HelpShown:
            return
        if role == "command":
            _require_name(arguments.command)
        shell = self.shell
        assert shell is not None
        number, first_line = _place(shell, cell)
        inherits_future = future_annotations(shell)
        session = current_session()
        try:
            run_as_cell(shell, _runnable(cell, first_line), number)
        except NameError as error:
            if error.name in USUAL:
                print(f"Reson: add: {USUAL[error.name]}", file=sys.stderr)
            raise
        try:
            text, magics = plain_cell(cell, f"In[{number}]", first_line, shell.input_transformer_manager)
            parsed = parse(text, f"In[{number}]", first_line, magics, inherits_future, number)
            capture = _capture(role, parsed, self._kernel(shell, number), arguments)
        except CaptureError as error:
            refused = _with_what_stays(f"{role} {arguments.command}".strip(), error)
            refusal = Refusal(f"{role} {arguments.command}".strip(), f"In[{number}]", refused.message, refused.hint or "")
            session.set_refusal(refusal)
            raise refused from None
        there = held(session)
        displaced = [there[key] for key in session.displaced_by(role)]
        session.set_capture(capture)
        display(CaptureCard(capture, review_model(capture, session) if role == "model" else None, displaced))
        warm()

    def _kernel(self, shell: InteractiveShell, number: int) -> Kernel:
        """The shell's kernel, with a cell that has just run; it has run well even if its capture is then refused."""
        kernel = current_session().kernel or Kernel(shell.user_ns)
        kernel.inputs.ran(number)
        return kernel


def _require_name(command: str) -> None:
    if not command:
        raise UsageError("%%reson_command needs the command's name, for example: %%reson_command clear_cache")
    require_command_name(command)


def _capture(role: Role, cell: Cell, kernel: Kernel, arguments: argparse.Namespace) -> Capture:
    session = current_session()
    lender = made_beside(role, session.captures)
    capture = capture_cell(
        role, cell, kernel, name=arguments.class_name, command=arguments.command, beside=lender, fix=arguments.fix
    )
    for other in session.captures.values() if role == "command" else ():
        # Both ship into one module, and the kernel has one function of that name.
        if other.role == "command" and other.name == capture.name and other.key != capture.key:
            raise CaptureError(
                f"{cell.label} has given {capture.name} another meaning, and the {other.title} of {other.cell} is {capture.name}",
                f"Give the function another name, or drop the other one: %reson forget {other.key}",
            )
    return capture


def _place(shell: InteractiveShell, cell: str) -> tuple[int, int]:
    """Returns the cell's number and the line on which the text below the magic begins, as the user sees them."""
    inputs = shell.history_manager.input_hist_raw if shell.history_manager else [""]
    # The shell records a cell without the blank lines at its end, and may count on before the cell has run.
    visible, body = inputs[-1].rstrip(), cell.rstrip()
    first_line = visible.removesuffix(body).count("\n") + 1 if visible.endswith(body) else 2
    return max(len(inputs) - 1, 1), first_line


def _runnable(cell: str, first_line: int) -> str:
    """The cell with empty comments in the place of the lines above it, so that tracebacks name the lines that the user sees."""
    lines = dedented(cell)
    if "".join(lines).lstrip().startswith("%%"):
        # Another cell magic must be the first line.
        return cell
    return "#\n" * (first_line - 1) + "".join(lines)


def _with_what_stays(key: str, error: CaptureError) -> CaptureError:
    """Adds what has become of the earlier capture: the cell has run, and may have given its names another meaning."""
    session = current_session()
    previous = session.capture(key)
    if previous is None:
        return error
    changed = outdated(session.captures, session.kernel).get(key) if session.kernel else None
    stays = f"The {previous.title} from {previous.cell} stays captured."
    if changed and changed.ships:
        stays = f"{stays[:-1]}, but {changed.what}."
    elif changed:
        stays = (
            f"The {previous.title} from {previous.cell} no longer holds, as the kernel has something else now: "
            f"mend this cell, or run {previous.cell} again."
        )
    return CaptureError(error.message, f"{error.hint}\n  {stays}" if error.hint else stays)
