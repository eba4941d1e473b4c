"""The programs of the guides that people come from (`tests/guides`), what a model answers them, and how they must end."""

import json
from dataclasses import dataclass

from chat_adapters.adapters import get
from chat_adapters.toolkit.writing import write_reply

__all__ = ["BATCH", "EXERCISE", "GUIDES", "Guide", "Says"]


@dataclass(frozen=True, slots=True)
class Says:
    """What the model answers to one request."""

    text: str = ""
    call: tuple[str, str] | None = None
    """Name and arguments."""

    def script(self, family: str) -> str:
        """How a model of the family writes it, its stop token at the end."""
        adapter = get(family)
        calls = [self.call] if self.call else []
        return write_reply(adapter.format, *calls, text=self.text) + adapter.stop_tokens[0]


@dataclass(frozen=True, slots=True)
class Guide:
    """A program of a guide, and the end that the guide prints."""

    name: str
    program: str
    argument: str = ""
    families: tuple[str, ...] = ()
    """The adapters of the guide's models, the first for `make guide`. None: it runs without a server."""
    says: tuple[Says, ...] = ()
    prints: tuple[str, ...] = ()
    """Parts of what the program prints, in their order."""
    names_tool: bool = False
    """Whether its first request names the tool."""

    @property
    def is_shell(self) -> bool:
        return self.program.endswith(".sh")


def printed_call(name: str, arguments: str) -> str:
    return f"arguments='{arguments}', name='{name}'"


def json_call(name: str, arguments: str) -> str:
    return f'"name":"{name}","arguments":{json.dumps(arguments, ensure_ascii=False)}'


BEIJING = ("amap_weather", '{"location": "北京市"}')
HAIDIAN = ("amap_weather", '{"location": "海淀区"}')
HAIDIAN_PROSE = "海淀区是北京市的一个区。我来查询海淀区的天气。"
FINAL = "2018年世界杯决赛在莫斯科的卢日尼基体育场踢。"
BABY = (Says(call=("aiQiming", '{"sex": "男", "surname": "周"}')), Says("可以叫周子轩或周浩然。"))
CITIES = [
    ("get_current_weather", json.dumps({"location": city, "unit": "celsius"}))
    for city in ("San Francisco", "Tokyo", "Paris")
]
WEATHER = "It is 18 degrees in all three cities."
STORY = "从前，有一只狐狸在西瓜地里睡着了。"

BATCH = Guide(
    "tutorial_batch",
    "tutorial_batch.py",
    prints=(
        "Prompt: '你好，', Generated text: ",
        "Prompt: 'Hello, my name is', Generated text: ",
        "Prompt: 'The president of the United States is', Generated text: ",
        "Prompt: 'The capital of France is', Generated text: ",
        "Prompt: 'The future of AI is', Generated text: ",
    ),
)
EXERCISE = Guide(
    "lmdeploy_exercise",
    "lmdeploy_exercise.py",
    families=("internlm2_5",),
    says=(Says("I will add first.", ("add", '{"a": 3, "b": 5}')), Says(call=("mul", '{"a": 8, "b": 2}'))),
    prints=("8\n16\n",),
)
GUIDES = (
    Guide(
        "modelscope_llama3_1_curl",
        "modelscope.sh",
        families=("llama3_1",),
        says=(Says(call=BEIJING),),
        prints=('"content":null', json_call(*BEIJING), '"finish_reason":"tool_calls"'),
    ),
    Guide(
        "modelscope_llama3_1",
        "modelscope.py",
        families=("llama3_1",),
        says=(Says(call=BEIJING),),
        prints=("finish_reason='tool_calls'", printed_call(*BEIJING)),
    ),
    Guide(
        "modelscope_qwen2_curl",
        "modelscope.sh",
        families=("qwen2", "qwen2_5"),
        says=(Says(HAIDIAN_PROSE, HAIDIAN),),
        prints=(f'"content":"{HAIDIAN_PROSE}', json_call(*HAIDIAN), '"finish_reason":"tool_calls"'),
    ),
    Guide(
        "modelscope_qwen2",
        "modelscope.py",
        families=("qwen2", "qwen2_5"),
        says=(Says(HAIDIAN_PROSE, HAIDIAN),),
        prints=("finish_reason='tool_calls'", f"content='{HAIDIAN_PROSE}", printed_call(*HAIDIAN)),
    ),
    Guide(
        "tutorial_chat_curl",
        "tutorial_chat.sh",
        families=("qwen2", "internlm2_5"),
        says=(Says(FINAL),),
        prints=(f'"content":"{FINAL}"', '"finish_reason":"stop"'),
    ),
    Guide(
        "tutorial_chat",
        "tutorial_chat.py",
        families=("qwen2", "internlm2_5"),
        says=(Says(FINAL),),
        prints=("['tiny']\n", f"{FINAL}\n"),
    ),
    Guide(
        "aiqiming",
        "aiqiming.py",
        families=("qwen2", "internlm2_5"),
        says=BABY,
        prints=("男 周\n", f"{BABY[1].text}\n"),
        names_tool=True,
    ),
    Guide(
        "aiqiming_auto",
        "aiqiming.py",
        argument="auto",
        families=("qwen2", "internlm2_5"),
        says=BABY,
        prints=("男 周\n", f"{BABY[1].text}\n"),
    ),
    Guide(
        "chatglm3_three_cities",
        "chatglm3_three_cities.py",
        families=("chatglm3",),
        says=(
            Says("I will look at each city.", CITIES[0]),
            *(Says(call=city) for city in CITIES[1:]),
            Says(WEATHER),
        ),
        prints=(*(f"{name} {arguments}\n" for name, arguments in CITIES), f"{WEATHER}\n"),
    ),
    Guide(
        "lmdeploy_chat",
        "lmdeploy_chat.py",
        families=("internlm2_5",),
        says=(Says(STORY),),
        prints=(f"{STORY}\n",),
    ),
    EXERCISE,
    BATCH,
)
