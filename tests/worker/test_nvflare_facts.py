"""What NVFlare 2.9 does and we work around. A failure here means that NVFlare has changed: the workaround may be left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from nvflare.apis.impl.wf_comm_server import WFCommServer
from nvflare.app_common.workflows.scatter_and_gather import ScatterAndGather

from .job_folder import JobParts, run
from .sources import SEEDED_MODEL


def test_task_check_period_of_scatter_and_gather_has_no_effect() -> None:
    """The controller sets an attribute that the communicator's loop, which sleeps on `_task_check_period`, does not read.

    So no job of ours sets it: what makes local rounds short is server.task_request_interval.
    """
    controller, communicator = ScatterAndGather(task_check_period=0.01), WFCommServer()
    controller.set_communicator(communicator)
    assert communicator.task_check_period == 0.01
    assert communicator._task_check_period == 0.2


OVERTAKING = """
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.executor import Executor
from nvflare.apis.shareable import Shareable

class Own(Executor):
    def __init__(self, **kwargs):
        super().__init__()

    def execute(self, task_name, shareable, fl_ctx, abort_signal):
        messenger = fl_ctx.get_engine().get_component("messenger")
        logger = messenger.make_logger(0, abort_signal)
        for number, delay in enumerate((0.5, 0.0)):
            request = Shareable({"number": number, "delay": delay})
            fl_ctx.get_engine().send_aux_request(None, "order", request, 0.0, fl_ctx)  # waits for no reply
            logger.log_metric("number", number)
            messenger.flush()
        import time; time.sleep(1)
        return DXO(DataKind.WEIGHTS, from_shareable(shareable).data, {MetaKey.NUM_STEPS_CURRENT_ROUND: 1}).to_shareable()
"""

LISTENING = """
import os, time
from nvflare.apis.event_type import EventType
from nvflare.apis.shareable import make_reply, ReturnCode
from nvflare.app_opt.pt.file_model_persistor import PTFileModelPersistor

class Listening(PTFileModelPersistor):
    def handle_event(self, event_type, fl_ctx):
        super().handle_event(event_type, fl_ctx)
        if event_type == EventType.START_RUN:
            fl_ctx.get_engine().register_aux_message_handler(topic="order", message_handle_func=self.take)

    def take(self, topic, request, fl_ctx):
        time.sleep(request["delay"])
        with open(os.path.join(os.environ["RESONTECH_OUT_DIR"], request.get_peer_props()["__identity_name__"]), "a") as file:
            file.write(str(request["number"]))
        return make_reply(ReturnCode.OK)
"""


@pytest.mark.nvflare
def test_a_message_overtakes_another_of_its_site_and_our_reports_do_not(tmp_path: Path) -> None:
    """NVFlare handles every message on a thread of its own; metrics sent as federated events arrive in any order.

    The messenger sends a batch only when the one before is acknowledged, and the reporter counts them.
    """
    parts = JobParts(
        SEEDED_MODEL, "", executor=OVERTAKING, executor_class="Own", persistor=LISTENING, persistor_class="Listening"
    )
    parts.num_rounds = 1
    finished = run(tmp_path, parts)
    for site in ("site-1", "site-2"):
        assert (finished.out / site).read_text() == "10"
        metrics = [event for event in finished.of("metrics") if event["site"] == site]
        assert [event["data"]["values"]["number"] for event in metrics] == [0, 1]


@pytest.mark.nvflare
def test_what_went_wrong_can_be_read_when_the_run_is_over(tmp_path: Path) -> None:
    """NVFlare's show_errors answers only while a job runs, and not what an executor raised; it needs a real federation's console.

    So errors are events of the run's log, which stays.
    """
    raising = SEEDED_MODEL + "\ndef fl_train(model, env, out_dir, logger=None):\n    raise ValueError('too few images')\n"
    finished = run(tmp_path, JobParts(raising, "fl_train"))
    assert {event["data"]["message"] for event in finished.of("error") if event["site"]} == {"ValueError: too few images"}
    assert all("in fl_train" in event["data"]["traceback"] for event in finished.of("error") if event["site"])
