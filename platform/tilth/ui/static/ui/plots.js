// How Plotly's figures look here: the colours of the theme, a quiet frame. Figures add to it.

const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

export function colour(token) {
  probe.style.color = `var(${token})`; // the CSS object model, which the policy allows; no style attribute
  return getComputedStyle(probe).color;
}

export function themed() {
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

export function merge(base, over) {
  const both = { ...base };
  for (const [name, value] of Object.entries(over ?? {})) {
    const deep = value && base[name] && typeof value === "object" && !Array.isArray(value) && typeof base[name] === "object";
    both[name] = deep ? merge(base[name], value) : value;
  }
  return both;
}

// Tell when the theme changes, whoever changes it.
export function onTheme(again) {
  new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
}
