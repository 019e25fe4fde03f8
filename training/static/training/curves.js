// Curves of one run or several: asked for while a run works, drawn again in place, so that a zoom stays.
// Runs that differ only in the seed are drawn as their mean in a band from least to greatest, unless each is asked for.

import { merge, onTheme, themed } from "../ui/plots.js";

const POLL_MS = 4000;
const TITLES = { step: "step", tokens: "tokens", flops: "FLOPs", seconds: "seconds since its start" };
const CONFIG = { displayModeBar: false, displaylogo: false, responsive: true };
const HEIGHT = 260;

// An exponential mean without the pull to its first value; gaps stay gaps.
export function smoothed(values, weight) {
  let mean = 0;
  let trust = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    trust = weight * trust + (1 - weight);
    return mean / trust;
  });
}

// Plotly reads a little HTML in names, which come from outside.
const plain = (text) => text.replaceAll("<", "&lt;");

// The opacity of a trace leaves its fill alone. Colours come as computed: rgb(…).
const faint = (color) => color.replace("rgb(", "rgba(").replace(")", ", 0.2)");

class Curves {
  constructor(root) {
    this.root = root;
    this.charts = root.querySelector("[data-charts]");
    this.x = root.querySelector("[data-x]");
    this.smooth = root.querySelector("[data-smooth]");
    this.log = root.querySelector("[data-log-scale]");
    this.alone = root.querySelector("[data-alone]");
    this.runs = [];
    this.groups = [];
    this.stamp = "";
    this.areas = new Map();
    for (const control of [this.x, this.smooth, this.log, this.alone]) control.addEventListener("input", () => this.draw());
    onTheme(() => this.draw());
    // A plot that comes later makes the others narrower; Plotly itself looks at the window alone.
    this.widths = new ResizeObserver((seen) => seen.forEach((one) => one.target.data && window.Plotly.Plots.resize(one.target)));
  }

  async poll() {
    let again = true;
    try {
      const answer = await fetch(`${this.root.dataset.url}&stamp=${this.stamp}`);
      if (answer.redirected || (answer.status >= 400 && answer.status < 500)) return;
      if (answer.status === 200) again = this.take(await answer.json());
    } catch {
      // The server does not answer: asked again.
    }
    if (again) setTimeout(() => this.poll(), POLL_MS);
  }

  take(found) {
    this.stamp = found.stamp;
    this.runs = found.runs;
    this.groups = found.groups;
    for (const note of this.root.querySelectorAll("[data-seeds]")) note.hidden = this.groups.length === 0;
    this.offer();
    this.draw();
    return found.live;
  }

  // Only what some curve can be drawn by is offered.
  offer() {
    const known = new Set(this.runs.flatMap((run) => Object.values(run.series).flatMap((one) => Object.keys(one.x))));
    for (const option of this.x.options) option.disabled = known.size > 0 && !known.has(option.value);
  }

  names() {
    return [...new Set(this.runs.flatMap((run) => Object.keys(run.series)))];
  }

  // What is drawn of a curve: each group as one, then every run that is in none; each run where a group shares no step.
  drawn(name) {
    const banded = this.alone.checked ? [] : this.groups.filter((group) => group.series[name]);
    const grouped = new Set(banded.flatMap((group) => group.runs));
    return [...banded, ...this.runs.filter((run) => !grouped.has(run.run))];
  }

  draw() {
    const names = this.names();
    this.root.querySelector("[data-curves-empty]").hidden = names.length > 0;
    this.root.querySelector("[data-curves-help]").hidden = names.length === 0;
    for (const name of names) this.areas.has(name) || this.add(name); // all of them first: each takes its place
    for (const name of names) this.chart(name);
  }

  chart(name) {
    const area = this.areas.get(name);
    const base = themed();
    const data = this.drawn(name).flatMap((one, index) => this.traces(one, name, base.colorway[index % base.colorway.length]));
    const layout = merge(base, {
      height: HEIGHT,
      showlegend: this.runs.length > 1,
      legend: { traceorder: "normal" }, // filled ones would turn it round
      uirevision: this.x.value,
      xaxis: { title: { text: TITLES[this.x.value] } },
      yaxis: { type: this.log.checked ? "log" : "linear" },
      margin: { t: this.runs.length > 1 ? 32 : 8 },
    });
    window.Plotly.react(area, data, layout, CONFIG);
    area.dataset.drawn = "";
  }

  traces(run, name, color) {
    const one = run.series[name];
    const x = one?.x[this.x.value];
    if (!x) return [];
    const weight = Number(this.smooth.value);
    if (one.low) return this.banded(one, x, plain(run.name), color, weight);
    const line = { type: "scatter", mode: x.length > 1 ? "lines" : "markers", x, name: plain(run.name), line: { color, width: 1.75 }, marker: { color } };
    if (!weight) return [{ ...line, y: one.y }];
    const raw = { ...line, y: one.y, opacity: 0.25, showlegend: false, hoverinfo: "skip" };
    return [raw, { ...line, y: smoothed(one.y, weight) }];
  }

  banded(one, x, name, color, weight) {
    const read = (values) => (weight ? smoothed(values, weight) : values);
    const edge = { type: "scatter", mode: "lines", x, line: { color, width: 0 }, showlegend: false, hoverinfo: "skip" };
    const mean = { type: "scatter", mode: x.length > 1 ? "lines" : "markers", x, y: read(one.y), name, line: { color, width: 1.75 }, marker: { color } };
    return [{ ...edge, y: read(one.low) }, { ...edge, y: read(one.high), fill: "tonexty", fillcolor: faint(color) }, mean];
  }

  add(name) {
    const figure = document.createElement("figure");
    const title = document.createElement("figcaption");
    const area = document.createElement("div");
    figure.className = "chart";
    title.textContent = name;
    area.className = "chart-area";
    area.setAttribute("role", "img");
    area.setAttribute("aria-label", `${name}; its newest values are on this page, all of them in the CSV file`);
    area.dataset.curve = name;
    figure.append(title, area);
    this.charts.append(figure);
    this.areas.set(name, area);
    this.widths.observe(area);
  }
}

for (const root of document.querySelectorAll("[data-curves]")) new Curves(root).poll();
