"""A course on LMDeploy: the chat call."""

import os

from openai import OpenAI

client = OpenAI(
    api_key="YOUR_API_KEY",
    base_url=os.environ.get("BASE_URL", "http://0.0.0.0:23333/v1"),
)
model_name = client.models.list().data[0].id
response = client.chat.completions.create(
    model=model_name,
    messages=[
        {"role": "system", "content": "你是一个友好的小助手，负责解决问题."},
        {"role": "user", "content": "帮我讲述一个关于狐狸和西瓜的小故事"},
    ],
    temperature=0.8,
    top_p=0.8,
)
print(response.choices[0].message.content)
