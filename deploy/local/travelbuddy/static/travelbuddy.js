// Plays the front end: asks for both lists from the browser, again every few seconds, and keeps the times live.
// Rows are updated in place, and only with textContent.
"use strict";

const ASK_AGAIN_MS = 2000;
const GIVE_UP_MS = 8000;
const MONOLITH = "(monolith)";

function leftText(expiryMs, nowMs) {
  const minutes = Math.ceil((expiryMs - nowMs) / 60000);
  const unit = (count, name) => `${count} ${name}${count === 1 ? "" : "s"} to go`;
  if (Number.isNaN(minutes)) return "";
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
    setText(span, leftText(epochMs(span.dataset.expiry), Date.now()));
  }
}

// The monolith tells epoch milliseconds, the service's own list ISO 8601.
function epochMs(expiry) {
  return /^-?\d+$/.test(expiry) ? Number(expiry) : Date.parse(expiry);
}

function emptyRow() {
  const row = document.createElement("li");
  row.className = "special";
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

// By position, not by id: the two systems need not agree on ids, and one of them may have none.
function show(list, specials) {
  while (list.children.length > specials.length) list.lastElementChild.remove();
  specials.forEach((special, position) => {
    const row = list.children[position] ?? list.appendChild(emptyRow());
    row.dataset.id = special.id ?? "";
    setText(row.querySelector(".special-name"), special.name ?? "");
    setText(row.querySelector(".special-body"), special.body ?? "");
    setText(row.querySelector(".special-cost"), "$" + special.cost);
    row.querySelector(".flighttime").dataset.expiry = epochMs(special.expiryDate);
  });
  tick();
}

function badge(element, kind, text) {
  element.className = `badge ${kind}`;
  setText(element, text);
}

// The sample rows but one carry placeholders, Origin (ORG) to Destination (DST): those are no route to show.
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
    told: (rows) => {
      if (rows.length === 0) return ["", "no specials now"];
      return rows.some((row) => (row.body ?? "").endsWith(MONOLITH))
        ? ["monolith", "answered by: TravelBuddy monolith"]
        : ["service", "answered by: FlightSpecials service"];
    },
  },
  {
    url: "/travelbuddy/hotelspecials",
    list: "hotel-list",
    badge: "hotel-badge",
    special: (row) => ({ ...row, name: row.hotel, body: `${row.description ?? ""} · ${row.location ?? ""}` }),
    told: (rows) => ["", rows.length === 0 ? "no specials now" : `${rows.length} on offer`],
  },
];

async function refresh(panel) {
  const state = document.getElementById(panel.badge);
  try {
    const answer = await fetch(panel.url, { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const rows = await answer.json();
    if (!Array.isArray(rows)) throw new Error("the answer is no list");
    show(document.getElementById(panel.list), rows.map(panel.special));
    badge(state, ...panel.told(rows));
  } catch (error) {
    badge(state, "failed", `no answer (${error.message}): the last rows are shown`);
  }
  setTimeout(refresh, ASK_AGAIN_MS, panel);
}

function letThePicturesRest() {
  const button = document.getElementById("pause");
  button.hidden = false;
  button.addEventListener("click", () => {
    const paused = button.parentElement.classList.toggle("paused");
    button.setAttribute("aria-pressed", String(paused));
  });
}

letThePicturesRest();
setInterval(tick, 1000);
tick();
PANELS.forEach(refresh);
