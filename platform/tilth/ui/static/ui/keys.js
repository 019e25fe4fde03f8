// Keyboard: / searches, g and a letter opens a section, ? lists the shortcuts.

const CHORD_MS = 1200;
const TYPING = "input, textarea, select, [contenteditable], dialog[open]";

let waitingSince = 0;

function focusSearch() {
  const field = document.querySelector("[data-search], input[type=search], .filters input");
  if (!field) return false;
  field.focus();
  field.select?.();
  return true;
}

function showShortcuts() {
  document.getElementById("shortcuts")?.showModal();
}

function go(key) {
  const link = document.querySelector(`#sidebar [data-key="${CSS.escape(key)}"]`);
  if (link) location.assign(link.href);
  return Boolean(link);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(TYPING)) return;
  const chord = Date.now() - waitingSince < CHORD_MS;
  waitingSince = 0;
  if (chord && go(event.key)) event.preventDefault();
  else if (event.key === "g") waitingSince = Date.now();
  else if (event.key === "/" && focusSearch()) event.preventDefault();
  else if (event.key === "?") showShortcuts();
}

export function start() {
  document.addEventListener("keydown", onKey);
  for (const button of document.querySelectorAll("[data-shortcuts]")) button.addEventListener("click", showShortcuts);
}
