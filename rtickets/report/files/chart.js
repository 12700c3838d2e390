// A chart as SVG: curves with error bars, a tooltip, series on and off, log axes and zoom.
// Everything that is shown comes from the page's data as text, never as markup.

const SHAPES = [
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
  "M-3.6-3.6h7.2v7.2h-7.2z",
  "M0-4.6 4.4 3.4h-8.8z",
  "M0-5 4.6 0 0 5-4.6 0z",
  "M0 4.6 4.4-3.4h-8.8z",
];
const COLORS = 6;
const MARGIN = { left: 54, right: 16, top: 12, bottom: 46 };
const REACH = 36; // pixels from a point that still mean it
const DRAG = 8; // pixels that make a zoom of a click

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function niceTicks(low, high, count) {
  const raw = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((each, i) => raw <= power * [1.5, 3.2, 7.5, 10][i]);
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const each of [1, 2, 5]) ticks.push(each * 10 ** power);
  }
  return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
}

function shown(value) {
  return String(Number(value.toPrecision(4)));
}

class Axis {
  constructor(low, high, from, to, log) {
    Object.assign(this, { low, high, from, to, log });
  }
  at(value) {
    const of = this.log ? Math.log : Number;
    return this.from + ((of(value) - of(this.low)) / (of(this.high) - of(this.low))) * (this.to - this.from);
  }
  value(pixel) {
    const share = (pixel - this.from) / (this.to - this.from);
    if (this.log) return this.low * (this.high / this.low) ** share;
    return this.low + share * (this.high - this.low);
  }
}

class Chart {
  constructor(figure, spec) {
    Object.assign(this, { figure, spec, hidden: new Set(), zoom: null, current: null });
    this.log = { x: spec.x.log && this.canBeLog("x"), y: false };
    this.svg = figure.querySelector("svg");
    this.svg.setAttribute("tabindex", "0");
    this.svg.setAttribute("role", "application");
    this.svg.setAttribute("aria-label",
      `${spec.title}: ${spec.y.label} against ${spec.x.label}. Arrow keys go from point to point, + and - zoom, 0 shows all.`);
    this.tip = element("div", { class: "tip", role: "status", hidden: "" });
    figure.prepend(this.makeTools());
    figure.append(this.tip, this.makeLegend());
    this.listen();
    new ResizeObserver(() => this.draw()).observe(figure);
    this.draw();
  }

  svgElement(tag, attributes = {}, text = null) {
    const made = document.createElementNS(this.svg.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== null) made.textContent = text;
    return made;
  }

  points(all = false) {
    return this.spec.series.flatMap((series, s) =>
      all || !this.hidden.has(s) ? series.points.map((point, i) => ({ ...point, s, i })) : []);
  }

  canBeLog(name) {
    const values = this.points(true).flatMap((point) => (name === "x" ? [point.x] : [point.y, point.low]));
    return values.length > 0 && values.every((value) => value > 0);
  }

  makeTools() {
    const tools = element("div", { class: "tools", role: "group", "aria-label": "axes and zoom" });
    const button = (text, title, act, pressed) => {
      const made = element("button", { type: "button", title }, text);
      if (pressed !== undefined) made.setAttribute("aria-pressed", pressed);
      made.addEventListener("click", () => act(made));
      tools.append(made);
      return made;
    };
    for (const name of ["x", "y"]) {
      if (!this.canBeLog(name)) continue;
      button(`log ${name}`, `logarithmic ${name} axis`, (made) => {
        this.log[name] = !this.log[name];
        this.zoom = null;
        made.setAttribute("aria-pressed", this.log[name]);
        this.draw();
      }, this.log[name]);
    }
    button("+", "zoom in", () => this.scale(0.6));
    button("\u2212", "zoom out", () => this.scale(1 / 0.6));
    this.reset = button("all", "show all, as a double click does", () => this.setZoom(null));
    return tools;
  }

