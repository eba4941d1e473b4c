"""Ray Serve's own server for a checkpoint: `python ray_serve.py CHECKPOINT ADAPTER PORT`, until it is ended.

Two replicas, each with a vLLM of its own, on the Ray that RAY_ADDRESS names; docs/scale-out.md shows the same for cards.
"""

import signal
import sys

from ray import serve
from ray.serve.llm import LLMConfig, LLMServingArgs, build_openai_app

from chat_adapters.adapters import get, read_template

__all__: list[str] = []

checkpoint, adapter, port = sys.argv[1:]
config = LLMConfig(
    model_loading_config={"model_id": "tiny", "model_source": checkpoint},
    accelerator_config={"kind": "cpu"},
    deployment_config={"num_replicas": 2},
    engine_kwargs={
        "enable_auto_tool_choice": True,
        "tool_call_parser": adapter,
        "chat_template": read_template(get(adapter)),
        "tokenizer_mode": "chat_adapters",
        "load_format": "dummy",
        "dtype": "float32",
        "enforce_eager": True,
        "max_model_len": 4096,
        "max_num_batched_tokens": 32768,
        "logits_processors": ["replay:Replay"],
    },
)
serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
serve.run(build_openai_app(LLMServingArgs(llm_configs=[config])))
print("every replica answers", flush=True)  # `deployments.py` waits for that
signal.pause()
