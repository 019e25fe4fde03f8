// A button that was pressed says so until its answer is there, and a form cannot be sent twice.

const BACK_AFTER_MS = 10000; // a download leaves the page where it is; its button must come back

const buttonsOf = (form) => form.querySelectorAll("button:not([type=button]), input[type=submit]");

function hold(form, submitter) {
  form.dataset.sending = "";
  submitter?.setAttribute("aria-busy", "true");
}

function release(form) {
  delete form.dataset.sending;
  for (const button of buttonsOf(form)) button.removeAttribute("aria-busy");
}

const isHtmx = (element) => ["hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete"].some((name) => element.hasAttribute(name));

function onSubmit(event) {
  const form = event.target;
  if (event.defaultPrevented || form.method === "dialog" || isHtmx(form)) return;
  if ("sending" in form.dataset) {
    event.preventDefault();
    return;
  }
  hold(form, event.submitter);
  setTimeout(() => release(form), BACK_AFTER_MS);
}

function onHtmxStart(event) {
  const { elt, requestConfig } = event.detail;
  const changes = requestConfig.verb !== "get";
  if (changes && "sending" in elt.dataset) {
    event.preventDefault();
    return;
  }
  if (changes) elt.dataset.sending = "";
  const button = elt instanceof HTMLFormElement ? requestConfig.triggeringEvent?.submitter : elt.closest("button");
  button?.setAttribute("aria-busy", "true");
}

function onHtmxEnd(event) {
  const element = event.detail.elt;
  if (element instanceof HTMLFormElement) release(element);
  delete element.dataset.sending;
  element.removeAttribute("aria-busy");
}

export function start() {
  document.addEventListener("submit", onSubmit);
  document.body.addEventListener("htmx:beforeRequest", onHtmxStart);
  document.body.addEventListener("htmx:afterRequest", onHtmxEnd);
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sending]").forEach(release));
}