  makeLegend() {
    const legend = element("div", { class: "legend", role: "group", "aria-label": "series, on and off" });
    this.buttons = this.spec.series.map((series, s) => {
      const swatch = this.svgElement("svg", { width: 30, height: 12, viewBox: "-15 -6 30 12", "aria-hidden": "true" });
      if (!series.loose) swatch.append(this.svgElement("path", { d: "M-14 0H14", class: this.lineClass(series) }));
      if (!series.flat && !series.guide) swatch.append(this.svgElement("path", { d: SHAPES[series.shape % SHAPES.length], class: `dot c${series.color % COLORS}` }));
      const button = element("button", { type: "button", "aria-pressed": "true", title: "on or off; a double click shows it alone" });
      button.append(swatch, series.name);
      button.addEventListener("click", () => this.toggle([s]));
      button.addEventListener("dblclick", () => this.alone(s));
      legend.append(button);
      return button;
    });
    return legend;
  }

  lineClass(series) {
    return `line c${series.color % COLORS}${series.flat || series.guide || series.dashed ? " flat" : series.color >= COLORS ? " again" : ""}`;
  }

  toggle(numbers) {
    for (const s of numbers) this.hidden.has(s) ? this.hidden.delete(s) : this.hidden.add(s);
    this.buttons.forEach((button, s) => button.setAttribute("aria-pressed", !this.hidden.has(s)));
    this.point(null);
    this.draw();
  }

  alone(s) {
    const others = this.spec.series.map((_, each) => each).filter((each) => each !== s);
    const all = others.every((each) => this.hidden.has(each)) && !this.hidden.has(s);
    this.hidden = new Set(all ? [] : others);
    this.toggle([]);
  }

  setZoom(zoom) {
    this.zoom = zoom;
    this.draw();
  }

  scale(factor) {
    if (factor > 1 && !this.zoom) return;
    const part = (axis, middle) => {
      const half = (Math.abs(axis.to - axis.from) / 2) * factor;
      return [axis.value(middle - half), axis.value(middle + half)].sort((a, b) => a - b);
    };
    const found = this.current && this.points().find((p) => p.s === this.current.s && p.i === this.current.i);
    const x = found ? this.x.at(found.x) : (this.x.from + this.x.to) / 2;
    const y = found ? this.y.at(found.y) : (this.y.from + this.y.to) / 2;
    const zoom = { x: part(this.x, x), y: part(this.y, y) };
    const covers = (name) => zoom[name][0] <= this.extent(name)[0] && zoom[name][1] >= this.extent(name)[1];
    this.setZoom(covers("x") && covers("y") ? null : zoom);
  }

  extent(name) {
    const drawn = this.points().length ? this.points() : this.points(true);
    const spread = drawn.filter((point) => name === "y" || !this.spec.series[point.s].flat);
    const points = spread.length ? spread : drawn;
    const values = points.flatMap((p) => (name === "x" ? [p.x] : [p.low, p.high, p.y]));
    const usable = this.log[name] ? values.filter((value) => value > 0) : values;
    let [low, high] = [Math.min(...usable), Math.max(...usable)];
    if (this.log[name]) {
      const pad = Math.max((high / low) ** 0.05, 1.05);
      return [low / pad, high * pad];
    }
    const pad = (high - low || Math.abs(high) || 1) * 0.06;
    [low, high] = [low - pad, high + pad];
    const bounds = this.spec[name].bounds; // of a share: none is below 0 or above 100%
    return bounds ? [Math.max(low, bounds[0] - pad / 3), Math.min(high, bounds[1] + pad / 3)] : [low, high];
  }

  draw() {
    const width = Math.max(this.figure.clientWidth, 240);
    const height = Math.min(Math.max(width * 0.6, 250), 370);
    const [x, y] = ["x", "y"].map((name) => (this.zoom ? this.zoom[name] : this.extent(name)));
    this.x = new Axis(x[0], x[1], MARGIN.left, width - MARGIN.right, this.log.x);
    this.y = new Axis(y[0], y[1], height - MARGIN.bottom, MARGIN.top, this.log.y);
    this.reset.disabled = !this.zoom;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const clip = `clip-${this.figure.dataset.chart}`;
    const shape = this.svgElement("clipPath", { id: clip });
    const box = { x: MARGIN.left - 1, y: MARGIN.top - 5, width: this.x.to - this.x.from + 6, height: this.y.from - this.y.to + 8 };
    shape.append(this.svgElement("rect", box));
    this.data = this.svgElement("g", { "clip-path": `url(#${clip})` });
    this.svg.replaceChildren(shape, this.drawAxes(width, height), this.data);
    this.spec.series.forEach((series, s) => this.hidden.has(s) || this.drawSeries(series, s));
    this.mark();
  }

