// Plays TravelBuddy's React front end: the caller of both lists. As the original, it sends Content-Type with its GETs
// (so a load from another origin begins with a CORS preflight), ignores the status, and calls .map on any JSON.
// Added for demonstrations: each list is loaded again every 2 s, the flight panel names the system that sent its list,
// and ?flights=URL and ?hotels=URL name other lists than those of this origin.
"use strict";

const RELOAD_MS = 2000;
const TIMEOUT_MS = 8000;
const MONOLITH = "(monolith)"; // at the end of the text of each flight of the monolith
const LOADING = { text: null };
const FAILED = { text: null };

function flightSource(rows) {
  if (rows.length === 0) return ["", "no specials now"];
  return rows.some((row) => row.body?.endsWith(MONOLITH))
    ? ["monolith", "from the TravelBuddy monolith"]
    : ["service", "from the FlightSpecials service"];
}

const parameters = new URLSearchParams(location.search);
const PANELS = [
  {
    id: "flights",
    title: "Today's flight specials",
    url: parameters.get("flights") ?? "/travelbuddy/flightspecials",
    texts: (row) => [row.header, row.body],
    source: flightSource,
    content: LOADING,
  },
  {
    id: "hotels",
    title: "Today's hotel specials",
    url: parameters.get("hotels") ?? "/travelbuddy/hotelspecials",
    texts: (row) => [row.hotel, [row.description, row.location].filter(Boolean).join(" · ")],
    source: (rows) => ["", rows.length === 0 ? "no specials now" : `${rows.length} on offer`],
    content: LOADING,
  },
];

function element(tag, properties, ...children) {
  const created = Object.assign(document.createElement(tag), properties);
  created.append(...children);
  return created;
}

function text(tag, className, content) {
  return element(tag, { className, textContent: content ?? "" });
}

// YYYY-MM-DD HH:mm:ss of the browser's time zone.
function expiryText(expiryDate) {
  const date = new Date(expiryDate);
  const two = (number) => String(number).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`;
}

function specialRow(panel, row) {
  const [name, body] = panel.texts(row);
  return element("li", { className: "special" },
    element("div", {}, text("h3", "special-name", name), text("p", "special-body", body)),
    element("div", { className: "special-side" },
      text("p", "special-cost", `$${row.cost}`), text("p", "special-expiry", expiryText(row.expiryDate))));
}

function panelContent(panel) {
  if (panel.content === LOADING) return [text("p", "notice", "Loading …")];
  if (panel.content === FAILED) return [text("p", "notice sorry", "Sorry. Something went wrong.")];
  const rows = panel.content.json;
  const list = element("ul", { className: "specials" }, ...rows.map((row) => specialRow(panel, row)));
  const [kind, source] = panel.source(rows);
  return [
    element("div", { className: "panel-head" },
      text("h2", "", panel.title), element("p", { className: `source ${kind}`, role: "status", textContent: source })),
    list,
  ];
}

function tree() {
  const brand = element("span", { className: "brand" },
    element("img", { src: "/travelbuddy/resources/icon.svg", alt: "", width: 28, height: 28 }), "TravelBuddy");
  return [
    element("header", { className: "navbar" }, brand, text("span", "mark", "front end")),
    element("main", {},
      text("h1", "unseen", "TravelBuddy front end"),
      element("div", { className: "panels" },
        ...PANELS.map((panel) => element("section", { className: "panel", id: panel.id }, ...panelContent(panel))))),
    text("footer", "", "A stand-in for TravelBuddy's React front end. It loads both lists again every 2 seconds; "
      + "the original loads them once."),
  ];
}

// React unmounts the whole tree when an error escapes from rendering.
function render() {
  const root = document.getElementById("root");
  try {
    root.replaceChildren(...tree());
  } catch (error) {
    root.replaceChildren();
    reportError(error);
  }
}

async function fetchContent(panel) {
  try {
    const response = await fetch(panel.url, {
      headers: { "Content-Type": "application/json" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const body = await response.text();
    return { text: body, json: JSON.parse(body) };
  } catch {
    return FAILED;
  }
}

async function load(panel) {
  const before = panel.content;
  panel.content = await fetchContent(panel);
  const same = panel.content === before || (before.text !== null && panel.content.text === before.text);
  if (!same) render();
  setTimeout(load, RELOAD_MS, panel);
}

render();
PANELS.forEach(load);
