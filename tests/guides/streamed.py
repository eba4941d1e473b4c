"""Runs a program of this folder with its answers streamed: `python streamed.py PROGRAM [ARGUMENTS]`.

The program sees what the openai client itself makes of the pieces.
"""

import runpy
import sys

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.resources.chat.completions import Completions

create = Completions.create


def create_from_stream(self, **request):
    state = ChatCompletionStreamState()
    for chunk in create(self, **{**request, "stream": True}):
        state.handle_chunk(chunk)
    return state.get_final_completion()


Completions.create = create_from_stream
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
