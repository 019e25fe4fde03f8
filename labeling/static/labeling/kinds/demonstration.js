// Turns of a written conversation: roles take turns, the prompt stays, quotes are inserted at the caret.

function lockPrompt(root) {
  const list = root.querySelector("[data-list=messages]");
  const fixed = Number(list.dataset.fixed);
  list.querySelectorAll(":scope > [data-item]").forEach((item, index) => {
    const locked = index < fixed;
    item.classList.toggle("locked", locked);
    item.querySelector("textarea").readOnly = locked;
    item.querySelector("select").disabled = locked;
    item.querySelector(".turn-tools").hidden = locked;
    const role = item.querySelector("select").value;
    item.dataset.role = role;
    item.querySelector("textarea").setAttribute("aria-label", `Turn ${index + 1}, ${role}`);
  });
}

function nextRole(root) {
  const roles = [...root.querySelectorAll("[data-list=messages] > [data-item] select")].map((select) => select.value);
  return roles.at(-1) === "user" ? "assistant" : "user";
}

// The answer that a quote goes into: where the caret stood last, else the last turn of the assistant.
function target(root, last) {
  if (last?.isConnected) return last;
  const turns = [...root.querySelectorAll("[data-list=messages] > [data-item]")];
  return turns.filter((turn) => turn.querySelector("select").value === "assistant").at(-1)?.querySelector("textarea");
}

function insert(area, text) {
  area.focus();
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new CustomEvent("tilth:inserted", { bubbles: true, detail: { characters: text.length } }));
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

export function start(root, api) {
  let last = null;
  root.addEventListener("focusout", (event) => {
    if (event.target.matches("[data-list=messages] textarea:not([readonly])")) last = event.target;
  });
  const lock = () => {
    lockPrompt(root);
    root.querySelector("[data-next-turn]").dataset.value = JSON.stringify({ role: nextRole(root), content: "" });
    root.querySelector("[data-today]").dataset.value = JSON.stringify({ accessed: new Date().toISOString().slice(0, 10) });
  };
  root.addEventListener("tilth:filled", () => {
    lock();
    if ((api.payload().sources ?? []).length) root.querySelector("[data-sources]").open = true;
  });
  root.addEventListener("input", lock);
  root.addEventListener("click", (event) => {
    if (event.target.closest("[data-last-turn]")) target(root, null)?.focus();
    const button = event.target.closest("[data-insert-quote]");
    if (!button) return;
    const quote = button.closest("[data-item]").querySelector("[data-field=quote]").value.trim();
    const area = target(root, last);
    if (quote && area) insert(area, `“${quote}”`);
  });
}
