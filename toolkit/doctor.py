"""Which adapter serves a checkpoint and why, what is wrong with it, and the flags that vLLM needs for it."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ..adapters import ADAPTERS, Adapter, TokenizerError, choose, look, template_path
from ..vllm_plugin import MODE, TESTED, OpenAICompat
from .checkpoint import Checkpoint, Finding
from .launch import MIDDLEWARE, generation_folder, vllm_version

__all__ = ["Diagnosis", "examine"]

LEVELS = ("error", "warning", "note")
PLUGIN = "chat_adapters"
"""The plugin's name in VLLM_PLUGINS."""
COMPAT = f"chat_adapters.vllm_plugin.{OpenAICompat.__name__}"
THINKS = re.compile("</?think>|enable_thinking")
"""What the templates of models that think have in them."""
THINKING = (("--reasoning-parser", MODE), ("--default-chat-template-kwargs", '{"thinking":true}'))
"""For a checkpoint that thinks first; without white space, which `chat-adapters flags` could not print."""
ENCODERS = ("vision_config", "audio_config", "vision_tower", "mm_vision_tower", "visual", "thinker_config")
"""What the configurations of models say that take more than text."""
MORE_THAN_TEXT = re.compile(r"VL|Vision|Llava|Audio|Omni|Mllama")
WRITES_TEXT = re.compile(r"(?:ForCausalLM|ForConditionalGeneration|ChatModel|LMHeadModel|\bChatGLMModel)\b")
"""Architectures that vLLM generates with, by its own suffixes; it pools what others give."""
NO_CODE_NEEDED = ("chatglm", "internlm2", "llama", "mistral", "qwen2", "qwen2_moe")
"""Families whose configuration vLLM, transformers or the plugin has, whatever code a checkpoint names."""
WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.gguf")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is to be said of a checkpoint."""

    adapter: Adapter | None
    why: tuple[str, ...]
    """What was seen of the adapter."""
    findings: tuple[Finding, ...]
    flags: tuple[tuple[str, ...], ...]
    """For vLLM, each with its value; none if it cannot be served."""

    @property
    def ok(self) -> bool:
        """Whether it can be served with these flags."""
        return bool(self.flags)


def examine(checkpoint: Checkpoint, named: Adapter | None = None, *, compat: bool = False) -> Diagnosis:
    """What is to be said of a checkpoint, and of the vLLM that is to serve it here.

    Args:
        checkpoint: as it was read.
        named: the adapter, if its owner knows better than the checkpoint shows.
        compat: whether requests in older styles shall be taken.
    """
    findings = [*_of_vllm(os.environ), *checkpoint.findings, *_of_model(checkpoint)]
    adapter: Adapter | None = None
    why: tuple[str, ...] = ()
    if checkpoint.tokenizer is not None:
        adapter, why = _adapter_of(checkpoint, named, findings)
    flags: list[tuple[str, ...]] = []
    if adapter is not None:
        findings += _of_template(checkpoint, adapter)
        if _can_be_protected(checkpoint, findings):
            flags.append(("--tokenizer-mode", MODE))
        flags += _stop_flags(checkpoint, adapter, findings)
        flags.append(("--enable-auto-tool-choice",))
        flags.append(("--tool-call-parser", adapter.name))
        flags.append(("--chat-template", str(template_path(adapter))))
        if _thinks(checkpoint, adapter):
            flags += THINKING
        if compat:
            flags.append((MIDDLEWARE, COMPAT))
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    served = not findings or findings[0].level != LEVELS[0]
    return Diagnosis(adapter, why, tuple(findings), tuple(flags) if served else ())


