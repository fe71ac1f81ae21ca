// Makes two things more comfortable; every page works without it.

// Choosing a company in the header switches at once, without the button. With the keyboard one walks through the
// choices first, so there the button (or Enter) stays.
for (const form of document.querySelectorAll("form.switch")) {
  const select = form.querySelector("select");
  let usesKeyboard = false;
  select.addEventListener("keydown", () => { usesKeyboard = true; });
  select.addEventListener("pointerdown", () => { usesKeyboard = false; });
  select.addEventListener("change", () => { if (!usesKeyboard) form.requestSubmit(); });
}

// A page tells the browser's other tabs for whom it was made. A tab made for someone else says so.
if ("BroadcastChannel" in window) {
  const channel = new BroadcastChannel("acting-for");
  const actingFor = document.body.dataset.actingFor;
  channel.addEventListener("message", (event) => {
    document.getElementById("elsewhere").hidden = event.data === actingFor;
  });
  channel.postMessage(actingFor);
}
