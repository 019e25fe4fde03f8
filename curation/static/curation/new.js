// The form of a new run: ticking a file of the inbox, or uploading one, adds its line to the sources.

import { uploadFiles } from "../datasets/upload.js";

const sources = document.getElementById("id_sources");
const name = document.getElementById("id_name");
const linesOf = (box) => box.value.split("\n").map((line) => line.trim()).filter(Boolean);

function setLine(line, present) {
  const others = linesOf(sources).filter((other) => other !== line);
  sources.value = (present ? [...others, line] : others).join("\n");
  sources.dispatchEvent(new Event("input", { bubbles: true }));
}

// A dataset name out of a file's name; only while nobody has typed one.
function suggestName(file) {
  if (name.value) return;
  const plain = file.split("/").pop().toLowerCase().replace(/(\.(warc|wet|jsonl|parquet|gz|zst))+$/, "");
  name.value = plain.replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 60);
}

for (const tick of document.querySelectorAll("[data-inbox] input[type=checkbox]")) {
  tick.checked = linesOf(sources).includes(tick.value);
  tick.addEventListener("change", () => {
    setLine(tick.value, tick.checked);
    if (tick.checked) suggestName(tick.value);
  });
}

const area = document.querySelector("[data-upload]");
const chosen = area.querySelector("[data-chosen]");

function show(upload) {
  const item = document.createElement("li");
  const label = document.createElement("span");
  const remove = document.createElement("button");
  item.dataset.line = `upload:${upload.sha256}`;
  label.className = "break";
  label.textContent = upload.name;
  remove.type = "button";
  remove.className = "button small";
  remove.textContent = "Remove";
  remove.setAttribute("aria-label", `Remove ${upload.name}`);
  item.append(label, remove);
  chosen.append(item);
}

chosen.addEventListener("click", (event) => {
  const item = event.target.closest("button")?.closest("li");
  if (!item) return;
  setLine(item.dataset.line, false);
  item.remove();
  document.getElementById("upload").focus();
});

uploadFiles(area, (upload) => {
  const line = `upload:${upload.sha256}`;
  area.querySelector("[data-upload-list]").lastElementChild.remove(); // its progress; it is listed as chosen now
  if (linesOf(sources).includes(line)) return;
  setLine(line, true);
  show(upload);
  suggestName(upload.name);
});
