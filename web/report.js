// What became of each face, on the node that says it: a line a face, the outcome first, in the page's language.
//
// The server sends the facts beside the text (`gpen_report`, see gpen/faces/report.py), and sends them again for a node
// whose result it has kept, where this version of ComfyUI does so.

import { app } from "../../scripts/app.js";

import { chosen, filled } from "./words.js";

const NAME = "gpen_report";
const LINE = 16; // pixels
const EDGE = 12;
const MOST_LINES = 7; // further ones are reached by scrolling

function words() {
  return chosen((all) => all.gpen?.report) ?? {};
}

function kind(name) {
  return words().kinds?.[name] ?? name;
}

// A sentence of the library's, in which numbers stand as {}.
function phrase(text) {
  const numbers = text.match(/\d+(\.\d+)?/g) ?? [];
  const translated = words().phrases?.[text.replace(/\d+(\.\d+)?/g, "#")];
  return translated ? translated.replace(/#/g, () => numbers.shift()) : text;
}

function summary(report) {
  if (report.message) return phrase(report.message);
  const texts = words();
  if (!report.found) return filled(report.pictures > 1 ? texts.none_in : texts.none, report);
  const found = filled(report.found > 1 ? texts.many : texts.one, report);
  const tracks = report.tracks ? filled(report.tracks > 1 ? texts.in_tracks : texts.in_track, report) : "";
  const counts = Object.entries(report.counts).map(([name, count]) => filled(texts.count, { count, kind: kind(name) }));
  return [found + tracks, ...counts].join(texts.separator);
}

function line(face, report) {
  const texts = words();
  const row = document.createElement("div");
  const outcome = document.createElement("b");
  outcome.textContent = `#${face.number} ${kind(face.kind)}`;
  const facts = [filled(texts.size, face)];
  if (face.sharpness !== null) facts.push(filled(texts.sharpness, face));
  if (report.pictures > 1) facts.push(filled(texts.picture, face));
  if (face.why) facts.push(phrase(face.why));
  row.append(outcome, ["", ...facts].join(" · "));
  row.title = filled(texts.more, face);
  return row;
}

function lines(report) {
  const head = document.createElement("div");
  head.textContent = summary(report);
  const rows = [head, ...report.faces.map((face) => line(face, report))];
  if (report.left_off) {
    const rest = document.createElement("div");
    rest.textContent = filled(words().left_off, report);
    rows.push(rest);
  }
  return rows;
}

// A box that is as high as the node lets it be, whatever it holds.
function box() {
  const outer = document.createElement("div");
  outer.className = "gpen-report";
  outer.style.cssText = "position: relative; width: 100%; overflow: hidden;";
  const inner = document.createElement("div");
  inner.style.cssText = `position: absolute; inset: 0; overflow: auto; box-sizing: border-box; padding: ${EDGE / 2}px 8px;
    border-radius: 6px; background: var(--comfy-input-bg, #222); color: var(--input-text, #ddd);
    font: 11px/${LINE}px sans-serif; user-select: text; cursor: text; overflow-wrap: anywhere;`;
  // In Nodes 2.0 the wheel scrolls it once it has the focus, as it does the page's own widgets.
  inner.tabIndex = 0;
  inner.dataset.captureWheel = "true";
  inner.addEventListener("wheel", (event) => {
    if (inner.scrollHeight > inner.clientHeight && !event.ctrlKey) event.stopPropagation();
  });
  outer.append(inner);
  return outer;
}

function widgetOf(node) {
  const found = node.widgets?.find((widget) => widget.name === NAME);
  if (found) return found;
  const widget = node.addDOMWidget(NAME, NAME, box(), {
    serialize: false,
    hideOnZoom: false,
    margin: 6,
    getValue: () => node.gpenReport?.text ?? "",
    setValue: () => {},
    getMinHeight: () => widget?.gpenHeight ?? LINE,
    // What else grows, a picture, gets the rest.
    getMaxHeight: () => (node.imgs?.length ? widget.gpenHeight : undefined),
  });
  widget.serialize = false;
  return widget;
}

function show(node, report) {
  if (!report) return;
  const widget = widgetOf(node);
  const rows = lines(report);
  node.gpenReport = { ...report, text: rows.map((row) => row.textContent).join("\n") };
  widget.element.firstChild.replaceChildren(...rows);
  const height = LINE * Math.min(rows.length, MOST_LINES) + EDGE;
  widget.gpenHeight = height + 12; // and the widget's margins
  widget.element.style.minHeight = `${height}px`;
  const [width, least] = node.computeSize();
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], least)]);
  app.graph.setDirtyCanvas(true, true);
}

app.registerExtension({
  name: "gpen.report",
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("GPEN")) return;
    const executed = node.onExecuted;
    node.onExecuted = function (output) {
      executed?.apply(this, arguments);
      show(this, output?.[NAME]?.[0]);
    };
  },
});
