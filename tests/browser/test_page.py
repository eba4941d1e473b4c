"""The playground's page in a real browser: `make browser`.

The browser is the system's Chromium, or what CHROMIUM names.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [str(Path(sys.executable).with_name("chat-adapters")), "playground", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as server:
        assert server.stdout
        found = re.match(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
        assert found, "the command has not said where the page is"
        yield found[0]
        server.terminate()


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """The page with its example; at the end, nothing has gone elsewhere, and nothing has gone wrong."""
    if not CHROMIUM.is_file():
        pytest.fail(
            f"there is no {CHROMIUM}: install Debian's package chromium, or let CHROMIUM name a browser"
        )
    asked: list[str] = []
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        expect(page.locator("#message")).to_contain_text("tool_calls")
        yield page
        browser.close()
    assert asked
    assert [url for url in asked if not url.startswith(f"{address}/")] == []
    # What the server refuses, a browser calls an error in its console, too.
    assert [line for line in wrong if "status of 400" not in line] == []


def move(page: Page, delta: int) -> None:
    page.locator("#at").evaluate(
        "(slider, delta) => { slider.value = delta; slider.dispatchEvent(new Event('input')); }", delta
    )


def deltas(page: Page) -> int:
    return int(page.locator("#at").get_attribute("max") or 0)


def test_every_adapter_shows_its_example(page: Page) -> None:
    names = page.locator("#adapter option").all_inner_texts()
    assert {"chatglm3", "internlm2_5", "llama3_1", "qwen2", "qwen2_5", "r1_distill"} <= {*names}
    for name in names:
        page.locator("#adapter").select_option(name)
        expect(page.locator("#message")).to_contain_text("Lima")
        expect(page.locator("#prompt .special").first).to_be_visible()
        expect(page.locator("#trace tbody tr").first).to_be_visible()


def test_the_slider_shows_what_has_left_and_what_is_held_back(page: Page) -> None:
    page.locator("#adapter").select_option("qwen2_5")
    page.locator("#reply").fill(
        'Hi\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'
    )
    expect(page.locator("#message")).to_contain_text("Rome")
    move(page, 0)
    expect(page.locator("#client")).to_have_text("Nothing yet.")
    move(page, 6)
    expect(page.locator("#arrived .held")).to_have_text("\n<to")
    expect(page.locator("#why")).to_contain_text("Held back")
    move(page, 55)
    expect(page.locator("#client")).to_contain_text("call 0: get_weather")
    expect(page.locator("#client")).not_to_contain_text("Rome")
    move(page, deltas(page))
    expect(page.locator("#client")).to_contain_text('{"city": "Rome"}')
    expect(page.locator("#why")).to_contain_text("nothing is held back")


def test_keys_move_the_slider(page: Page) -> None:
    page.locator("#at").focus()
    page.keyboard.press("Home")
    expect(page.locator("#position")).to_have_text(re.compile(r"^0 of "))
    page.keyboard.press("ArrowRight")
    expect(page.locator("#position")).to_have_text(re.compile(r"^1 of "))
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Pause")
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Play")


def test_larger_deltas_are_fewer(page: Page) -> None:
    one = deltas(page)
    page.locator("#size").fill("10")
    expect(page.locator("#position")).not_to_have_text(f"{one} of {one}")
    assert deltas(page) < one / 5


def test_a_mistake_is_named_where_it_is(page: Page) -> None:
    tools = page.locator("#tools").input_value()
    page.locator("#tools").fill("[{]")
    expect(page.locator("#tools-error")).to_contain_text("line 1, column 3")
    expect(page.locator("#tools")).to_have_attribute("aria-invalid", "true")
    page.locator("#tools").fill(tools)
    expect(page.locator("#tools-error")).to_be_hidden()
    page.locator("#messages").fill("7")
    expect(page.locator("#messages-error")).to_be_visible()
    expect(page.locator("#tools-error")).to_be_hidden()


def test_why_something_is_no_call_is_said(page: Page) -> None:
    page.locator("#adapter").select_option("qwen2_5")
    page.locator("#reply").fill('<tool_call>\n{"name": "get_time", "arguments": {')
    expect(page.locator("#notes")).to_contain_text("no call at character 0")


def test_a_reply_is_no_page(page: Page) -> None:
    page.locator("#reply").fill("<img src=x onerror=alert(1)><script>alert(1)</script><b>bold</b>")
    expect(page.locator("#arrived")).to_contain_text("<b>bold</b>")
    assert page.locator("#arrived img, #arrived script, #arrived b, #trace img, #client img").count() == 0


def test_a_link_restores_all_of_it(page: Page, address: str) -> None:
    page.locator("#adapter").select_option("llama3_1")
    page.locator("#reply").fill('{"name": "get_weather", "parameters": {"city": "Łódź 🌧"}}')
    expect(page.locator("#message")).to_contain_text("Łódź 🌧")
    move(page, 12)
    link = page.locator("#link").get_attribute("href") or ""
    page.goto("about:blank")
    page.goto(f"{address}/{link}")
    expect(page.locator("#message")).to_contain_text("Łódź 🌧")
    expect(page.locator("#adapter")).to_have_value("llama3_1")
    expect(page.locator("#position")).to_have_text(re.compile(r"^12 of "))
