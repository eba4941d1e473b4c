"""pydantic-ai, on Chat Completions."""

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from travel import QUESTION, TOOLS, options, report

asked = options()
provider = OpenAIProvider(base_url=asked.base_url, api_key="EMPTY")
agent = Agent(OpenAIChatModel(asked.model, provider=provider), tools=list(TOOLS.values()))


async def read(context, events):
    async for _ in events:
        pass


# With a reader of its events, the model is asked for a stream.
report(agent.run_sync(QUESTION, event_stream_handler=read if asked.stream else None).output)
