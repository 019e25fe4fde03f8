// What scrolls sideways or on its own must be reachable by keyboard: it becomes a tab stop while it overflows.

const REGIONS = ".table-wrap, .log, .tabs, .prose pre, .prose table, .math-block";

function mark(region) {
  const overflows = region.scrollWidth > region.clientWidth || region.scrollHeight > region.clientHeight;
  const scrolls = overflows && getComputedStyle(region).overflow !== "visible";
  if (scrolls) region.tabIndex = 0;
  else region.removeAttribute("tabindex");
}

export function start() {
  const watcher = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target)));
  const watch = (root) => root.querySelectorAll(REGIONS).forEach((region) => watcher.observe(region));
  watch(document);
  document.body.addEventListener("htmx:load", (event) => watch(event.detail.elt.parentElement ?? document));
}
