"""Submits one faulty run in a process of its own: python -m tests.faults.elsewhere JSON.

The JSON has `fault`, `at_round`, `rounds`, `pace`, `shards`, `store` and `wait`. It prints the run's id, and waits for the run's
end if told to.
"""

from __future__ import annotations

import contextlib
import json
import sys

import reson_jupyter as reson
from tests.faults.faulty import Line, fl_train


def main(asked: dict) -> None:
    run = reson.submit(
        Line,
        train=fl_train,
        name="elsewhere",
        shards_dir=asked["shards"],
        training=reson.TrainingConfig(fault=asked["fault"], at_round=asked["at_round"], pace=asked.get("pace", 0.3)),
        federation=reson.FederationConfig(num_rounds=asked["rounds"]),
        store=asked["store"],
        check=False,
    )
    print(run.id, flush=True)
    if asked["wait"]:
        with contextlib.suppress(reson.RunFailed):
            run.wait(120)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
