"""openai-agents, on Chat Completions."""

import asyncio

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI
from travel import QUESTION, TOOLS, options, report

asked = options()
set_tracing_disabled(True)
client = AsyncOpenAI(base_url=asked.base_url, api_key="EMPTY")
agent = Agent(
    name="Traveller",
    model=OpenAIChatCompletionsModel(model=asked.model, openai_client=client),
    tools=[function_tool(tool) for tool in TOOLS.values()],
)


async def main() -> None:
    if asked.stream:
        run = Runner.run_streamed(agent, QUESTION)
        async for _ in run.stream_events():
            pass
    else:
        run = await Runner.run(agent, QUESTION)
    report(run.final_output)


asyncio.run(main())
