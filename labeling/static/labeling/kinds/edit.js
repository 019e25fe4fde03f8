// Editing a model's answer: what changed word by word (from the server), reset with undo, "already ideal".

import { send } from "../server.js";

const PAUSE_MS = 500;

export function start(root, api) {
  const area = root.querySelector("[data-field=text]");
  const original = root.querySelector("template[data-original]").content.textContent;
  const box = root.querySelector("[data-diff]");
  const reset = root.querySelector("[data-reset]");
  const undo = root.querySelector("[data-undo-reset]");
  const ideal = root.querySelector("[data-field=ideal]");
  let timer;
  let shown = null;
  let before = null;

  async function draw() {
    if (!box.open || shown === area.value) return;
    const wanted = area.value;
    try {
      const answer = await send(api.urls.diff, { old: original, new: wanted });
      if (wanted !== area.value) return;
      shown = wanted;
      root.querySelector("[data-diff-text]").innerHTML = answer.html; // escaped and marked by the server
    } catch (fault) {
      const words = fault.kind === "too_long" ? fault.message : "The comparison is not available just now; your text is safe.";
      root.querySelector("[data-diff-text]").textContent = words;
    }
  }

  function update() {
    area.readOnly = ideal.checked;
    root.querySelector("[data-ideal-note]").hidden = !ideal.checked;
    reset.disabled = ideal.checked || area.value === original;
    ideal.disabled = !ideal.checked && area.value.trim() !== original.trim();
    clearTimeout(timer);
    timer = setTimeout(draw, PAUSE_MS);
  }

  function put(text) {
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  reset.addEventListener("click", () => {
    before = area.value;
    put(original);
    undo.textContent = "Undo the reset";
    undo.hidden = false;
    undo.focus();
  });
  // What was written since the reset is not lost either: the same button brings it back.
  undo.addEventListener("click", () => {
    const now = area.value;
    put(before);
    before = now;
    undo.hidden = now === original;
    undo.textContent = "Undo that";
    if (undo.hidden) area.focus();
  });
  box.addEventListener("toggle", draw);
  root.addEventListener("input", update);
  root.addEventListener("tilth:filled", update);
}
