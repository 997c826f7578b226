"""What the live view costs, in a real browser with JupyterLab: 50 sites, 6 metrics.

How long an update takes from the kernel's view to the screen (by one clock: both are on this machine), at round 10 and at round
1,000, where the page also draws; what a letter weighs at both, and the full state at 1,000 rounds, beside the way in which every
point is an object and the end of a run brings the whole history once more.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.ui.lab import Notebook, running_browser, running_lab

SITES, METRICS, EARLY, LATE, UPDATES = 50, 6, 10, 1_000, 40
GOAL_S, GOAL_GROWTH = 0.5, 1.1
PACE_S, DRAWN_MS = 0.25, 2

SETUP = f"""
import json, time
from made_up_run import *
SITES = [f'hospital-{{n}}' for n in range({SITES})]
METRICS = ('loss', 'accuracy', 'val_loss', 'val_accuracy', 'lr', 'grad_norm')
BY_NAME = [*enumerate(SITES), (1.3, None)]
run = MadeUpRun(2_000, SITES, METRICS)
view = RunView(run.first(), on_command=print)
sent = []
deliver = view.send
view.send = lambda content, buffers=None: (sent.append(content), deliver(content, buffers))

def lines(first, until):
    rounds = [*range(first, until)]
    return [{{'name': name, 'site': site, 'rounds': rounds, 'values': [run.value(name, at, number) for number in rounds]}}
            for name in METRICS for at, site in BY_NAME]

def push(first, until):
    'What a whole round brings: every site and every metric.'
    rows = [run.row(s, until - 1, phase='returned', samples=480.0, metrics={{m: run.value(m, at, until - 1) for m in METRICS}})
            for at, s in enumerate(SITES)]
    message = run.message(run={{'round': until}}, sites=rows, lines=lines(first, until))
    started = time.time()
    view.push(message)
    return started

def size(message):
    return len(json.dumps(message))

def as_objects(message):
    'As letters were written before: a point is an object.'
    points = [{{'name': l['name'], 'site': l['site'], 'round': r, 'value': v}}
              for l in message['lines'] for r, v in zip(l['rounds'], l['values'])]
    return {{**{{k: v for k, v in message.items() if k != 'lines'}}, 'points': points}}
display(view)"""

# Notes, for every update, when its round's number was in the page, drawn and painted, and how long the page's drawing took.
WATCH = """async () => {
    window.seen = {};
    const rounds = document.querySelector('.reson-rounds');
    const note = () => {
        const round = rounds.textContent.match(/\\d+/)[0] - 1;
        // The frame after the next begins when this one is on the screen; with it is every update before.
        requestAnimationFrame(() => requestAnimationFrame(() => {
            for (let earlier = round; earlier > 0 && !window.seen[earlier]; earlier--) {
                window.seen[earlier] = Date.now() / 1000;
            }
        }));
    };
    new MutationObserver(note).observe(rounds, {childList: true, characterData: true, subtree: true});
    window.drawings = [];
    const frame = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = callback => frame(time => {
        const started = performance.now();
        callback(time);
        // The charts draw in a microtask of their own.
        queueMicrotask(() => window.drawings.push(performance.now() - started));
    });
}"""


def output(book: Notebook, index: int) -> Any:
    """What a cell printed, as JSON, once it has ended."""
    book.page.wait_for_function(
        """index => {
            const cell = window.jupyterapp.shell.currentWidget.content.widgets[index];
            return /\\[\\d+\\]/.test(cell.inputArea.promptNode.textContent) && cell.outputArea.model.length;
        }""",
        arg=index,
        timeout=120_000,
    )
    text = "index => window.jupyterapp.shell.currentWidget.content.widgets[index].outputArea.model.get(0).toJSON().text"
    return json.loads("".join(book.page.evaluate(text, index)))


def updates(book: Notebook, index: int, first: int) -> tuple[list[float], list[float]]:
    """Returns seconds from push to screen of the updates that a cell pushes, and the milliseconds that drawings of them took."""
    book.page.evaluate("() => { window.seen = {}; window.drawings = []; }")
    book.start(index)
    pushed = output(book, index)
    last = first + UPDATES
    book.page.wait_for_function("round => window.seen[round]", arg=last, timeout=60_000)
    seen, drawings = book.page.evaluate("[window.seen, window.drawings]")
    late = [seen[str(first + number + 1)] - started for number, started in enumerate(pushed)]
    # Not the frames of the watch itself, which draw nothing.
    return late, [time for time in drawings if time > DRAWN_MS]


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def told(name: str, seconds: list[float], drawings: list[float]) -> None:
    where = f"{statistics.median(seconds):.3f} s, p95 {p95(seconds):.3f} s"
    print(f"  {name:12} push to screen: p50 {where} (goal: p95 <= {GOAL_S} s); drawing: p50 {statistics.median(drawings):.0f} ms")


def measure(book: Notebook) -> None:
    """Prints all of it."""
    book.start(0)
    book.view.wait_for(timeout=60_000)
    book.start(1)
    output(book, 1)
    book.page.evaluate(WATCH)
    early = updates(book, 2, EARLY)
    book.start(3)
    output(book, 3)
    late = updates(book, 4, LATE)
    print(f"an update of {SITES} sites and {METRICS} metrics, {UPDATES} times:")
    told(f"round {EARLY}", *early)
    told(f"round {LATE:,}", *late)
    ratio = statistics.median(late[0]) / statistics.median(early[0])
    print(f"  round {LATE:,} / round {EARLY}: {ratio:.2f}x the time to the screen")
    book.start(5)
    sizes = output(book, 5)
    print("bytes:")
    (first, newest), letter, objects, end = sizes["deltas"], sizes["letter"], sizes["objects"], sizes["end"]
    growth = f"{newest / first:.2f}x (goal: <= {GOAL_GROWTH}x)"
    print(f"  an update    {first:,} at round {EARLY}, {newest:,} at round {LATE:,}: {growth}")
    print(f"  full state   {letter:,} at {LATE:,} rounds; every point as an object: {objects:,}, {objects / letter:.0f}x")
    print(f"  run's end    {end:,}; the whole history once more: {objects:,}, {objects / end:,.0f}x")
    if p95(late[0]) > GOAL_S or newest > GOAL_GROWTH * first:
        raise SystemExit("a goal is missed")


def paced(first: int) -> str:
    """A cell that pushes updates one after another, as a run does, and prints when."""
    return f"""times = []
for number in range({first}, {first + UPDATES}):
    times.append(push(number, number + 1))
    time.sleep({PACE_S})
print(json.dumps(times))"""


SIZES = f"""deltas = [size(letter) for letter in sent if letter['kind'] == 'letter']
letter, whole = size(view.letter()), size(as_objects(view._letters.whole()))
sent.clear()
view.push(run.last())
sizes = {{'letter': letter, 'objects': whole, 'end': size(sent[-1])}}
print(json.dumps({{'deltas': [deltas[-2 * {UPDATES}], deltas[-1]], **sizes}}))"""


def cells() -> list[str]:
    """The notebook's: the first rounds, updates, the history up to late rounds, updates, and what the letters weigh."""
    until = "push({}, {})\ntime.sleep(2)\nprint('0')"
    return [
        SETUP,
        until.format(0, EARLY),
        paced(EARLY),
        until.format(EARLY + UPDATES, LATE),
        paced(LATE),
        SIZES,
    ]


def main() -> None:
    """Measures in a JupyterLab of its own."""
    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder)) as lab, running_browser() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(60_000)
        measure(lab.open(page, lab.notebook("live", *cells())))


if __name__ == "__main__":
    main()
