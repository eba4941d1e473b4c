"""LangGraph's agent on langchain-openai."""

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from travel import QUESTION, TOOLS, options, report

asked = options()
model = ChatOpenAI(base_url=asked.base_url, model=asked.model, api_key="EMPTY", streaming=asked.stream)
agent = create_agent(model, list(TOOLS.values()))
question = {"messages": [{"role": "user", "content": QUESTION}]}
if asked.stream:
    *_, state = agent.stream(question, stream_mode="values")
else:
    state = agent.invoke(question)
report(state["messages"][-1].content)
