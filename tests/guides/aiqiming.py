"""A vLLM tutorial: a function that names a baby. The model is told to call it; `aiqiming.py auto` leaves it the choice."""

import json
import os
import sys

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("BASE_URL", "http://localhost:8000/v1"),
    api_key="EMPTY",
)
model = os.environ.get("MODEL", "/dataset/Qwen1.5-0.5B-Chat/")

tools = [
    {
        "type": "function",
        "function": {
            "name": "aiQiming",
            "description": "取名字",
            "parameters": {
                "type": "object",
                "properties": {
                    "sex": {"type": "string", "description": "性别，男或者女，或者不限性别"},
                    "surname": {"type": "string", "description": "姓氏，比如张，李"},
                },
                "required": ["sex", "surname"],
            },
        },
    }
]
told = {} if "auto" in sys.argv else {"tool_choice": {"type": "function", "function": {"name": "aiQiming"}}}


def ai_qiming(sex, surname):
    """The tutorial asks a web service here."""
    names = {"男": ["子轩", "浩然"], "女": ["诗涵", "欣怡"]}.get(sex, ["安宁"])
    return json.dumps({"names": [surname + name for name in names]}, ensure_ascii=False)


messages = [
    {"role": "system", "content": "你是一个取名字的机器人，帮助用户给宝宝取名字。"},
    {"role": "user", "content": "宝宝的性别是男，姓周，帮我取宝宝的名字。"},
]
chat_response = client.chat.completions.create(model=model, messages=messages, tools=tools, **told)
assistant_message = chat_response.choices[0].message
messages.append(assistant_message)

arguments = json.loads(assistant_message.tool_calls[0].function.arguments)
print(arguments["sex"], arguments["surname"])

messages.append({"role": "user", "content": ai_qiming(arguments["sex"], arguments["surname"])})
chat_response = client.chat.completions.create(model=model, messages=messages)
print(chat_response.choices[0].message.content)