def _of_vllm(environment: Mapping[str, str]) -> Iterator[Finding]:
    tested = ", ".join(TESTED)
    found = vllm_version()
    if found is None:
        yield Finding(
            "warning", "vllm-missing", "vLLM is not installed here", "pip install 'vllm-chat-adapters[vllm]'"
        )
    elif ".".join(found.split(".")[:2]) not in TESTED:
        yield Finding(
            "warning",
            "vllm-untested",
            f"vLLM {found or 'of an unknown version'} is installed; tested is {tested}",
            f"if it does not start: pip install 'vllm=={TESTED[-1]}.*'",
        )
    if environment.get("VLLM_USE_RUST_FRONTEND", "0") not in ("", "0"):
        yield Finding(
            "error",
            "rust-front-end",
            "VLLM_USE_RUST_FRONTEND is set: vLLM's Rust front end ignores Python tool parsers",
            "unset VLLM_USE_RUST_FRONTEND",
        )
    if "VLLM_PLUGINS" in environment and PLUGIN not in environment["VLLM_PLUGINS"].split(","):
        yield Finding(
            "error",
            "plugin-off",
            f"VLLM_PLUGINS leaves {PLUGIN} out: vLLM will not load the plugin",
            f"add {PLUGIN} to VLLM_PLUGINS, or unset it",
        )


def _of_model(checkpoint: Checkpoint) -> Iterator[Finding]:
    config = checkpoint.config
    architectures = " ".join(map(str, _listed(config.get("architectures"))))
    encoders = [key for key in ENCODERS if config.get(key) is not None]
    if encoders or MORE_THAN_TEXT.search(architectures):
        seen = ", ".join([*filter(None, [architectures]), *encoders])
        yield Finding(
            "error",
            "more-than-text",
            f"this model takes more than text ({seen}): the templates are for text, and contents would not be "
            "protected",
            "serve it with vLLM's own template and parser",
        )
    elif architectures and not WRITES_TEXT.search(architectures):
        yield Finding(
            "error",
            "writes-no-text",
            f"{architectures} writes no text: vLLM has no chat route for it",
            "name a checkpoint that chats",
        )
    code = config.get("auto_map")
    if isinstance(code, dict) and "AutoConfig" in code and checkpoint.family not in NO_CODE_NEEDED:
        yield Finding(
            "warning",
            "remote-code",
            f"config.json names code for the family {checkpoint.family!r}, which is none of ours",
            "read that code; if vLLM does not know the family, it needs --trust-remote-code",
        )
    quantised = config.get("quantization_config")
    if isinstance(quantised, dict):
        method = quantised.get("quant_method", "an unnamed method")
        yield Finding("note", "quantised", f"the weights are quantised ({method}): vLLM sees to it by itself")
    if config and not checkpoint.on_hub and not any(any(checkpoint.folder.glob(kind)) for kind in WEIGHTS):
        yield Finding(
            "warning",
            "no-weights",
            "there are no weights in the folder",
            "download them; else --load-format dummy",
        )


def _adapter_of(
    checkpoint: Checkpoint, named: Adapter | None, findings: list[Finding]
) -> tuple[Adapter | None, tuple[str, ...]]:
    """The adapter, by the same choice as the parser `auto` makes, and what was seen of it."""
    if named is None:
        try:
            adapter = choose(ADAPTERS.values(), checkpoint.is_token, checkpoint.template)
        except TokenizerError:
            looks = [look(each, checkpoint.is_token, checkpoint.template) for each in ADAPTERS.values()]
            several = any(seen.fits for seen in looks)
            findings.append(
                Finding(
                    "error",
                    "ambiguous" if several else "no-adapter",
                    f"{'more than one adapter fits' if several else 'no adapter fits'}, and none is guessed",
                    "if you know its format: --tool-call-parser NAME (`chat-adapters list`)",
                )
            )
            return None, tuple(seen.said(checkpoint.template) for seen in looks)
    else:
        adapter = named
    seen = look(adapter, checkpoint.is_token, checkpoint.template)
    if seen.missing:
        pieces = ", ".join(f"{token} ({len(checkpoint.ids(token))} tokens)" for token in seen.missing)
        text = f"the tokenizer splits, or does not know, tokens that {adapter.name} is made of: {pieces}"
        findings.append(Finding("error", "tokens", text, "name the adapter of its family"))
        return adapter, ()
    why = [f"each is one token: {' '.join(adapter.tokens)}"]
    for signs in seen.signs:
        why.append(f"its chat template has {signs.template!r}")
        why += [f"{signs.token} is one token"] if signs.token else []
        why += [f"{signs.without} is neither a token nor in the template"] if signs.without else []
    return adapter, tuple(why if named is None else ["you named it", *why])


