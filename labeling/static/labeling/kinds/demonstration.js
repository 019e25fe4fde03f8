// Turns of a written conversation: roles take turns, the prompt stays, quotes are inserted at the caret.

// The prompt cannot be changed, and nothing moves into it; a system message of one's own stands before it.
function lockPrompt(root) {
  const list = root.querySelector("[data-list=messages]");
  const items = [...list.querySelectorAll(":scope > [data-item]")];
  const roleOf = (item) => item.querySelector("select").value;
  const own = "mayAddSystem" in list.dataset && items.length > 0 && roleOf(items[0]) === "system";
  const first = Number(own) + Number(list.dataset.fixed);
  items.forEach((item, index) => {
    const role = roleOf(item);
    const locked = index < first && !(own && index === 0);
    item.classList.toggle("locked", locked);
    item.querySelector("textarea").readOnly = locked;
    item.querySelector("select").disabled = locked || role === "system";
    item.querySelector(".turn-tools").hidden = locked;
    item.querySelector("[data-up]").disabled = index <= first || (index === 1 && roleOf(items[0]) === "system");
    item.querySelector("[data-down]").disabled = index === items.length - 1 || role === "system";
    item.dataset.role = role;
    item.querySelector("textarea").setAttribute("aria-label", `Turn ${index + 1}, ${role}`);
  });
  const add = root.querySelector("[data-add-system]");
  if (add) add.hidden = own;
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
