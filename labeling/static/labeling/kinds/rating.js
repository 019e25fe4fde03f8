// A criterion has a point or cannot be judged, never both: the newer word takes back the older one.

export function start(root) {
  root.addEventListener("change", (event) => {
    const row = event.target.closest(".rubric-row");
    if (!row || !event.target.checked) return;
    const other = event.target.type === "radio" ? "input[type=checkbox]" : "input[type=radio]";
    for (const input of row.querySelectorAll(other)) input.checked = false;
    root.dispatchEvent(new Event("input", { bubbles: true }));
  });
}