def _of_template(checkpoint: Checkpoint, adapter: Adapter) -> Iterator[Finding]:
    template = checkpoint.template
    instead = f"--chat-template gives it {adapter.name}'s"
    if template is None:
        yield Finding("note", "template-missing", "it has no chat template of its own", instead)
        return
    if "tools" not in template:
        text = "its own chat template ignores tools: the model would never see them"
        yield Finding("note", "template-ignores-tools", text, instead)
    if "\\n" in _as_it_stands(template):
        text = (
            r"its own chat template has \n outside any expression: the model would read a backslash and an n"
        )
        yield Finding("note", "template-literal-newline", text, instead)
    if _thinks(checkpoint, adapter):
        yield Finding("note", "template-thinks", "it writes what it thinks before </think>", THINKING[0][0])
    elif THINKS.search(template):
        yield Finding(
            "warning",
            "template-thinks",
            f"its own chat template knows of thinking (<think>), the one of {adapter.name} does not",
            "if you need it, serve it with its own template and one of vLLM's reasoning parsers",
        )


def _thinks(checkpoint: Checkpoint, adapter: Adapter) -> bool:
    """Whether the checkpoint always thinks first, as our template can say; of Qwen3's kind a request decides."""
    template = checkpoint.template or ""
    return (
        adapter.thinks
        and THINKS.search(template) is not None
        and "enable_thinking" not in template
        and all(map(checkpoint.is_token, ("<think>", "</think>")))
    )


def _as_it_stands(template: str) -> str:
    """What of a template is no expression, up to where it is broken; nothing without Jinja, which vLLM brings."""
    try:
        from jinja2 import Environment, TemplateSyntaxError
    except ImportError:
        return ""
    data = ""
    with suppress(TemplateSyntaxError):
        for _, kind, text in Environment().lex(template):
            data += text if kind == "data" else ""
    return data


def _can_be_protected(checkpoint: Checkpoint, findings: list[Finding]) -> bool:
    if checkpoint.family == "chatglm" and not (checkpoint.folder / "tokenizer.json").exists():
        findings.append(
            Finding(
                "note",
                "remote-code",
                "its tokenizer is code, which does not run on transformers 5",
                f"--tokenizer-mode {MODE} makes one of its tokenizer.model; or, once: chat-adapters convert",
            )
        )
    kind = type(checkpoint.tokenizer.model).__name__ if checkpoint.tokenizer else ""
    if kind != "BPE":
        text = f"its tokenizer is of the kind {kind}: contents can hold special tokens, as in vLLM itself"
        findings.append(Finding("warning", "not-protected", text))
    return kind == "BPE"


def _stop_flags(checkpoint: Checkpoint, adapter: Adapter, findings: list[Finding]) -> list[tuple[str, ...]]:
    """The flag for stop tokens that vLLM would not learn of by itself."""
    assert checkpoint.tokenizer is not None
    found = ((token, checkpoint.tokenizer.token_to_id(token)) for token in adapter.stop_tokens)
    ids = {token: id for token, id in found if id is not None}
    source = checkpoint.config if checkpoint.generation is None else checkpoint.generation
    known = [*_listed(source.get("eos_token_id")), checkpoint.tokenizer.token_to_id(checkpoint.end or "")]
    lacking = [token for token, id in ids.items() if id not in known]
    if not lacking:
        return []
    folder = generation_folder(adapter)
    text = f"the checkpoint does not name {' and '.join(lacking)} as the end of a reply"
    own = f'"eos_token_id": {sorted(ids.values())} in its generation_config.json'
    if folder is not None and _ends(json.loads((folder / "generation_config.json").read_text("utf-8")), ids):
        lost = [key for key in ("temperature", "top_p", "top_k", "repetition_penalty") if key in source]
        more = f"; its own {', '.join(lost)} then hold no more: write {own} to keep them" if lost else ""
        findings.append(Finding("note", "stop-tokens", text, f"--generation-config names all{more}"))
        return [("--generation-config", str(folder))]
    text += "; the parser adds it to requests with tools, others run on"
    findings.append(Finding("note", "stop-tokens", text, f"write {own}"))
    return []


def _ends(generation: Mapping[str, object], ids: Mapping[str, int]) -> bool:
    """Whether the settings, which name ids, mean this tokenizer's."""
    return set(ids.values()) == set(_listed(generation.get("eos_token_id")))


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]
