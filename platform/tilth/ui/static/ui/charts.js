// Draws every [data-figure] with Plotly, in the colours of the theme, and again when the theme changes.

import { merge, onTheme, themed } from "./plots.js";

// One bar that fills the whole plot looks like a wall: few categories get more air between them.
function air(figure) {
  const bars = figure.data.filter((trace) => trace.type === "bar");
  const most = Math.max(0, ...bars.map((trace) => trace.x?.length ?? trace.y?.length ?? 0));
  return bars.length && most < 4 ? { bargap: 0.85 - 0.15 * most } : {};
}

function draw(area) {
  const figure = JSON.parse(area.dataset.figure);
  const layout = merge({ ...themed(), ...air(figure) }, figure.layout);
  layout.height ??= Number(area.dataset.height);
  const config = { displayModeBar: false, displaylogo: false, responsive: true };
  window.Plotly.react(area, figure.data, layout, config);
  area.dataset.drawn = "";
}

const areas = (root) => (root.matches?.("[data-figure]") ? [root] : root.querySelectorAll("[data-figure]"));
const drawAll = (root) => areas(root).forEach(draw);

drawAll(document);
document.body.addEventListener("htmx:load", (event) => drawAll(event.detail.elt));
onTheme(() => drawAll(document));
