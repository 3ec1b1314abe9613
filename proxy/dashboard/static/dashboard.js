"use strict";
// Replaces the live parts of the page as they come. Each part is HTML that the server has escaped.
(() => {
  const list = document.getElementById("routes");
  const note = document.getElementById("stream");

  function show(id, html) {
    const place = document.getElementById(id);
    if (!place) return;
    const focused = document.activeElement && document.activeElement.id;
    place.innerHTML = html;
    if (focused && !document.activeElement.id) {
      const again = document.getElementById(focused);
      if (again) again.focus();
    }
  }

  function say(text) {
    note.textContent = text;
    note.hidden = text === "";
  }

  function listen() {
    const source = new EventSource(list.dataset.events);
    source.onopen = () => say("");
    source.addEventListener("fragments", (event) => {
      const parts = JSON.parse(event.data);
      if ("routes" in parts) show("routes", parts.routes);
      for (const [id, html] of Object.entries(parts)) {
        if (id !== "routes") show(id, html);
      }
    });
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) {
        say("The connection is interrupted: what you see may be old.");
        return;
      }
      source.close();
      say("No live updates: too many pages are open, or the login has ended. Trying again in 10 seconds.");
      setTimeout(listen, 10000);
    };
  }

  listen();
})();
