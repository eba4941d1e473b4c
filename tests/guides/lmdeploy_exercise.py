"""A course on LMDeploy: the exercise on function calls. It computes (3+5)*2 in two calls."""

import os

from openai import OpenAI


def add(a: int, b: int):
    return a + b


def mul(a: int, b: int):
    return a * b


tools = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Compute the sum of two numbers",
            "parameters": {
                "type": "object",
                "properties": {
                    "a": {"type": "int", "description": "A number"},
                    "b": {"type": "int", "description": "A number"},
                },
                "required": ["a", "b"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "mul",
            "description": "Calculate the product of two numbers",
            "parameters": {
                "type": "object",
                "properties": {
                    "a": {"type": "int", "description": "A number"},
                    "b": {"type": "int", "description": "A number"},
                },
                "required": ["a", "b"],
            },
        },
    },
]
messages = [{"role": "user", "content": "Compute (3+5)*2"}]

client = OpenAI(
    api_key="YOUR_API_KEY",
    base_url=os.environ.get("BASE_URL", "http://0.0.0.0:23333/v1"),
)
model_name = client.models.list().data[0].id
response = client.chat.completions.create(
    model=model_name,
    messages=messages,
    temperature=0.8,
    top_p=0.8,
    stream=False,
    tools=tools,
)
func1_name = response.choices[0].message.tool_calls[0].function.name
func1_args = response.choices[0].message.tool_calls[0].function.arguments
# As the course prints it, and dangerous: a model can write any Python here. Look the function up among your own and
# use json.loads(func1_args).
func1_out = eval(f"{func1_name}(**{func1_args})")
print(func1_out)

messages.append({"role": "assistant", "content": response.choices[0].message.content})
messages.append({"role": "environment", "content": f"3+5={func1_out}", "name": "plugin"})
response = client.chat.completions.create(
    model=model_name,
    messages=messages,
    temperature=0.8,
    top_p=0.8,
    stream=False,
    tools=tools,
)
func2_name = response.choices[0].message.tool_calls[0].function.name
func2_args = response.choices[0].message.tool_calls[0].function.arguments
func2_out = eval(f"{func2_name}(**{func2_args})")
print(func2_out)