  ticks(name) {
    const axis = this[name];
    const room = Math.abs(axis.to - axis.from);
    const given = name === "x" && this.spec.x.ticks && this.spec.x.ticks.filter((t) => t >= axis.low && t <= axis.high);
    const logged = axis.log ? logTicks(axis.low, axis.high) : [];
    const wanted = given && given.length > 1 ? given : logged.length > 1 ? logged
      : niceTicks(axis.low, axis.high, room / (name === "x" ? 80 : 48));
    const apart = name === "x" ? 34 : 18;
    return wanted.reduce((kept, tick) =>
      kept.length && Math.abs(axis.at(tick) - axis.at(kept.at(-1))) < apart ? kept : [...kept, tick], []);
  }

  drawAxes(width, height) {
    const axes = this.svgElement("g", { class: "axes" });
    for (const tick of this.ticks("y")) {
      const at = this.y.at(tick);
      axes.append(this.svgElement("line", { x1: this.x.from, x2: this.x.to, y1: at, y2: at }));
      axes.append(this.svgElement("text", { x: this.x.from - 8, y: at + 4, "text-anchor": "end" }, shown(tick)));
    }
    for (const tick of this.ticks("x")) {
      const at = this.x.at(tick);
      axes.append(this.svgElement("line", { x1: at, x2: at, y1: this.y.from, y2: this.y.from + 5, class: "tick" }));
      axes.append(this.svgElement("text", { x: at, y: this.y.from + 18, "text-anchor": "middle" }, shown(tick)));
    }
    const middle = (this.x.from + this.x.to) / 2;
    axes.append(this.svgElement("line", { x1: this.x.from, x2: this.x.to, y1: this.y.from, y2: this.y.from, class: "tick" }));
    axes.append(this.svgElement("text", { x: middle, y: height - 8, "text-anchor": "middle", class: "name" }, this.spec.x.label));
    const turned = `rotate(-90) translate(${-(this.y.from + this.y.to) / 2} 13)`;
    axes.append(this.svgElement("text", { transform: turned, "text-anchor": "middle", class: "name" }, this.spec.y.label));
    return axes;
  }

  drawSeries(series, s) {
    const group = this.svgElement("g", { "data-series": s });
    this.data.append(group);
    const line = this.lineClass(series);
    if (series.flat) {
      const at = this.y.at(series.points[0].y);
      group.append(this.svgElement("path", { d: `M${this.x.from} ${at}H${this.x.to}`, class: line }));
      return;
    }
    const places = series.points.map((p) => [this.x.at(p.x), this.y.at(p.y)]);
    if (!series.loose) group.append(this.svgElement("path", { d: `M${places.map((p) => p.join(" ")).join("L")}`, class: line }));
    if (series.guide) return;
    series.points.forEach((point, i) => {
      const [x, y] = places[i];
      const [low, high] = [point.low, point.high].map((value) => this.y.at(this.log.y ? Math.max(value, this.y.low) : value));
      if (point.high > point.low) {
        group.append(this.svgElement("path", { d: `M${x} ${low}V${high}M${x - 3} ${low}h6M${x - 3} ${high}h6`, class: `bar c${series.color % COLORS}` }));
      }
      const at = `translate(${x} ${y})`;
      group.append(this.svgElement("path", { d: SHAPES[series.shape % SHAPES.length], transform: at, class: `dot c${series.color % COLORS}` }));
    });
  }

  nearest(event) {
    const [px, py] = this.place(event);
    let best = null, least = REACH;
    for (const point of this.points()) {
      if (this.spec.series[point.s].guide) continue;
      const flat = this.spec.series[point.s].flat;
      const far = Math.hypot(flat ? 2 * (REACH / 4) : this.x.at(point.x) - px, this.y.at(point.y) - py);
      if (far < least) [best, least] = [point, far];
    }
    return best;
  }

