// The page's fields, their answers from the server, and the link that restores them.

import { clear, showMessage, showPrompt, showStream, showTrace } from "./panes.js";

const TEXTS = ["tools", "messages", "reply"];
const FIELDS = ["adapter", ...TEXTS, "size"];
const PATIENCE = 200; // milliseconds without a key, before the server is asked
const PLAYED = 8000; // milliseconds that all deltas take, unless each would take more or less than
const STEP = [20, 250];

const field = Object.fromEntries([...FIELDS, "at", "play"].map((id) => [id, document.getElementById(id)]));
let examples = { adapters: [] };
let trace = null;
let waiting = 0;
let asked = 0;
let playing = 0;

async function ask(path, names) {
  const said = Object.fromEntries(names.map((name) => [name, field[name].value]));
  if ("size" in said) said.size = field.size.valueAsNumber;
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(said),
  });
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), { field: answer.field });
  return answer;
}

/** Asks the server what becomes of the fields, and shows it. */
async function refresh() {
  const number = ++asked;
  keep();
  const [prompt, parsed] = await Promise.allSettled([
    ask("render", ["adapter", "messages", "tools"]),
    ask("parse", ["adapter", "tools", "reply", "size"]),
  ]);
  if (number !== asked) return; // the fields have changed since
  showErrors([prompt, parsed].filter(({ status }) => status === "rejected").map(({ reason }) => reason));
  if (prompt.status === "fulfilled") showPrompt(prompt.value.parts);
  else clear("prompt");
  show(parsed.status === "fulfilled" ? parsed.value : null);
}

function showErrors(errors) {
  const unknown = errors.filter((error) => !(error.field in field));
  const failure = document.getElementById("failure");
  failure.textContent = unknown.length ? `The server gives no answer: ${unknown[0].message}` : "";
  failure.hidden = !unknown.length;
  for (const name of FIELDS) {
    const error = errors.find((one) => one.field === name);
    const place = document.getElementById(`${name}-error`);
    place.textContent = error?.message ?? "";
    place.hidden = !error;
    field[name].setAttribute("aria-invalid", String(Boolean(error)));
  }
}

function show(parsed) {
  stop();
  const atEnd = field.at.value === field.at.max;
  trace = parsed;
  field.at.disabled = field.play.disabled = !trace;
  if (!trace) return clear("arrived", "client", "why", "position", "message", "trace", "notes");
  field.at.max = trace.deltas.length;
  if (atEnd) field.at.value = field.at.max;
  showMessage(trace.message);
  showTrace(trace, goTo);
  move();
}

function move() {
  if (trace) showStream(trace, field.at.valueAsNumber);
  keep();
}

function goTo(character) {
  stop();
  const delta = trace.deltas.findIndex(({ end }) => end >= character);
  field.at.value = delta < 0 ? trace.deltas.length : delta + 1;
  move();
}

function play() {
  if (playing) return stop();
  if (!trace) return;
  if (field.at.value === field.at.max) field.at.value = 0;
  const [least, most] = STEP;
  playing = setInterval(() => {
    field.at.stepUp();
    move();
    if (field.at.value === field.at.max) stop();
  }, Math.min(most, Math.max(least, PLAYED / trace.deltas.length)));
  field.play.textContent = "Pause";
  move();
}

function stop() {
  clearInterval(playing);
  playing = 0;
  field.play.textContent = "Play";
}

/** Writes the fields into the link. They stay behind its #, which a browser sends nowhere. */
function keep() {
  const state = new URLSearchParams(FIELDS.map((name) => [name, field[name].value]));
  if (field.at.value !== field.at.max) state.set("at", field.at.value);
  document.getElementById("link").href = `#${state}`;
}

/** Sets the fields as a link has them; what it does not have is the example's. */
function restore() {
  const state = new URLSearchParams(location.hash.slice(1));
  if (state.has("adapter")) field.adapter.value = state.get("adapter");
  if (field.adapter.selectedIndex < 0) field.adapter.selectedIndex = 0;
  fillIn();
  for (const name of [...TEXTS, "size"]) if (state.has(name)) field[name].value = state.get(name);
  if (state.has("at")) {
    field.at.max = Number.MAX_SAFE_INTEGER; // until the reply is parsed
    field.at.value = state.get("at");
  }
  return refresh();
}

const chosen = () => examples.adapters[field.adapter.selectedIndex];

function fillIn() {
  field.tools.value = examples.tools;
  field.messages.value = examples.messages;
  field.reply.value = chosen().reply;
  nameModels();
}

function nameModels() {
  document.getElementById("models").textContent = chosen().models;
}

function changeAdapter() {
  nameModels();
  // A reply of one's own stays, to see what another adapter makes of it.
  if (examples.adapters.some(({ reply }) => reply === field.reply.value)) field.reply.value = chosen().reply;
  return refresh();
}

function typed() {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, PATIENCE);
}

async function start() {
  examples = await (await fetch("examples")).json();
  field.adapter.append(...examples.adapters.map(({ name }) => new Option(name)));
  field.adapter.addEventListener("change", changeAdapter);
  for (const name of [...TEXTS, "size"]) field[name].addEventListener("input", typed);
  field.at.addEventListener("input", () => { stop(); move(); });
  field.at.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    play();
  });
  field.play.addEventListener("click", play);
  document.getElementById("example").addEventListener("click", () => { fillIn(); refresh(); });
  addEventListener("hashchange", restore);
  await restore();
}

start();
