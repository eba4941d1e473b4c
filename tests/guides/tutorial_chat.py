"""A vLLM tutorial: the list of models, and the chat call with the SDK."""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("BASE_URL", "http://localhost:8000/v1"),
    api_key="EMPTY",
)

models = client.models.list()
print([model.id for model in models.data])

chat_response = client.chat.completions.create(
    model=os.environ.get("MODEL", "/dataset/Qwen1.5-0.5B-Chat/"),
    messages=[
        {"role": "system", "content": "你是一个很有帮助的AI助手"},
        {"role": "user", "content": "2018年世界杯冠军是哪个国家?"},
        {"role": "assistant", "content": "法国。"},
        {"role": "user", "content": "决赛在哪里踢的？"},
    ],
    max_tokens=128,
)
print(chat_response.choices[0].message.content)
