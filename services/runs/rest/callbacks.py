"""The end of a run, as it is told to its callback address."""

from collections.abc import Sequence

import orjson

from perdure.conversation.v1.message_pb2 import Message
from services.common.pieces import render_pieces
from services.runs.events.reconcile import answers_of
from services.runs.records import Run
from services.runs.rest.resources import print_run
from services.runs.rest.sending import shown_for


def render_callback(run: Run, stored: Sequence[Message]) -> bytes:
    """The JSON body: how the run ended, and in `metadata.result` what the agent answered."""
    shown = shown_for(run)
    printed = print_run(run).model_dump(mode="json", include={"status", "completed_at", "metadata"})
    printed["metadata"]["result"] = {
        "messages": [piece for each in answers_of(run, stored) for piece in render_pieces(each, shown)]
    }
    return orjson.dumps({"run_id": run.id, **printed})
