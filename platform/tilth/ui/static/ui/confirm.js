// Asks before what cannot be undone: data-confirm="Delete this?" on a form, a button or a link.
// data-confirm-label names the button that goes ahead, data-confirm-danger makes it red;
// data-confirm-dismiss names the other one, where "Cancel" could be read as the deed itself.

const agreed = new WeakSet();

function ask(element) {
  const dialog = document.getElementById("confirm");
  const go = dialog.querySelector("[data-confirm-label]");
  dialog.querySelector("#confirm-text").textContent = element.dataset.confirm;
  go.textContent = element.dataset.confirmLabel ?? element.textContent.trim().slice(0, 40) ?? "Go ahead";
  if (element instanceof HTMLFormElement) go.textContent = element.dataset.confirmLabel ?? "Go ahead";
  dialog.querySelector("[data-confirm-dismiss]").textContent = element.dataset.confirmDismiss ?? "Cancel";
  const danger = element.classList.contains("danger") || "confirmDanger" in element.dataset;
  go.classList.toggle("primary", !danger);
  go.classList.toggle("danger", danger);
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "confirm"), { once: true });
  });
}

async function onSubmit(event) {
  const form = event.target;
  const asker = event.submitter?.dataset.confirm ? event.submitter : form;
  if (!asker.dataset?.confirm || agreed.delete(form)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const submitter = event.submitter;
  if (await ask(asker)) {
    agreed.add(form);
    form.requestSubmit(submitter);
  }
}

async function onHtmxConfirm(event) {
  const element = event.detail.elt;
  if (element instanceof HTMLFormElement || !element.dataset.confirm) return; // forms are asked at submit
  event.preventDefault();
  if (await ask(element)) event.detail.issueRequest(true);
}

// While somebody is asked, nothing is swapped in: the form that waits for the answer must stay in the page.
function onBeforeSwap(event) {
  if (document.getElementById("confirm").open) event.detail.shouldSwap = false;
}

export function start() {
  document.addEventListener("submit", onSubmit, true); // before htmx and before busy.js see it
  document.body.addEventListener("htmx:confirm", onHtmxConfirm);
  document.body.addEventListener("htmx:beforeSwap", onBeforeSwap);
}
