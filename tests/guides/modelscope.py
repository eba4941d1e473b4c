"""ModelScope-Agent's guides for Llama 3.1 and, with another model, for Qwen2: the call with the SDK."""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("BASE_URL", "http://localhost:31512/v1"),
    api_key="empty",
)

tools = [
    {
        "type": "function",
        "function": {
            "name": "amap_weather",
            "description": "amap weather tool",
            "parameters": [
                {
                    "name": "location",
                    "type": "string",
                    "description": "城市/区具体名称，如`北京市海淀区`请描述为`海淀区`",
                    "required": True,
                }
            ],
        },
    }
]

chat_completion = client.chat.completions.create(
    messages=[{"role": "user", "content": "海淀区天气是什么？"}],
    model=os.environ.get("MODEL", "meta-llama/Meta-Llama-3.1-8B-Instruct"),
    tools=tools,
    tool_choice="auto",
)
print(chat_completion)
