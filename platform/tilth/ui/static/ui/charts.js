// Draws every [data-figure] with Plotly, in the colours of the theme, and again when the theme changes.

const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

function colour(token) {
  probe.style.color = `var(${token})`; // the CSS object model, which the policy allows; no style attribute
  return getComputedStyle(probe).color;
}

function themed() {
  const text = colour("--text-2");
  const line = colour("--line");
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line, automargin: true };
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    colorway: [1, 2, 3, 4, 5, 6].map((n) => colour(`--series-${n}`)),
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: text },
    hoverlabel: { bgcolor: colour("--surface"), bordercolor: line, font: { color: colour("--text") } },
    margin: { l: 48, r: 16, t: 32, b: 40 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    bargap: 0.35,
    xaxis: { ...axis, showgrid: false },
    yaxis: axis,
  };
}

function merge(base, over) {
  const both = { ...base };
  for (const [name, value] of Object.entries(over ?? {})) {
    const deep = value && base[name] && typeof value === "object" && !Array.isArray(value) && typeof base[name] === "object";
    both[name] = deep ? merge(base[name], value) : value;
  }
  return both;
}

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
const again = () => drawAll(document);
new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
