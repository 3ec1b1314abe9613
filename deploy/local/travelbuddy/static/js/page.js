// Counts the times down. The server has rendered the rows; this script fetches nothing.
"use strict";

function leftText(expiryMs, nowMs) {
  const minutes = Math.ceil((expiryMs - nowMs) / 60000);
  const unit = (count, name) => `${count} ${name}${count === 1 ? "" : "s"} to go`;
  if (minutes <= 0) return "deal over";
  if (minutes < 60) return unit(minutes, "minute");
  if (minutes < 24 * 60) return unit(Math.floor(minutes / 60), "hour");
  return "Plenty of time";
}

function tick() {
  for (const span of document.querySelectorAll(".flighttime")) {
    const text = leftText(Number(span.dataset.expiry), Date.now());
    if (span.textContent !== text) span.textContent = text;
  }
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
