// Notes in the corner: those that came with the page, and those that answers to htmx announce.

const READING_MS = 6000;

function linger(toast) {
  if (toast.classList.contains("toast-error")) return; // an error stays until it is dismissed
  let timer = setTimeout(() => toast.remove(), READING_MS);
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", () => (timer = setTimeout(() => toast.remove(), READING_MS)));
}

export function show(message, level = "info") {
  const area = document.getElementById("toasts");
  const same = [...area.children].some((toast) => toast.firstElementChild.textContent === message);
  if (same) return; // a fragment that polls would repeat one fault for ever
  const toast = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  toast.classList.add(`toast-${level}`);
  toast.firstElementChild.textContent = message;
  area.append(toast);
  linger(toast);
}

function onServerFault(event) {
  const told = event.detail.xhr.getResponseHeader("HX-Trigger")?.includes('"toast"');
  if (!told) show(`The server answered ${event.detail.xhr.status}. Nothing was changed; try again.`, "error");
}

export function start() {
  const area = document.getElementById("toasts");
  for (const toast of area.children) linger(toast);
  area.addEventListener("click", (event) => event.target.closest(".toast-close")?.parentElement.remove());
  document.body.addEventListener("toast", (event) => {
    for (const note of event.detail.notes ?? []) show(note.message, note.level);
  });
  document.body.addEventListener("htmx:responseError", onServerFault);
  document.body.addEventListener("htmx:sendError", () => show("No connection to Tilth. Is it still running?", "error"));
  document.body.addEventListener("htmx:timeout", () => show("Tilth took too long to answer; try again.", "error"));
}
