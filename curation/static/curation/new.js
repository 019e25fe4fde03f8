/* The form of a new run: ticking a file of the inbox, or uploading one, adds its line to the sources. */

import { uploadFiles } from "../datasets/upload.js";

const linesOf = (box) => box.value.split("\n").map((line) => line.trim()).filter(Boolean);

export function setLine(box, line, present) {
  const others = linesOf(box).filter((other) => other !== line);
  box.value = (present ? [...others, line] : others).join("\n");
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

for (const table of document.querySelectorAll("[data-inbox]")) {
  const box = document.getElementById(table.dataset.target);
  const chosen = new Set(linesOf(box));
  for (const tick of table.querySelectorAll("input[type=checkbox]")) {
    tick.checked = chosen.has(tick.value);
    tick.addEventListener("change", () => setLine(box, tick.value, tick.checked));
  }
}

for (const area of document.querySelectorAll("[data-upload]")) {
  const box = document.getElementById(area.dataset.target);
  uploadFiles(area, (answer) => setLine(box, `upload:${answer.sha256}`, true));
}
