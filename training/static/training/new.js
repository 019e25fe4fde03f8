// The launch form: rows of datasets are added and taken away; the preview hears of both.

const form = document.getElementById("launch");
const rows = form.querySelector("[data-rows]");

function emptied(row) {
  for (const field of row.querySelectorAll("select, input")) field.value = "";
  return row;
}

function told() {
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

form.querySelector("[data-add]")?.addEventListener("click", () => {
  const row = emptied(rows.lastElementChild.cloneNode(true));
  rows.append(row);
  row.querySelector("select").focus();
});

rows?.addEventListener("click", (event) => {
  const row = event.target.closest("[data-remove]")?.closest("tr");
  if (!row) return;
  if (rows.childElementCount > 1) row.remove();
  else emptied(row);
  rows.querySelector("select").focus();
  told();
});
