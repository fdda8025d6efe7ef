// The pack's templates in ComfyUI's template browser. It names them by their files, in whatever order the server's
// disk has them; so the list is put in order, translated, and freed of those whose nodes this ComfyUI lacks. When one
// is opened, its notes are shown in the page's language, and the picture that it names is brought to the server.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

import { language } from "./words.js";

const HERE = new URL(".", import.meta.url);
const PACK = HERE.pathname.split("/").at(-2);
const EXAMPLE = "gpen_example.jpg";
const TRANSLATIONS = "gpen_translations";

const listed = fetch(new URL("templates.json", HERE)).then((reply) => reply.json());
const files = new Map(); // title → name of the file

function titled(template) {
  const title = template.titles[language()] ?? template.name;
  files.set(title, template.name);
  return title;
}

async function sorted(names) {
  const known = (await listed).filter(({ name }) => names.includes(name));
  const rest = names.filter((name) => !known.some((template) => template.name === name));
  const usable = known.filter(({ needs }) => needs.every((type) => type in LiteGraph.registered_node_types));
  return [...usable.map(titled), ...rest.sort()];
}

function patchTemplateBrowser() {
  const getWorkflowTemplates = api.getWorkflowTemplates;
  const apiURL = api.apiURL;
  if (!getWorkflowTemplates || !apiURL) return;
  api.getWorkflowTemplates = async function () {
    const all = await getWorkflowTemplates.call(this);
    return all[PACK] ? { ...all, [PACK]: await sorted(all[PACK]) } : all;
  };
  const start = `/workflow_templates/${PACK}/`;
  api.apiURL = function (route) {
    // The page asks for title + ".json", and puts ".jpg" behind the address of the title alone.
    const [, title, ending] = (route.startsWith(start) && route.slice(start.length).match(/^(.*?)(\.json)?$/)) || [];
    return apiURL.call(this, files.has(title) ? start + files.get(title) + (ending ?? "") : route);
  };
}

function translateNotes(workflow) {
  for (const node of workflow.nodes ?? []) {
    const translations = node.properties?.[TRANSLATIONS];
    if (!translations) continue;
    // From now on it is a note like any other, which people may change.
    delete node.properties[TRANSLATIONS];
    if (translations[language()]) node.widgets_values = [translations[language()]];
  }
}

async function bringExample(workflow) {
  const named = (workflow.nodes ?? []).some((node) => node.type === "LoadImage" && node.widgets_values?.[0] === EXAMPLE);
  const spec = LiteGraph.registered_node_types.LoadImage?.nodeData?.input.required.image;
  const choices = Array.isArray(spec?.[0]) ? spec[0] : spec?.[1]?.options;
  if (!named || !choices || choices.includes(EXAMPLE)) return;
  const body = new FormData();
  body.append("image", new File([await (await fetch(new URL(EXAMPLE, HERE))).blob()], EXAMPLE));
  const reply = await api.fetchApi("/upload/image", { method: "POST", body });
  if (reply.ok) choices.push(EXAMPLE);
}

app.registerExtension({
  name: "gpen.templates",
  init: patchTemplateBrowser,
  async beforeConfigureGraph(workflow) {
    translateNotes(workflow);
    await bringExample(workflow).catch((error) => console.warn("GPEN: the example picture is not there", error));
  },
});
