// Plays the front end: asks for both lists from the browser, again every few seconds, and keeps the times live.
// Rows are updated in place, and only with textContent.
"use strict";

const ASK_AGAIN_MS = 2000;
const GIVE_UP_MS = 8000;
const MONOLITH = "(monolith)";

function leftText(expiryMs, nowMs) {
  const minutes = Math.ceil((expiryMs - nowMs) / 60000);
  const unit = (count, name) => `${count} ${name}${count === 1 ? "" : "s"} to go`;
  if (minutes <= 0) return "deal over";
  if (minutes < 60) return unit(minutes, "minute");
  if (minutes < 24 * 60) return unit(Math.floor(minutes / 60), "hour");
  return "Plenty of time";
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  for (const span of document.querySelectorAll(".flighttime")) {
    setText(span, leftText(Number(span.dataset.expiry), Date.now()));
  }
}

// The monolith tells epoch milliseconds, the service's own list ISO 8601.
function epochMs(expiry) {
  return typeof expiry === "number" ? expiry : Date.parse(expiry);
}

function emptyRow(id) {
  const row = document.createElement("li");
  row.className = "special";
  row.dataset.id = id;
  const make = (parent, tag, name) => {
    const child = document.createElement(tag);
    child.className = name;
    parent.append(child);
    return child;
  };
  const words = make(row, "div", "special-text");
  make(words, "h3", "special-name");
  make(words, "p", "special-body");
  const side = make(row, "div", "special-side");
  make(side, "p", "special-cost");
  make(side, "span", "flighttime");
  return row;
}

function show(list, specials) {
  const rows = new Map([...list.children].map((row) => [row.dataset.id, row]));
  specials.forEach((special, position) => {
    const id = String(special.id);
    const row = rows.get(id) ?? emptyRow(id);
    rows.delete(id);
    setText(row.querySelector(".special-name"), special.name);
    setText(row.querySelector(".special-body"), special.body ?? "");
    setText(row.querySelector(".special-cost"), "$" + special.cost);
    row.querySelector(".flighttime").dataset.expiry = epochMs(special.expiryDate);
    if (list.children[position] !== row) list.insertBefore(row, list.children[position] ?? null);
  });
  for (const row of rows.values()) row.remove();
  tick();
}

function badge(element, kind, text) {
  element.className = `badge ${kind}`;
  setText(element, text);
}

function way(row) {
  const known = row.originCode && row.originCode !== "ORG" && row.destinationCode && row.destinationCode !== "DST";
  return known ? ` · ${row.originCode} → ${row.destinationCode}` : "";
}

const PANELS = [
  {
    url: "/travelbuddy/flightspecials",
    list: "flight-list",
    badge: "flight-badge",
    special: (row) => ({ ...row, name: row.header, body: `${row.body ?? ""}${way(row)}` }),
    origin: (rows) => rows.some((row) => (row.body ?? "").endsWith(MONOLITH))
      ? ["monolith", "answered by: TravelBuddy monolith"]
      : ["service", "answered by: FlightSpecials service"],
  },
  {
    url: "/travelbuddy/hotelspecials",
    list: "hotel-list",
    badge: "hotel-badge",
    special: (row) => ({ ...row, name: row.hotel, body: `${row.description ?? ""} · ${row.location ?? ""}` }),
    origin: () => ["monolith", "answered by: TravelBuddy monolith"],
  },
];

async function refresh(panel) {
  const told = document.getElementById(panel.badge);
  try {
    const answer = await fetch(panel.url, { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const rows = await answer.json();
    show(document.getElementById(panel.list), rows.map(panel.special));
    badge(told, ...panel.origin(rows));
  } catch (error) {
    badge(told, "failed", `no answer (${error.message}): the last rows are shown`);
  }
  setTimeout(refresh, ASK_AGAIN_MS, panel);
}

setInterval(tick, 1000);
tick();
PANELS.forEach(refresh);
