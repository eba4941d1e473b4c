"""A vLLM tutorial: a batch of five prompts, without a server. MODEL is a folder."""

import os

from vllm import LLM, SamplingParams

prompts = [
    "你好，",
    "Hello, my name is",
    "The president of the United States is",
    "The capital of France is",
    "The future of AI is",
]

if __name__ == "__main__":
    sampling_params = SamplingParams(
        temperature=1, top_k=50, top_p=0.9, max_tokens=512, stop_token_ids=[92542]
    )
    llm = LLM(
        model=os.environ.get("MODEL", "/dataset/internlm2-chat-1_8b-sft/"),
        trust_remote_code=True,
        dtype="float16",
    )
    for output in llm.generate(prompts, sampling_params):
        print(f"Prompt: {output.prompt!r}, Generated text: {output.outputs[0].text!r}")
