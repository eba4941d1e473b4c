// What is shown: each function fills one pane. Texts are put in as texts, never as HTML.

const SPANS = {
  text: () => "content",
  prelude: () => "markup: the rest of what the prompt has begun",
  lead: () => "markup: leads to the next call",
  close: () => "markup: a closing marker on its own",
  opening: (call) => `opens call ${call}`,
  arguments: (call) => `arguments of call ${call}`,
  closing: (call) => `closes call ${call}`,
  stop: () => "stop token: a server leaves it off",
};
const CONTENT = new Set(["text", "arguments"]);

const pane = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const marked = (className, text) => element("span", { className }, text);

export function showPrompt(parts) {
  pane("prompt").replaceChildren(
    ...parts.map(({ text, special }) => (special ? marked("special", text) : text)),
  );
}

export function showMessage(message) {
  pane("message").textContent = JSON.stringify(message, null, 2);
}

/** The stream after so many deltas: what has arrived, what is held back, and what the client has. */
export function showStream(trace, count) {
  // Offsets count whole characters, where JavaScript has halves of some.
  const characters = Array.from(trace.text);
  const last = trace.deltas[count - 1];
  const over = count === trace.deltas.length;
  const arrived = over ? characters.length : (last?.end ?? 0);
  const left = over ? characters.length : (last?.held_from ?? 0);
  const slice = (start, end) => characters.slice(start, end).join("");
  pane("arrived").replaceChildren(
    ...trace.spans
      .filter(({ start }) => start < left)
      .map(({ start, end, what }) => {
        const text = slice(start, Math.min(end, left));
        return CONTENT.has(what) ? text : marked("markup", text);
      }),
    marked("held", slice(left, arrived)),
    marked("coming", slice(arrived)),
  );
  pane("position").textContent = `${count} of ${trace.deltas.length}`;
  pane("why").textContent = over
    ? "The reply has ended: nothing is held back."
    : last?.why
      ? `Held back: ${last.why}.`
      : last
        ? "Nothing is held back."
        : "Nothing has arrived.";
  showClient(trace.deltas.slice(0, count));
}

/** What has left so far: content and calls, the news of the last delta apart. */
function showClient(deltas) {
  const parts = new Map();
  deltas.forEach(({ left }, number) => {
    for (const { what, text, call } of left) {
      const key = call ?? "content";
      if (!parts.has(key)) parts.set(key, { title: "content", old: "", fresh: "" });
      const part = parts.get(key);
      if (what === "call") part.title = `call ${call}: ${text}`;
      else if (number === deltas.length - 1) part.fresh += text;
      else part.old += text;
    }
  });
  const shown = [...parts.values()].map(({ title, old, fresh }) =>
    element("div", { className: "part" },
      marked("title", title),
      element("pre", { tabIndex: 0, ariaLabel: title }, old, marked("new", fresh))),
  );
  pane("client").replaceChildren(...(shown.length ? shown : [marked("hint", "Nothing yet.")]));
}

/** Span by span what became of the reply; `goTo` is called with the character that the reader wants to see. */
export function showTrace(trace, goTo) {
  const head = ["Characters", "In the reply", "What it is", "What the client gets"];
  const rows = trace.spans.map((span) => {
    const place = element("button", {
      type: "button",
      ariaLabel: `Characters ${span.start} to ${span.end}: show the stream there`,
      onclick: () => goTo(span.end),
    }, `${span.start}–${span.end}`);
    const words = SPANS[span.what](span.call);
    return element("tr", {},
      element("td", {}, place),
      element("td", { className: "text" }, marked(CONTENT.has(span.what) ? "" : "markup", span.text)),
      element("td", {}, span.complete ? words : `${words}; it was cut or went bad: unless streamed, it is content`),
      element("td", { className: "text" }, span.gets));
  });
  pane("trace").replaceChildren(
    element("table", {},
      element("thead", {}, element("tr", {}, ...head.map((title) => element("th", { scope: "col" }, title)))),
      element("tbody", {}, ...rows)),
  );
  pane("notes").replaceChildren(
    ...trace.notes
      .filter(({ what }) => what !== "miss")
      .map(({ what, words, at }) => element("li", {}, `${what} at character ${at}: ${words}`)),
    ...trace.why.map(({ start, words, remedies }) =>
      element("li", {}, [`no call at character ${start}: ${words}`, ...remedies].join("; "))),
  );
}

export function clear(...ids) {
  for (const id of ids) pane(id).replaceChildren();
}
