// The guideline beside a task: search as you type, and links that jump within the pane.

const pane = document.getElementById("guideline");

function search(field) {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const clause of pane.querySelectorAll("[data-clause]")) {
    const text = clause.textContent.toLowerCase();
    const fits = words.every((word) => text.includes(word));
    clause.parentElement.hidden = !fits;
    shown += fits ? 1 : 0;
  }
  for (const link of pane.querySelectorAll("[data-jump]")) {
    link.parentElement.hidden = pane.querySelector(`[data-clause="${CSS.escape(link.dataset.jump)}"]`).parentElement.hidden;
  }
  pane.querySelector("[data-clause-none]").hidden = shown > 0;
}

function jump(key) {
  const clause = pane.querySelector(`[data-clause="${CSS.escape(key)}"]`);
  if (!clause) return;
  clause.parentElement.hidden = false;
  clause.scrollIntoView({ block: "start" });
  clause.tabIndex = -1;
  clause.focus({ preventScroll: true });
}

pane?.addEventListener("input", (event) => event.target.matches("[data-clause-search]") && search(event.target));
pane?.addEventListener("click", (event) => {
  const link = event.target.closest("[data-jump]");
  if (!link) return;
  event.preventDefault();
  jump(link.dataset.jump);
});