  place(event) {
    const box = this.svg.getBoundingClientRect();
    const factor = this.svg.viewBox.baseVal.width / box.width;
    return [(event.clientX - box.left) * factor, (event.clientY - box.top) * factor];
  }

  point(point, px = null) {
    this.current = point && { s: point.s, i: point.i };
    this.mark();
    this.tip.hidden = !point;
    if (!point) return;
    const series = this.spec.series[point.s];
    this.tip.replaceChildren(element("strong", {}, series.name), ...point.text.map((line) => element("span", {}, line)));
    const factor = this.svg.getBoundingClientRect().width / this.svg.viewBox.baseVal.width;
    const x = (series.flat && px !== null ? px : this.clipped(this.x, point.x)) * factor;
    const top = this.svg.getBoundingClientRect().top - this.figure.getBoundingClientRect().top;
    const left = Math.min(Math.max(x - this.tip.offsetWidth / 2, 0), this.figure.clientWidth - this.tip.offsetWidth);
    this.tip.style.left = `${Math.max(left, 0)}px`;
    const above = top + this.clipped(this.y, point.y) * factor - this.tip.offsetHeight - 12;
    this.tip.style.top = `${above < 0 ? above + this.tip.offsetHeight + 26 : above}px`;
  }

  clipped(axis, value) {
    return Math.min(Math.max(axis.at(value), Math.min(axis.from, axis.to)), Math.max(axis.from, axis.to));
  }

  mark() {
    this.data?.querySelector(".ring")?.remove();
    const found = this.current && this.spec.series[this.current.s];
    if (!found || found.flat) return;
    const point = found.points[this.current.i];
    this.data.append(this.svgElement("circle", { cx: this.x.at(point.x), cy: this.y.at(point.y), r: 8, class: `ring c${found.color % COLORS}` }));
  }

  listen() {
    let start = null, box = null;
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch" || event.button !== 0) return this.point(this.nearest(event), this.place(event)[0]);
      start = this.place(event);
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (!start) return this.point(this.nearest(event), this.place(event)[0]);
      const end = this.place(event);
      box ??= this.svg.appendChild(this.svgElement("rect", { class: "zoom" }));
      const corner = [0, 1].map((k) => Math.min(start[k], end[k]));
      const size = [0, 1].map((k) => Math.abs(start[k] - end[k]));
      Object.entries({ x: corner[0], y: corner[1], width: size[0], height: size[1] }).forEach(([name, value]) => box.setAttribute(name, value));
    });
    const stop = (event) => {
      if (!start) return;
      const [from, to] = [start, this.place(event)];
      start = box = null;
      if (event.type === "pointerup" && [0, 1].every((k) => Math.abs(from[k] - to[k]) > DRAG)) {
        const part = (axis, k) => [from[k], to[k]].map((pixel) => axis.value(pixel)).sort((a, b) => a - b);
        this.setZoom({ x: part(this.x, 0), y: part(this.y, 1) });
      } else this.draw();
    };
    this.svg.addEventListener("pointerup", stop);
    this.svg.addEventListener("pointercancel", stop);
    this.svg.addEventListener("dblclick", () => this.setZoom(null));
    this.svg.addEventListener("pointerleave", (event) => event.pointerType === "touch" || this.point(null));
    this.svg.addEventListener("blur", () => this.point(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const zoom = { "+": () => this.scale(0.6), "=": () => this.scale(0.6), "-": () => this.scale(1 / 0.6), 0: () => this.setZoom(null), Escape: () => this.point(null) };
    const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in zoom || event.key in moves)) return;
    event.preventDefault();
    if (event.key in zoom) return zoom[event.key]();
    this.move(...moves[event.key]);
  }

  move(bySeries, byPoint) {
    const seen = this.spec.series.map((_, s) => s).filter((s) => !this.hidden.has(s));
    if (!seen.length) return;
    const place = this.current ? seen.indexOf(this.current.s) : 0;
    const s = seen[(place + bySeries + seen.length) % seen.length];
    const points = this.spec.series[s].points;
    const i = this.current ? Math.min(Math.max(this.current.i + byPoint, 0), points.length - 1) : 0;
    this.point({ ...points[i], s, i });
  }
}
