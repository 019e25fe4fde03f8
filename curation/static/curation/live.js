// The live part of a run's page is swapped every two seconds; what the reader has opened stays open.

const opened = new Set();

document.body.addEventListener("htmx:beforeSwap", () => {
  opened.clear();
  for (const details of document.querySelectorAll("#live details[open]")) opened.add(details.id);
});

document.body.addEventListener("htmx:afterSwap", () => {
  for (const details of document.querySelectorAll("#live details[id]")) details.open = opened.has(details.id);
});
