// Words of our nodes on the page, out of locales/<language>/nodeDefs.json, where the page itself falls short:
// - It merges the translations of custom nodes before it loads those of a language of its own (frontend 1.32), which
//   then take their place. So they are put into the definitions, which are what it falls back to.
// - It has none for the values of a list. Here they are `options` of an input; workflows keep the values as they are.
// - It cannot tell that choosing a model file will fetch it, how large that is, what it is and what its terms are.

import { app } from "../../scripts/app.js";

import { chosen, fetchWords, filled } from "./words.js";

let megabytesToFetch = {};
let terms = {};

function words(nodeType) {
  return chosen((all) => all.nodeDefs?.[nodeType]) ?? {};
}

function translate(definition, texts) {
  definition.display_name = texts.display_name ?? definition.display_name;
  definition.description = texts.description ?? definition.description;
  const categories = chosen((all) => all.nodeCategories) ?? {};
  definition.category = definition.category.split("/").map((name) => categories[name] ?? name).join("/");
  for (const [name, spec] of Object.entries({ ...definition.input.required, ...definition.input.optional })) {
    spec[1] ??= {};
    spec[1].tooltip = texts.inputs?.[name]?.tooltip ?? spec[1].tooltip;
  }
  for (const [index, text] of Object.entries(texts.outputs ?? {})) {
    if (text.tooltip) definition.output_tooltips[index] = text.tooltip;
  }
}

function label(nodeType, input, value) {
  const { options, to_fetch } = words(nodeType).inputs?.[input] ?? {};
  const isFile = nodeType === "GPENLoadModel" && input === "file";
  const megabytes = isFile && megabytesToFetch[value];
  const told = isFile && terms[value] ? ` · ${terms[value]}` : "";
  if (megabytes && to_fetch) return filled(to_fetch, { file: value, size: megabytes }) + told;
  return (options?.[value] ?? value ?? "") + told;
}

function readSizes(definitions) {
  const file = definitions.GPENLoadModel?.input.required.file[1];
  megabytesToFetch = file?.megabytes_to_fetch ?? {};
  terms = file?.terms ?? {};
}

app.registerExtension({
  name: "gpen.labels",
  async addCustomNodeDefs(definitions) {
    readSizes(definitions);
    await fetchWords();
    for (const [nodeType, definition] of Object.entries(definitions)) {
      if (nodeType.startsWith("GPEN")) translate(definition, words(nodeType));
    }
  },
  // After the page's "Refresh", when what was fetched counts as on disk.
  refreshComboInNodes: readSizes,
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("GPEN")) return;
    const { inputs, outputs } = words(node.comfyClass);
    // What is shown, beside the name that workflows keep.
    for (const slot of node.inputs ?? []) slot.localized_name = inputs?.[slot.name]?.name ?? slot.localized_name;
    for (const [index, slot] of (node.outputs ?? []).entries()) {
      slot.localized_name = outputs?.[index]?.name ?? slot.localized_name;
    }
    for (const widget of node.widgets ?? []) {
      widget.label = inputs?.[widget.name]?.name ?? widget.label;
      if (widget.type === "combo") widget.options.getOptionLabel = (value) => label(node.comfyClass, widget.name, value);
    }
  },
});
